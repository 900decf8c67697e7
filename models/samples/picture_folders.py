"""Folders of labelled pictures, turned into labelled landmarks.

Two layouts are known, told apart by their folders:

- CK+, the extended Cohn-Kanade set (Lucey et al., CVPR workshops 2010), as it is handed out: sequences from a
  neutral face to the peak of an emotion, `cohn-kanade-images/S005/001/S005_001_00000011.png`, and the emotion
  of the peak as a number, `Emotion/S005/001/S005_001_00000011_emotion.txt`. Not every sequence has one.
- a folder for each emotion, `happiness/1.jpg`, perhaps with one for each person in it, `happiness/ann/1.jpg`.
"""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from models.arrays import F32, Picture
from models.faces.engine import FaceEngine, Roi, find_faces
from models.faces.pictures import PictureRefused, read_picture
from models.samples.landmark_files import Arrays, pack

Progress = Callable[[int, int], None]
"""Called with the number of pictures that are done, and of all."""

PICTURE_SUFFIXES: Final = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)

CK_IMAGES: Final = "cohn-kanade-images"
CK_LABELS: Final = "Emotion"
CK_EMOTIONS: Final = (
    "neutral",
    "anger",
    "contempt",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
)
"""What the number in a file of `Emotion/` means."""
CK_PEAK_FRAMES: Final = 3
"""So many frames at the end of a sequence show its emotion: the custom of papers on CK+."""
CK_NEUTRAL_FRAMES: Final = 1
"""So many frames at its start show the neutral face."""

CLASS_NAMES: Final = {
    "neutral": ("neutral", "neutrality", "none", "calm"),
    "happiness": ("happiness", "happy", "joy", "smile"),
    "surprise": ("surprise", "surprised"),
    "sadness": ("sadness", "sad"),
    "anger": ("anger", "angry"),
    "disgust": ("disgust", "disgusted"),
    "fear": ("fear", "fearful", "afraid", "scared"),
    "contempt": ("contempt", "contemptuous"),
}
"""Emotion → names that its folder may have, in any case."""

_EMOTION_OF: Final = {name: emotion for emotion, names in CLASS_NAMES.items() for name in names}


class LabelledPicture(NamedTuple):
    """A picture file and what its folder says of it."""

    path: Path
    label: str
    subject: str
    """The person's name, empty where it is not known."""


class LeftOut(NamedTuple):
    """A picture that gave no face."""

    path: Path
    why: str


class Extraction(NamedTuple):
    """What became of a folder's pictures."""

    arrays: Arrays
    """As `landmark_files.pack` makes them."""
    left_out: tuple[LeftOut, ...]
    """Pictures that cannot be read or show no face."""


def find_pictures(folder: Path) -> tuple[list[LabelledPicture], list[LeftOut]]:
    """The labelled pictures of a folder of either layout, and its folders whose names are no emotions.

    In the order of their paths. Raises FileNotFoundError or NotADirectoryError, and ValueError when the
    folder has neither layout.
    """
    if not folder.is_dir():
        code = errno.ENOTDIR if folder.exists() else errno.ENOENT
        raise OSError(code, os.strerror(code), str(folder))
    if (folder / CK_IMAGES).is_dir():
        found, others = list(_cohn_kanade(folder)), []
    else:
        found = list(_class_folders(folder))
        others = [f for f in _folders(folder) if f.name.lower() not in _EMOTION_OF]
    if not found:
        raise ValueError(
            f"{folder}: no labelled pictures ({', '.join(sorted(PICTURE_SUFFIXES))}): looked for "
            f"{CK_IMAGES}/SUBJECT/SEQUENCE/PICTURE with {CK_LABELS}/SUBJECT/SEQUENCE/…_emotion.txt, and for "
            f"EMOTION/PICTURE or EMOTION/SUBJECT/PICTURE, where EMOTION is one of {', '.join(CLASS_NAMES)}"
        )
    return found, [LeftOut(other, "not an emotion's name") for other in others]


