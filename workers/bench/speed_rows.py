"""The rows of `mien bench` that run in one process: decode, mesh, classify."""

import itertools
from collections.abc import Iterator
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from models.arrays import F32, Picture
from models.emotion import classifier
from models.emotion.classifier import Classifier
from models.faces import align
from models.faces.canonical import CANONICAL, POINTS
from models.faces.face_search import SearchPace
from models.faces.landmark_set import ALL
from models.faces.litert_engine import LiteRtEngine
from models.faces.pictures import decode_jpeg, encode_jpeg
from models.faces.tracking import CameraTracker, track
from models.judging.facemesh_reference import FaceMeshReference
from models.release.onnx_export import export, read_network
from models.staged.animate import Animation
from models.staged.expression_scripts import find_script
from models.training import network
from models.training.network import Network
from models.training.trained_model import TrainedModel
from streams.settings import Settings
from workers import model_loading
from workers.figures.timing import Comparison, Cost, Side, alternate

FPS = 10.0
FRAMES = 60
JPEG_QUALITY = 85
CAPTUM_STEPS = 50
NEVER_US = 10**15


@cache
def frames(script: str, count: int = FRAMES, size_px: tuple[int, int] = (640, 480)) -> list[Picture]:
    """The first frames of the demo camera: a face that moves."""
    animation = Animation(find_script(script), FPS, size_px)
    return [animation.frame(index) for index in range(count)]


@cache
def jpegs(size_px: tuple[int, int], count: int = 12) -> list[bytes]:
    return [encode_jpeg(picture, JPEG_QUALITY) for picture in frames("cycle", count, size_px)]


def decode(settings: Settings, seconds: float) -> list[Comparison]:
    """Measures decoding: with all limits and refusing what is cut off, beside the bare decoders."""
    comparisons = []
    for width, height in ((640, 480), (1280, 720)):
        data = jpegs((width, height))
        turns = {name: itertools.cycle(data) for name in ("mien", "simplejpeg", "cv2")}

        def ours(turn: Iterator[bytes] = turns["mien"]) -> None:
            decode_jpeg(next(turn), max_bytes=settings.max_frame_bytes, max_pixels=settings.max_frame_pixels)

        def bare(turn: Iterator[bytes] = turns["simplejpeg"]) -> None:
            simplejpeg.decode_jpeg(next(turn))

        def opencv(turn: Iterator[bytes] = turns["cv2"]) -> None:
            cv2.imdecode(np.frombuffer(next(turn), np.uint8), cv2.IMREAD_COLOR)

        costs = alternate({"mien": ours, "simplejpeg": bare, "cv2": opencv}, seconds)
        mien = Side.of("models.faces.pictures.decode_jpeg", costs["mien"], jpeg_bytes=len(data[0]))
        case = f"{width}x{height} JPEG, quality {JPEG_QUALITY}"
        comparisons += [
            Comparison.of("decode", case, mien, Side.of("simplejpeg.decode_jpeg", costs["simplejpeg"])),
            Comparison.of("decode", case, mien, Side.of("cv2.imdecode (to BGR)", costs["cv2"])),
        ]
    return comparisons


def mesh(settings: Settings, seconds: float) -> list[Comparison]:
    """Measures finding each tracked face's landmarks, beside MediaPipe's own FaceMesh on the same frames."""
    every_us, most = settings.detect_interval_ms * 1000, settings.max_faces
    empty = np.full((480, 640, 3), 127, np.uint8)
    empty[:] += np.random.default_rng(0).integers(0, 20, empty.shape, dtype=np.uint8)
    one, two = frames("cycle"), frames("crowd")
    alone, several = FaceMeshReference(one[0]), FaceMeshReference(one[0], max_faces=most)
    return [
        _mesh("1 face, tracked", one, seconds, NEVER_US, 1, alone),
        _mesh("1 face, looking out for more", one, seconds, every_us, most, several),
        _mesh("1 face, detected each time", one, seconds, 0, most, FaceMeshReference(one[0], video=False)),
        _mesh("2 faces, tracked", two, seconds, NEVER_US, 2, FaceMeshReference(two[0], max_faces=2)),
        _mesh("no face", [empty], seconds, every_us, most, FaceMeshReference(empty)),
    ]


