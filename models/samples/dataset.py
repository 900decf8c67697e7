"""Labelled landmarks for training and evaluation, read from .npz files and folders of pictures.

Four kinds of file are known, told apart by their arrays (the meshes: see `landmark_files`):

- with `votes` and `split`: several people's votes a face, as FERPlus has them; they become soft labels;
- with `label` and `subject`: one label a face, split so that no person is in both parts;
- with `tag` and `weights` beside these: photos of people at rest, warped by expression shapes. None is held
  out, as the training crosses over them (`models.training.own_head`);
- with `expr`, `base` and perhaps `identity`: ICT-FaceKit's shapes, which make the neutral faces of the other
  files into people who show every emotion.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.arrays import F32
from models.faces.align import align
from models.faces.head_pose import pose_deg
from models.faces.landmark_set import ALL, LandmarkSet
from models.samples.expression_sampler import SHAPES
from models.samples.landmark_files import Arrays, read, unpack
from models.samples.synthetic_faces import expression_shapes, synthesise

EMOTIONS: Final = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
NO_MAJORITY: Final = -1
UNKNOWN_SUBJECT: Final = -1

Kind: TypeAlias = Literal["real", "warped", "synthetic"]
"""Of a file: faces as they were photographed; photos that were warped and measured again; expression shapes
added to real meshes."""
RESTLESS: Final = ("speech", "blink")
"""Tags of warped faces that are neutral, but not at rest: nobody's baseline."""

_ONE_JUDGE: Final = 0.9  # what one person's label is worth; the rest is spread over all emotions
_VALIDATION_SHARE: Final = 0.1
_OF_A_FACE: Final = (
    *("points", "probabilities", "label", "validation", "subject"),
    *("source", "tag", "shape_weights", "yaw_pitch_deg"),
)
_CHUNK: Final = 2048  # faces aligned at a time, to bound memory


