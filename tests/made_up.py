"""What tests make themselves: labelled faces, a model's reference, and pictures of one colour."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.arrays import Picture
from models.emotion.classifier import Classifier
from models.emotion.model_reference import Answers, Part, Reference
from models.faces.canonical import CANONICAL, COARSE_REGIONS
from models.faces.jpeg_passthrough import Jpeg
from models.faces.landmark_set import ALL, LandmarkSet
from models.faces.pictures import decode_jpeg
from models.samples.dataset import EMOTIONS, Samples
from models.samples.expression_sampler import SHAPES, sample_weights
from workers.camera.video_picture import Shot, VideoPicture

RED, GREEN, BLUE = (230, 20, 20), (20, 230, 20), (20, 20, 230)


def reference_of(classifier: Classifier) -> Reference:
    """A reference of this model; each point's numbers are others."""

    def part(points: Iterable[str], first: float) -> Part:
        measured = {}
        for number, point in enumerate(points):
            share = round(first + 0.1 * number, 3)
            mix = dict.fromkeys(classifier.emotions, 0.0) | {"neutral": 1 - share, "fear": share}
            regions = dict.fromkeys(COARSE_REGIONS, 0.0) | {"mouth": share, "eyes": 1 - share}
            measured[point] = Answers(share, share / 2, mix, regions)
        return Part("made-up", 10, measured)

    own = classifier.own_operating_points
    return Reference(
        classifier.version, part(classifier.operating_points, 0.2), part(own, 0.6) if own else None, 0.75
    )


def samples_of(
    points: NDArray[Any],
    label: NDArray[np.int32],
    *,
    landmark_set: LandmarkSet = ALL,
    validation: NDArray[np.bool_] | None = None,
    subject: NDArray[np.int32] | None = None,
) -> Samples:
    """Faces [N, K, 3] that all judges agree on, of one file; none held out and nobody known unless given."""
    n = len(label)
    return Samples(
        points.astype(np.float32),
        np.eye(8, dtype=np.float32)[label],
        label,
        np.zeros(n, np.bool_) if validation is None else validation,
        np.full(n, -1, np.int32) if subject is None else subject,
        np.zeros(n, np.int32),
        ("made-up",),
        ("real",),
        np.full(n, ""),
        np.zeros((n, len(SHAPES)), np.float32),
        np.zeros((n, 2), np.float32),
        landmark_set,
    )


def warped_file(path: Path, people: int, seed: int = 0) -> Path:
    """Writes what the warping of photos leaves: a person's four quiet neutral faces, three speaking ones and
    one that blinks, and two of each other emotion, in the first of these orders for all."""
    rng = np.random.default_rng(seed)
    tags = ["", "", "", "", "speech", "speech", "speech", "blink", *[""] * 14]
    label = ["neutral"] * 8 + [emotion for emotion in EMOTIONS if emotion != "neutral" for _ in range(2)]
    weights = np.stack([sample_weights(emotion, people, rng, 0.8, 1.2) for emotion in label], axis=1)
    weights[:, 4:7, SHAPES.index("jawOpen")] += rng.uniform(0.1, 0.4, (people, 3))
    weights[:, 7, [SHAPES.index("eyeBlink_L"), SHAPES.index("eyeBlink_R")]] = 1
    shown = np.random.default_rng(1).normal(0, 0.01, (len(SHAPES), 468, 3))
    points = CANONICAL + rng.normal(0, 0.02, (people, 1, 468, 3)) + np.tensordot(weights, shown, 1)
    points = (points + rng.normal(0, 0.002, points.shape)).reshape(-1, 468, 3)
    np.savez(
        path,
        q=points.astype(np.float32),
        scale=np.full(len(points), 100, np.float32),
        offset=np.full((len(points), 3), 300, np.float32),
        label=np.tile(label, people),
        tag=np.tile(tags, people),
        subject=np.repeat(np.arange(people), len(label)).astype(np.int32),
        weights=weights.reshape(-1, len(SHAPES))[:, ::-1].astype(np.float16),
        weight_names=SHAPES[::-1],
    )
    return path


def plain(rgb: tuple[int, int, int], width: int = 64, height: int = 48) -> Picture:
    return np.full((height, width, 3), rgb, np.uint8)


def pixels(shot: Shot | None) -> Picture:
    """What a source gave, as RGB."""
    assert shot is not None
    if isinstance(shot, Jpeg):
        return decode_jpeg(shot.data, max_bytes=2**24, max_pixels=2**24)
    return shot.rgb() if isinstance(shot, VideoPicture) else shot


def shows(shot: Shot | None, rgb: tuple[int, int, int]) -> bool:
    frame = pixels(shot)
    assert frame.dtype == np.uint8
    return bool(np.abs(frame.astype(int) - rgb).mean() < 15)


def rotation_from(yaw_deg: float, pitch_deg: float, roll_deg: float) -> NDArray[np.float64]:
    """R_z(roll) @ R_y(-yaw) @ R_x(-pitch), written out: the documented meaning of pose_deg."""
    y, p, r = np.radians([-yaw_deg, -pitch_deg, roll_deg])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x