def extract(
    pictures: Sequence[LabelledPicture],
    engine: FaceEngine,
    *,
    max_pixels: int,
    progress: Progress | None = None,
) -> Extraction:
    """The largest face of each picture. A picture that cannot be read or shows no face is left out.

    Pictures of more than `max_pixels` are not decoded. Raises ValueError when no picture is left.
    """
    meshes: list[F32] = []
    used: list[LabelledPicture] = []
    left_out: list[LeftOut] = []
    for done, picture in enumerate(pictures, start=1):
        try:
            landmarks_px = mesh_of(read_picture(picture.path, max_pixels=max_pixels), engine)
        except PictureRefused as exc:
            left_out.append(LeftOut(picture.path, exc.reason))
        except OSError as exc:
            left_out.append(LeftOut(picture.path, exc.strerror or str(exc)))
        else:
            if landmarks_px is None:
                left_out.append(LeftOut(picture.path, "no face"))
            else:
                meshes.append(landmarks_px)
                used.append(picture)
        if progress:
            progress(done, len(pictures))
    if not meshes:
        raise ValueError(f"none of {len(pictures)} pictures can be used: {tell(left_out)}")
    arrays = pack(np.stack(meshes), [p.label for p in used], [p.subject for p in used])
    return Extraction(arrays, tuple(left_out))


def tell(left_out: Sequence[LeftOut], name: int = 3) -> str:
    """`a/1.png (no face), a/2.png (corrupt) and 5 more`: the first few by name."""
    named = ", ".join(f"{picture.path} ({picture.why})" for picture in left_out[:name])
    return f"{named} and {len(left_out) - name} more" if len(left_out) > name else named


def mesh_of(picture_rgb: Picture, engine: FaceEngine) -> F32 | None:
    """Landmarks [468, 3] of the largest face, in px.

    Where the detector sees no face the whole picture is tried as the face's crop: data sets often are cut so
    close that nothing around the face is left to detect it by.
    """
    found = find_faces(engine, picture_rgb, max_faces=1)
    if found:
        return found[0].landmarks_px
    height, width = picture_rgb.shape[:2]
    (face,) = engine.mesh(picture_rgb, [Roi(width / 2, height / 2, max(width, height), 0.0)])
    if face is not None:
        (face,) = engine.mesh(picture_rgb, [Roi.around(face.landmarks_px)])
    return None if face is None else face.landmarks_px


def _cohn_kanade(folder: Path) -> Iterator[LabelledPicture]:
    if not (folder / CK_LABELS).is_dir():
        raise ValueError(
            f"{folder}: {CK_IMAGES} is there, but not {CK_LABELS}: "
            "unpack the archive of emotion labels beside it"
        )
    for subject in _folders(folder / CK_IMAGES):
        for sequence in _folders(subject):
            frames = _pictures(sequence)
            labels = folder / CK_LABELS / subject.name / sequence.name
            label = _cohn_kanade_label(labels)
            neutral, later = frames[:CK_NEUTRAL_FRAMES], frames[CK_NEUTRAL_FRAMES:]
            for frame in neutral:
                yield LabelledPicture(frame, "neutral", subject.name)
            if label is not None:
                for frame in later[-CK_PEAK_FRAMES:]:
                    yield LabelledPicture(frame, label, subject.name)


def _cohn_kanade_label(folder: Path) -> str | None:
    """The emotion of a sequence, if it was given one."""
    files = sorted(path for path in folder.glob("*_emotion.txt") if not path.name.startswith("."))
    if not files:
        return None
    text = files[0].read_text(errors="replace").strip()
    numbers = {float(number): emotion for number, emotion in enumerate(CK_EMOTIONS)}
    try:
        return numbers[float(text)]
    except (ValueError, KeyError) as exc:
        raise ValueError(
            f"{files[0]}: holds {text[:40]!r}, not the number of an emotion, 0 to {len(CK_EMOTIONS) - 1}"
        ) from exc


def _class_folders(folder: Path) -> Iterator[LabelledPicture]:
    for group in _folders(folder):
        if (emotion := _EMOTION_OF.get(group.name.lower())) is None:
            continue
        for picture in _pictures(group):
            yield LabelledPicture(picture, emotion, "")
        for subject in _folders(group):
            for picture in _pictures(subject):
                yield LabelledPicture(picture, emotion, subject.name)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")
    )