@dataclass(frozen=True)
class Samples:
    """Faces with what people saw in them."""

    points: F32  # [N, K, 3] in the canonical face frame
    probabilities: F32  # [N, 8]: soft labels, each row sums to 1
    label: NDArray[np.int32]  # [N]: the emotion that more than half saw, or NO_MAJORITY
    validation: NDArray[np.bool_]  # [N]: held out
    subject: NDArray[np.int32]  # [N]: another number for each person of all files, or UNKNOWN_SUBJECT
    source: NDArray[np.int32]  # [N], into `sources`
    sources: tuple[str, ...]
    kinds: tuple[Kind, ...]  # of the sources
    tag: NDArray[np.str_]  # [N]: "speech", "blink", "recipe" or "", see the data's README
    shape_weights: F32  # [N, 57]: what the photo was warped by (`expression_sampler.SHAPES`), else 0
    yaw_pitch_deg: F32  # [N, 2]: of the head in the photo; 0 for synthetic faces
    landmark_set: LandmarkSet

    def __post_init__(self) -> None:
        n = len(self.points)
        expected = {
            "points": (n, len(self.landmark_set), 3),
            "probabilities": (n, len(EMOTIONS)),
            "label": (n,),
            "validation": (n,),
            "subject": (n,),
            "source": (n,),
            "tag": (n,),
            "shape_weights": (n, len(SHAPES)),
            "yaw_pitch_deg": (n, 2),
            "kinds": (len(self.sources),),
        }
        for name, shape in expected.items():
            if np.shape(getattr(self, name)) != shape:
                raise ValueError(f"{name} must have shape {shape}, not {np.shape(getattr(self, name))}")

    def __len__(self) -> int:
        return len(self.points)

    def take(self, landmark_set: LandmarkSet) -> "Samples":
        """The same faces with fewer points. Raises ValueError unless all 468 are here."""
        if self.landmark_set != ALL:
            raise ValueError(
                f"cannot choose {landmark_set.id!r} out of {self.landmark_set.id!r}: load all points"
            )
        return replace(self, points=landmark_set.take(self.points), landmark_set=landmark_set)

    def of_kind(self, *kinds: Kind) -> NDArray[np.bool_]:
        """[N]: which faces come from files of these kinds."""
        return np.isin(self.source, [i for i, kind in enumerate(self.kinds) if kind in kinds])

    def only(self, chosen: NDArray[np.bool_]) -> "Samples":
        """The chosen [N] faces; the sources stay as they are numbered."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in _OF_A_FACE})


def load(
    paths: Sequence[Path],
    landmark_set: LandmarkSet | None = None,
    *,
    synthetic_share: float = 0.1,
    seed: int = 0,
    read_folder: Callable[[Path], Arrays] | None = None,
) -> Samples:
    """Read, align and label the faces of all files; all 468 points when `landmark_set` is None.

    `synthetic_share` is the part of the training faces that a file of expression shapes contributes.
    `read_folder` turns a folder of pictures into landmarks and labels, as `picture_folders.extract` does.
    Raises FileNotFoundError, and ValueError when a file is of no known kind or inconsistent.
    """
    if not paths:
        raise ValueError("no data: name at least one .npz file of landmarks or folder of labelled pictures")
    if not 0 <= synthetic_share < 1:
        raise ValueError(f"synthetic_share must lie in [0, 1), not {synthetic_share}")
    parts: list[Samples] = []
    shape_files: list[tuple[Path, Arrays]] = []
    for path in paths:
        if path.is_dir():
            if read_folder is None:
                raise ValueError(f"{path}: a folder of pictures, where only .npz files can be read")
            name, arrays = path.resolve().name, read_folder(path)
        else:
            name, arrays = path.stem, read(path)
        if "expr" in arrays:
            shape_files.append((path, arrays))
            continue
        with naming(path):
            parts.append(_labelled(name, arrays, seed))
    if not parts:
        raise ValueError("the files hold expression shapes only: add at least one file of labelled faces")
    real = tuple(part for part in parts if part.kinds == ("real",))
    training = sum(int((~part.validation).sum()) for part in real)
    each = round(training * synthetic_share / (1 - synthetic_share) / max(len(shape_files), 1))
    for path, arrays in shape_files:
        with naming(path):
            parts.append(synthetic_people(path.stem, arrays, real, each, seed=seed))
    samples = join(parts)
    return samples if landmark_set is None else samples.take(landmark_set)


def join(parts: Sequence[Samples]) -> Samples:
    """All faces of several data sets with the same points; persons and sources are numbered on."""
    subjects: list[NDArray[np.int32]] = []
    sources: list[NDArray[np.int32]] = []
    people = files = 0
    for part in parts:
        known = part.subject != UNKNOWN_SUBJECT
        subjects.append(np.where(known, part.subject + np.int32(people), UNKNOWN_SUBJECT).astype(np.int32))
        sources.append(part.source + np.int32(files))
        people += int(part.subject.max(initial=UNKNOWN_SUBJECT)) + 1
        files += len(part.sources)
    return Samples(
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.validation for part in parts]),
        np.concatenate(subjects),
        np.concatenate(sources),
        tuple(name for part in parts for name in part.sources),
        tuple(kind for part in parts for kind in part.kinds),
        np.concatenate([part.tag for part in parts]),
        np.concatenate([part.shape_weights for part in parts]),
        np.concatenate([part.yaw_pitch_deg for part in parts]),
        parts[0].landmark_set,
    )


def synthetic_people(
    name: str,
    arrays: Arrays,
    real: Sequence[Samples],
    count: int,
    *,
    held_out: bool = False,
    seed: int = 0,
) -> Samples:
    """`count` faces of people who show every emotion, made of real neutral faces and the shapes in `arrays`.

    They start from training faces and are training faces; with `held_out` they start from held-out faces and
    are held out, so that no model has seen anybody like them. Raises ValueError when `real` has no neutral
    face in that part or a shape is missing, KeyError when an array is.
    """
    chosen = [(part.validation == held_out) & (part.label == EMOTIONS.index("neutral")) for part in real]
    neutral = [(part.points[mask], part.subject[mask]) for part, mask in zip(real, chosen, strict=True)]
    faces = synthesise(
        np.concatenate([points for points, _ in neutral]),
        expression_shapes(arrays["expr"], arrays["base"]),
        [str(shape) for shape in arrays["expr_names"]],
        EMOTIONS,
        count,
        seed,
        identities=expression_shapes(arrays["identity"], arrays["base"]) if "identity" in arrays else None,
        variation=np.concatenate([within_person(points, subject) for points, subject in neutral]),
    )
    probabilities, _, _ = _from_labels(np.array(EMOTIONS)[faces.label])
    return Samples(
        faces.points,
        probabilities,
        faces.label,
        np.full(count, held_out),
        faces.person,
        np.zeros(count, np.int32),
        (name,),
        ("synthetic",),
        np.full(count, ""),
        np.zeros((count, len(SHAPES)), np.float32),
        np.zeros((count, 2), np.float32),
        ALL,
    )


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Says in a ValueError in which file the mistake is, or which array it lacks."""
    try:
        yield
    except (ValueError, KeyError) as exc:
        reason = f"the array {exc} is missing" if isinstance(exc, KeyError) else exc
        raise ValueError(f"{path}: {reason}") from exc