def _mesh(
    case: str,
    pictures: list[Picture],
    seconds: float,
    detect_every_us: int,
    max_faces: int,
    reference: FaceMeshReference,
) -> Comparison:
    pace = SearchPace(whole_every_us=detect_every_us, sweep_us=max(1, 2 * detect_every_us))
    tracker = CameraTracker("bench", max_faces=max_faces, pace=pace)
    frames_at_us = enumerate(itertools.count(1, round(1e6 / FPS)))
    mine, theirs = itertools.cycle(pictures), itertools.cycle(pictures)
    found: dict[str, list[int]] = {"mien": [], "library": []}
    with LiteRtEngine() as engine, closing(reference):

        def ours() -> None:
            found["mien"].append(len(track(engine, tracker, next(mine), *next(frames_at_us))))

        def bare() -> None:
            found["library"].append(len(reference.process(next(theirs))))

        costs = alternate({"mien": ours, "library": bare}, seconds)
    mean = {name: round(float(np.mean(counts)), 3) for name, counts in found.items()}
    return Comparison.of(
        "mesh",
        case,
        Side.of("models.faces.tracking.track", costs["mien"], faces_per_frame=mean["mien"]),
        Side.of(f"FaceMesh, {reference.how}", costs["library"], faces_per_frame=mean["library"]),
    )


def classify(settings: Settings, seconds: float) -> list[Comparison]:
    """Measures classifying and explaining, beside the same network in NumPy, and beside all 468 points.

    NumPy three times: prediction alone, and explained as Captum does it, in one batch or step by step.
    """
    loaded = model_loading.load_classifier(settings)
    net = read_network(settings.model_path or classifier.SHIPPED)
    every = with_all_points(loaded, hidden=len(net.b1))
    aligned = _aligned_faces(32)
    faces = loaded.landmark_set.take(aligned)
    comparisons = []
    for batch in (1, 32):
        points = faces[-batch:]
        difference = points - loaded.population_baseline
        costs = _per_face(
            alternate(
                {
                    "mien": partial(loaded.classify, points),
                    "forward": partial(network.probabilities, net, difference),
                    "captum": partial(captum_loop, net, difference),
                    "steps": partial(captum_loop, net, difference, at_once=False),
                    "every": partial(every.classify, aligned[-batch:]),
                },
                seconds,
            ),
            batch,
        )
        answer = loaded.classify(points)
        mien = Side.of(
            "Classifier.classify, explained",
            costs["mien"],
            completeness_error_max=float(answer.completeness_error.max()),
        )
        error = {rule: _incompleteness(net, difference, rule) for rule in ("gausslegendre", "riemann_middle")}
        captum = Side.of(
            f"NumPy, explained by {CAPTUM_STEPS} gradients in one batch",
            costs["captum"],
            completeness_error_max=error["gausslegendre"],
            completeness_error_max_riemann=error["riemann_middle"],
        )
        others = (
            Side.of("NumPy, not explained", costs["forward"]),
            captum,
            Side.of(f"NumPy, explained by {CAPTUM_STEPS} gradients in turn", costs["steps"]),
            Side.of("Classifier.classify, explained, all 468 points", costs["every"]),
        )
        case = f"per face, batch {batch}"
        comparisons += [Comparison.of("classify", case, mien, other) for other in others]
    return comparisons


