"""Neutral photos, one a person, made into faces that show every emotion as the mesh sees it.

The mesh network shows of an expression far less than its shape: a sixth of the corners of a mouth that go
down, half of those that go up. So no shape is added to points here. The photo itself is warped
(`models.samples.photo_warp`) by ICT-FaceKit's expression shapes, made a camera's picture again (a turn,
another size, light, noise, JPEG), and measured by the mesh network, as the stream does.

Of each person: four quiet neutral faces, each other's baseline; three that speak and one that blinks, neutral
too, but nobody's baseline; and two of each other emotion, drawn by `models.samples.expression_sampler`.
"""

import errno
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np

from models.arrays import F32, Picture
from models.faces.align import align
from models.faces.engine import FaceEngine
from models.faces.pictures import PictureRefused, decode_jpeg, encode_jpeg, read_picture
from models.samples import landmark_files
from models.samples.expression_sampler import SHAPES, sample_weights
from models.samples.landmark_files import Arrays, pack
from models.samples.photo_warp import WarpablePhoto, prepare, warp
from models.samples.picture_folders import PICTURE_SUFFIXES, LeftOut, Progress, mesh_of, tell
from models.samples.synthetic_faces import expression_shapes

QUIET: Final = ""
SPEECH: Final = "speech"
BLINK: Final = "blink"
NEUTRALS: Final = ((QUIET, 4), (SPEECH, 3), (BLINK, 1))
"""Tags of each person's neutral faces, and how many."""
EXPRESSIONS: Final = ("happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
FACES_OF_EACH: Final = 2
STRENGTH: Final = (0.35, 1.3)
"""Of the expressions: from hardly there to more than most people show."""

MOUTH_SHAPES_OF_SPEECH: Final[tuple[Mapping[str, tuple[float, float]], ...]] = (
    {"jawOpen": (0.1, 0.35), "mouthLowerDown": (0.1, 0.4)},  # a
    {"jawOpen": (0.05, 0.2), "mouthStretch": (0.1, 0.4), "mouthLowerDown": (0.1, 0.4)},  # e
    {"jawOpen": (0.02, 0.1), "mouthSmile": (0.05, 0.2), "mouthLowerDown": (0.1, 0.4)},  # i
    {"jawOpen": (0.05, 0.2), "mouthFunnel": (0.3, 0.7)},  # o
    {"jawOpen": (0.02, 0.1), "mouthPucker": (0.3, 0.8)},  # u
    {"mouthPress": (0.2, 0.6), "mouthRollLower": (0.1, 0.4)},  # m, b, p
    {"jawOpen": (0.02, 0.1), "mouthRollLower": (0.3, 0.7)},  # f, v
    {"jawOpen": (0.1, 0.3), "mouthClose": (0.1, 0.3)},  # n, l
)
"""ICT-FaceKit's shapes, without their side, and from where to where their weights go."""
WITH_SPEECH: Final = ("browInnerUp", "browOuterUp", "eyeSquint", "mouthSmile")
"""What goes with speech now and then, each in a quarter of its faces, a little."""

_TEETH: Final = 0.6  # how often they show in an open mouth
_TURN_DEG: Final = 1.5  # standard deviation, as the next two
_SIZE: Final = 0.03
_SHIFT: Final = 0.01  # of the picture's side
_BRIGHTNESS: Final = (0.85, 1.15)
_SENSOR_NOISE: Final = (1.0, 4.0)
_JPEG: Final = (70, 95)


class Warped(NamedTuple):
    """What became of the photos."""

    arrays: Arrays
    """As `landmark_files.pack` makes them, with `tag`, `weights` [N, 57] and `weight_names`."""
    left_out: tuple[LeftOut, ...]
    """Photos that cannot be read or show no face."""
    lost: int
    """Warped photos in which no face was found."""


class _Row(NamedTuple):
    label: str
    tag: str
    weights: F32  # [57]


def find_photos(folder: Path) -> dict[str, list[Path]]:
    """Each person's photos: `ann.jpg`, or those in the folder `ann`. In the order of the names.

    Raises FileNotFoundError or NotADirectoryError, and ValueError when there are none, or two people of the
    same name.
    """
    if not folder.is_dir():
        code = errno.ENOTDIR if folder.exists() else errno.ENOENT
        raise OSError(code, os.strerror(code), str(folder))
    photos: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            name, mine = path.name, [each for each in sorted(path.iterdir()) if _is_picture(each)]
        else:
            name, mine = path.stem, [path] if _is_picture(path) else []
        if mine and name in photos:
            raise ValueError(f"{path}: there is another photo or folder of {name!r} beside it")
        if mine:
            photos[name] = mine
    if not photos:
        raise ValueError(
            f"{folder}: no photos ({', '.join(sorted(PICTURE_SUFFIXES))}): put one neutral photo of each "
            "person there, PERSON.jpg, or a folder for each, PERSON/1.jpg"
        )
    return photos


def load_shapes(path: Path) -> F32:
    """ICT-FaceKit's expression shapes [57, 468, 3] in the canonical face frame, in the order of `SHAPES`.

    Raises FileNotFoundError, and ValueError when the file has not all of them.
    """
    arrays = landmark_files.read(path)
    if missing := {"expr", "expr_names", "base"} - set(arrays):
        raise ValueError(f"{path}: {', '.join(sorted(missing))} missing: no file of expression shapes")
    place = {str(name): i for i, name in enumerate(arrays["expr_names"])}
    if lacking := [name for name in SHAPES if name not in place]:
        raise ValueError(f"{path}: the file of expression shapes lacks {', '.join(lacking)}")
    try:
        shapes = expression_shapes(arrays["expr"], arrays["base"])
    except ValueError as exc:
        raise ValueError(f"{path}: {exc}") from exc
    return shapes[[place[name] for name in SHAPES]]


def make(
    photos: Mapping[str, Sequence[Path]],
    shapes: F32,
    engine: FaceEngine,
    *,
    max_pixels: int,
    seed: int = 0,
    progress: Progress | None = None,
) -> Warped:
    """Warps a photo of each person, the first in which there is a face, and measures what comes of it.

    `shapes` [57, 468, 3] as `load_shapes` gives them. What is drawn for a person depends on the seed and the
    person's name only. Raises ValueError when no photo is left.
    """
    meshes: list[F32] = []
    rows: list[_Row] = []
    names: list[str] = []
    left_out: list[LeftOut] = []
    lost = 0
    for done, (name, paths) in enumerate(photos.items(), start=1):
        photo = _first_face(paths, engine, max_pixels, left_out)
        if photo is not None:
            rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
            drawn = draw(rng)
            found = [
                mesh_of(picture, engine)
                for picture in pictures(photo, [r.weights for r in drawn], shapes, rng)
            ]
            lost += sum(mesh is None for mesh in found)
            for row, mesh in zip(drawn, found, strict=True):
                if mesh is not None:
                    meshes.append(mesh)
                    rows.append(row)
                    names.append(name)
        if progress:
            progress(done, len(photos))
    if not meshes:
        raise ValueError(f"none of the photos can be used: {tell(left_out) or 'no warped face was found'}")
    arrays = {
        **pack(np.stack(meshes), [row.label for row in rows], names),
        "tag": np.array([row.tag for row in rows]),
        "weights": np.array([row.weights for row in rows], np.float16),
        "weight_names": np.array(SHAPES),
    }
    return Warped(arrays, tuple(left_out), lost)


def draw(rng: np.random.Generator) -> list[_Row]:
    """What one person shows: the neutral faces first."""
    weights_of: dict[str, Callable[[], F32]] = {
        QUIET: lambda: sample_weights("neutral", 1, rng)[0],
        SPEECH: lambda: _speech(rng),
        BLINK: lambda: _blink(rng),
    }
    rows = [_Row("neutral", tag, weights_of[tag]()) for tag, count in NEUTRALS for _ in range(count)]
    for emotion in EXPRESSIONS:
        rows += [_Row(emotion, "", w) for w in sample_weights(emotion, FACES_OF_EACH, rng, *STRENGTH)]
    return rows


def pictures(
    photo: WarpablePhoto, weights: Sequence[F32], shapes: F32, rng: np.random.Generator
) -> list[Picture]:
    """The photo with each of these weights [57], as a camera would take it."""
    aligned = align(photo.landmarks_px[None])
    to_picture = (aligned.rotation[0].T * aligned.scale[0]).astype(np.float32)
    taken = []
    for each in weights:
        moves_px = (np.einsum("e,epx->px", each, shapes) @ to_picture)[:, :2]
        taken.append(_taken(warp(photo, moves_px, teeth=rng.uniform() < _TEETH), rng))
    return taken


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _first_face(
    paths: Sequence[Path], engine: FaceEngine, max_pixels: int, left_out: list[LeftOut]
) -> WarpablePhoto | None:
    for path in paths:
        try:
            photo_rgb = read_picture(path, max_pixels=max_pixels)
        except PictureRefused as exc:
            left_out.append(LeftOut(path, exc.reason))
            continue
        except OSError as exc:
            left_out.append(LeftOut(path, exc.strerror or str(exc)))
            continue
        landmarks_px = mesh_of(photo_rgb, engine)
        if landmarks_px is None:
            left_out.append(LeftOut(path, "no face"))
            continue
        return prepare(photo_rgb, landmarks_px)
    return None


def _speech(rng: np.random.Generator) -> F32:
    shape = MOUTH_SHAPES_OF_SPEECH[rng.integers(len(MOUTH_SHAPES_OF_SPEECH))]
    weights = {name: rng.uniform(low, high) for name, (low, high) in shape.items()}
    for name in WITH_SPEECH:
        if rng.uniform() < 0.25:
            weights[name] = weights.get(name, 0.0) + rng.uniform(0, 0.2)
    return _of_both_sides(weights)


def _blink(rng: np.random.Generator) -> F32:
    return _of_both_sides({"eyeBlink": rng.uniform(0.3, 1.0), "eyeLookDown": rng.uniform(0.0, 0.6)})


def _of_both_sides(weights: Mapping[str, float]) -> F32:
    """[57] of shapes named without their side."""
    return np.array(
        [weights.get(name.removesuffix("_L").removesuffix("_R"), 0.0) for name in SHAPES], np.float32
    )


def _taken(picture: Picture, rng: np.random.Generator) -> Picture:
    """The picture as another frame of a camera."""
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D(
        (width / 2, height / 2), rng.normal(0, _TURN_DEG), float(np.clip(rng.normal(1, _SIZE), 0.8, 1.2))
    )
    turn = turn + np.array([[0, 0, width], [0, 0, height]]) * rng.normal(0, _SHIFT, (2, 1))
    moved = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    lit = moved * rng.uniform(*_BRIGHTNESS) + rng.normal(0, rng.uniform(*_SENSOR_NOISE), moved.shape)
    data = encode_jpeg(
        np.clip(np.rint(lit), 0, 255).astype(np.uint8), int(rng.integers(_JPEG[0], _JPEG[1] + 1))
    )
    return decode_jpeg(data, max_bytes=len(data), max_pixels=width * height)