def _labelled(name: str, arrays: Arrays, seed: int) -> Samples:
    if "votes" not in arrays and "label" not in arrays:
        raise ValueError("neither votes nor labels nor expression shapes: no known kind of training data")
    warped = "tag" in arrays and "votes" not in arrays
    landmarks = unpack(arrays)
    points, yaw_pitch_deg = _aligned(landmarks)
    if "votes" in arrays:
        probabilities, label, usable = _from_votes(arrays["votes"], arrays["vote_classes"])
        validation = arrays["split"] == "validation"
        subject = np.full(len(label), UNKNOWN_SUBJECT, np.int32)
    else:
        probabilities, label, usable = _from_labels(arrays["label"])
        subject = _people(arrays["subject"])
        validation = np.zeros(len(label), np.bool_) if warped else _hold_out(subject, seed)
    tag, shape_weights = _warping(arrays) if warped else _not_warped(len(label))
    if not len(points) == len(label) == len(validation) == len(tag):
        raise ValueError(
            f"{len(points)} faces, {len(label)} labels and {len(validation)} entries of the split"
        )
    return Samples(
        points[usable],
        probabilities[usable],
        label[usable],
        validation[usable],
        subject[usable],
        np.zeros(usable.sum(), np.int32),
        (name,),
        ("warped" if warped else "real",),
        tag[usable],
        shape_weights[usable],
        yaw_pitch_deg[usable],
        ALL,
    )


def _aligned(landmarks_px: F32) -> tuple[F32, F32]:
    """Points [N, 468, 3] in the canonical face frame, and the heads' yaw and pitch [N, 2] in degrees."""
    points, poses_deg = [landmarks_px[:0]], [np.empty((0, 2), np.float32)]
    for start in range(0, len(landmarks_px), _CHUNK):
        alignment = align(landmarks_px[start : start + _CHUNK])
        points.append(alignment.points)
        poses_deg.append(pose_deg(alignment.rotation)[:, :2].astype(np.float32))
    return np.concatenate(points), np.concatenate(poses_deg)


def _from_votes(
    votes: NDArray[Any], vote_classes: NDArray[Any]
) -> tuple[F32, NDArray[np.int32], NDArray[np.bool_]]:
    """Soft labels. A face is usable when at least half of its votes name an emotion ("NF" is: no face)."""
    columns = [str(name) for name in vote_classes]
    if votes.ndim != 2 or votes.shape[1] != len(columns) or not set(EMOTIONS) <= set(columns):
        raise ValueError(f"votes {list(votes.shape)} need a column for each emotion, not {columns}")
    named = votes[:, [columns.index(emotion) for emotion in EMOTIONS]].astype(np.float32)
    total = np.maximum(votes.sum(axis=1, dtype=np.float32), 1)
    usable = named.sum(axis=1) * 2 >= total
    probabilities: F32 = named / np.maximum(named.sum(axis=1, keepdims=True), 1)
    label = np.where(named.max(axis=1) * 2 > total, named.argmax(axis=1), NO_MAJORITY).astype(np.int32)
    return probabilities, label, usable & (named.sum(axis=1) > 0)