def captum_loop(
    net: Network,
    difference: F32,
    steps: int = CAPTUM_STEPS,
    rule: str = "gausslegendre",
    *,
    at_once: bool = True,
) -> tuple[NDArray[np.int64], F32]:
    """Prediction, then Integrated Gradients as Captum's `IntegratedGradients.attribute` goes about it.

    The inputs scaled to each of the ``steps`` go through the whole network and back; their input gradients
    are weighted (`method`: Captum's default gausslegendre, or riemann_middle), summed and multiplied by the
    input. ``at_once``: all steps of all faces are one batch, as Captum does by default; else one step after
    the other (`internal_batch_size` as many as there are faces). Faces beyond the network's radius are not
    handled. Returns targets [B] and attributions [B, K].
    """
    faces = len(difference)
    target = network.logits(net, difference).argmax(axis=1)
    alphas, weights = path(steps, rule)
    flat = difference.reshape(faces, -1)
    if at_once:
        scaled = (alphas[:, None, None] * flat).reshape(steps * faces, -1)
        _, gradients = forward_and_back(net, scaled, np.tile(target, steps))
        total = np.tensordot(weights, gradients.reshape(steps, faces, -1), axes=1)
    else:
        total = np.zeros_like(flat)
        for alpha, weight in zip(alphas, weights, strict=True):
            total += weight * forward_and_back(net, alpha * flat, target)[1]
    return target, (total * flat).reshape(difference.shape).sum(axis=2)


@cache
def path(steps: int, rule: str) -> tuple[F32, F32]:
    """Points of [0, 1] and their weights, float32 [steps] each."""
    if rule == "riemann_middle":
        return ((np.arange(steps) + 0.5) / steps).astype(np.float32), np.full(steps, 1 / steps, np.float32)
    nodes, weights = np.polynomial.legendre.leggauss(steps)  # type: ignore[no-untyped-call]
    return ((nodes + 1) / 2).astype(np.float32), (weights / 2).astype(np.float32)


def forward_and_back(net: Network, flat: F32, target: NDArray[np.int64]) -> tuple[F32, F32]:
    """Logits [B, C], and the gradient [B, 3K] of each row's target logit by its input [B, 3K].

    Inside the network's radius. In place where it can be, with one tanh for silu and its slope.
    """
    x = flat @ net.w1
    x += net.b1
    gate = np.tanh(x * np.float32(0.5))
    gate += 1
    gate *= np.float32(0.5)
    hidden = x * gate
    logits: F32 = hidden @ net.w2 + net.b2
    slope = np.subtract(1, gate, out=x)
    slope *= hidden
    slope += gate
    slope *= net.w2.T[target]
    return logits, slope @ net.w1.T


def _incompleteness(net: Network, difference: F32, rule: str) -> float:
    target, attributions = captum_loop(net, difference, rule=rule)
    change = network.logits(net, difference) - network.logits(net, np.zeros_like(difference[:1]))
    score_change = np.take_along_axis(change, target[:, None], axis=1)[:, 0]
    return float(np.abs(attributions.sum(axis=1) - score_change).max())


def with_all_points(loaded: Classifier, hidden: int) -> Classifier:
    """A classifier like it that sees all 468 points. Its weights are random, which takes no longer.

    Half of the `hidden` units are the twins of the others, as in every trained network.
    """
    rng, classes, own = np.random.default_rng(0), len(loaded.emotions), hidden // 2
    shapes = (3 * POINTS, own), (own,), (own, classes), (classes,)
    w1, b1, w2, b2 = (rng.normal(0, shape[0] ** -0.5, shape).astype(np.float32) for shape in shapes)
    model = TrainedModel(
        "mien-468",
        network.with_twins(Network(w1, b1, w2, b2, radius=100.0), ALL.mirror),
        ALL,
        loaded.emotions,
        CANONICAL,
        loaded.operating_points,
        (),
        0,
    )
    with TemporaryDirectory(prefix="mien-bench-") as folder:
        return Classifier.load(export(model, Path(folder)))


def _aligned_faces(count: int) -> F32:
    """Canonical points [count, 468, 3] of real pictures, among them strong expressions."""
    tracker = CameraTracker("bench")
    with LiteRtEngine() as engine:
        tracked = [
            track(engine, tracker, picture, index, 1 + index * 100_000)
            for index, picture in enumerate(frames("cycle"))
        ]
    return align.align(np.stack([faces[0].face.landmarks_px for faces in tracked if faces][-count:])).points


def _per_face(costs: dict[str, list[Cost]], batch: int) -> dict[str, list[Cost]]:
    return {
        name: [Cost(cost.wall_ms / batch, cost.cpu_ms / batch) for cost in rounds]
        for name, rounds in costs.items()
    }