def _from_labels(label: NDArray[Any]) -> tuple[F32, NDArray[np.int32], NDArray[np.bool_]]:
    number = {emotion: i for i, emotion in enumerate(EMOTIONS)}
    unknown = sorted(set(map(str, label)) - set(EMOTIONS))
    if unknown:
        raise ValueError(f"unknown label {unknown[0]!r}; known are {', '.join(EMOTIONS)}")
    index = np.array([number[str(name)] for name in label], dtype=np.int32)
    probabilities = np.full((len(index), len(EMOTIONS)), (1 - _ONE_JUDGE) / len(EMOTIONS), np.float32)
    probabilities[np.arange(len(index)), index] += _ONE_JUDGE
    return probabilities, index, np.ones(len(index), dtype=np.bool_)


def _warping(arrays: Arrays) -> tuple[NDArray[np.str_], F32]:
    """Tags [N], and weights [N, 57] in our order of the shapes. ValueError when the file lacks a shape."""
    names = [str(name) for name in arrays["weight_names"]]
    if missing := sorted(set(SHAPES) - set(names)):
        raise ValueError(f"the weights lack the shape {missing[0]!r}")
    weights = arrays["weights"]
    if weights.shape != (len(arrays["tag"]), len(names)):
        raise ValueError(f"expected weights [{len(arrays['tag'])}, {len(names)}], not {list(weights.shape)}")
    return arrays["tag"].astype(np.str_), weights[:, [names.index(name) for name in SHAPES]].astype(
        np.float32
    )


def _not_warped(count: int) -> tuple[NDArray[np.str_], F32]:
    return np.full(count, ""), np.zeros((count, len(SHAPES)), np.float32)


def _people(subject: NDArray[Any]) -> NDArray[np.int32]:
    """Persons numbered from 0. A negative number or an empty name in the file stands for an unknown one."""
    unknown = subject < 0 if np.issubdtype(subject.dtype, np.number) else subject == ""
    numbers = np.full(len(subject), UNKNOWN_SUBJECT, np.int32)
    numbers[~unknown] = np.unique(subject[~unknown], return_inverse=True)[1]
    return numbers


def _hold_out(subject: NDArray[np.int32], seed: int) -> NDArray[np.bool_]:
    """Some of the people, with all of their faces. Each face of an unknown person counts as one more."""
    unknown = subject == UNKNOWN_SUBJECT
    people = int(subject.max(initial=UNKNOWN_SUBJECT)) + 1
    person = subject.astype(np.int64)
    person[unknown] = people + np.arange(unknown.sum())
    people += int(unknown.sum())
    rng = np.random.default_rng(seed)
    return np.isin(person, rng.permutation(people)[: round(people * _VALIDATION_SHARE)])


def within_person(points: F32, subject: NDArray[np.int32]) -> F32:
    """How faces differ from the mean of their person's faces, for persons with several [V, K, 3].

    Scaled by √(n/(n-1)), so that the size does not depend on the number n of a person's faces.
    """
    people, count = np.unique(subject[subject != UNKNOWN_SUBJECT], return_counts=True)
    several = np.isin(subject, people[count > 1])
    points = points[several]
    _, person, count = np.unique(subject[several], return_inverse=True, return_counts=True)
    total = np.zeros((len(count), *points.shape[1:]))
    np.add.at(total, person, points)
    n = count[person, None, None]
    differences: F32 = ((points - total[person] / n) * np.sqrt(n / (n - 1))).astype(np.float32)
    return differences
