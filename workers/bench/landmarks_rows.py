"""The row `landmarks` of `mien bench`: what the stage costs and what it finds. docs/landmarks.md has figures.

A frame's cost is that of the stage's own work: JPEG in (`Faces.of`), packed messages out. Three take turns:

- the stage;
- MediaPipe's `FaceMesh` in video mode behind the same JPEG decoder;
- the least that can be: a bare JPEG decode of the whole picture and, for each face, a bare run of the mesh
  network on whatever its input holds.
"""

import itertools
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from typing import Final

import numpy as np
import simplejpeg

from models.faces.litert_engine import LiteRtEngine
from models.faces.pictures import decode_jpeg, encode_jpeg
from models.judging import landmark_agreement
from models.judging.facemesh_reference import FaceMeshReference
from models.staged import scenes
from models.staged.animate import Animation
from models.staged.expression_scripts import find_script
from streams.settings import Settings
from workers import model_loading
from workers.bench import scene_runs, soak
from workers.bench.scene_runs import JPEG_QUALITY, StageCamera
from workers.figures.timing import Comparison, Finding, Side, alternate
from workers.stages.landmarks import Faces

FPS: Final = 10.0
FRAMES: Final = 20
SIZES_PX: Final = ((640, 480), (1280, 720), (1920, 1080))
FACES: Final = (0, 2, 4, 8)
AGREEMENT_PICTURES: Final = 240
FACE_SHARE: Final = 0.26
"""Width of the demo's face over the picture's, at 4:3."""
FACE_PX: Final = 90
"""Width of the faces of the rows with several."""


def landmarks(settings: Settings, seconds: float, soak_frames: int) -> list[Comparison | Finding]:
    """Measures the row; ``seconds`` is also how many scenes are seen for each size of face and kind."""
    number = max(1, round(seconds))
    return [
        *speed(settings, seconds),
        *agreement_with_face_mesh(AGREEMENT_PICTURES),
        *scene_runs.small_faces(settings, number),
        *scene_runs.tiles(number),
        *scene_runs.ids(settings, number),
        soak.soak(settings, soak_frames),
    ]


def speed(
    settings: Settings,
    seconds: float,
    *,
    sizes_px: Sequence[tuple[int, int]] = SIZES_PX,
    faces: Sequence[int] = FACES,
) -> list[Comparison]:
    """The demo's face in each size of picture, alone and looking out for more; then several at 640x480.

    The demo's light swings by 4 %, so that all of the picture changes and is searched; a generated scene's is
    steady.
    """
    comparisons = []
    alone = settings.model_copy(update={"max_faces": 1})
    with LiteRtEngine() as engine:
        for size_px in sizes_px:
            jpegs = _portrait(size_px)
            case = f"{size_px[0]}x{size_px[1]}, 1 face"
            comparisons += _compare(f"{case}, max_faces 1", alone, engine, jpegs, size_px, 1, [1], seconds)
            limits = [1, settings.max_faces]
            for light, seen in (("swinging", jpegs), ("steady", _scene(1, size_px[0] * FACE_SHARE, size_px))):
                comparisons += _compare(
                    f"{case}, looking out for more, {light} light",
                    *(settings, engine, seen, size_px, 1, limits, seconds),
                )
        for count in faces:
            size_px = SIZES_PX[0]
            comparisons += _compare(
                f"{size_px[0]}x{size_px[1]}, {count} faces of {FACE_PX} px",
                *(
                    settings,
                    engine,
                    _scene(count, FACE_PX, size_px),
                    size_px,
                    count,
                    [max(1, count)],
                    seconds,
                ),
            )
    return comparisons


def agreement_with_face_mesh(pictures: int) -> list[Finding]:
    """How far the engine's landmarks lie from FaceMesh's: on its crop, and on the engine's own."""
    grey = np.full((480, 640, 3), 127, np.uint8)
    with LiteRtEngine() as engine, closing(FaceMeshReference(grey)) as reference:
        found = landmark_agreement.agreement(engine, reference, landmark_agreement.varied(pictures))
    findings = []
    for case, differences in (("same crop", found.same_crop), ("own crop", found.own_crop)):
        distances = 100 * np.array([d.distance for d in differences])
        turns = np.array([d.pose_deg for d in differences])
        figures = {
            "pictures": found.pictures,
            "compared": len(differences),
            "missed_by_engine": found.missed_by_engine,
            "missed_by_face_mesh": found.missed_by_reference,
            "distance_percent_mean": float(distances.mean()),
            "distance_percent_p95": float(np.percentile(distances, 95)),
            "distance_percent_max": float(distances.max()),
            "pose_deg_mean": float(turns.mean()),
            "pose_deg_p95": float(np.percentile(turns, 95)),
            "pose_deg_max": float(turns.max()),
        }
        findings.append(Finding("landmarks", "agreement", case, figures))
    return findings


def _portrait(size_px: tuple[int, int]) -> list[bytes]:
    animation = Animation(find_script("cycle"), FPS, size_px)
    return [encode_jpeg(animation.frame(index), JPEG_QUALITY) for index in range(FRAMES)]


def _scene(faces: int, face_px: float, size_px: tuple[int, int]) -> list[bytes]:
    scene = scenes.standing(faces, face_px, size_px, seconds=FRAMES / scenes.FPS, seed=7)
    return [encode_jpeg(frame.picture_rgb, JPEG_QUALITY) for frame in scene.frames()]


def _compare(
    case: str,
    settings: Settings,
    engine: LiteRtEngine,
    jpegs: Sequence[bytes],
    size_px: tuple[int, int],
    faces: int,
    reference_limits: Sequence[int],
    seconds: float,
) -> list[Comparison]:
    """The stage beside a FaceMesh for each limit of faces, and beside the least there is to do."""
    there_and_back = [*jpegs, *jpegs[-2:0:-1]]  # without a jump at the end, which would lose the faces
    stage = StageCamera(Faces(engine, model_loading.load_landmark_set(settings), settings), "bench")
    found: dict[str, list[int]] = {"stage": []}
    turn = itertools.cycle(there_and_back)

    def ours() -> None:
        found["stage"].append(len(stage.see(next(turn), size_px)))

    for _ in there_and_back:  # all are found before the clock runs
        ours()
    found["stage"].clear()

    steps: dict[str, Callable[[], None]] = {"stage": ours, "least": _least(engine, there_and_back, faces)}
    references = {
        f"FaceMesh {limit}": FaceMeshReference(simplejpeg.decode_jpeg(jpegs[0]), max_faces=limit)
        for limit in reference_limits
    }
    for name, reference in references.items():
        found[name] = []
        steps[name] = _face_mesh(settings, reference, there_and_back, found[name])
    with ExitStack() as stack:
        for reference in references.values():
            stack.enter_context(closing(reference))
        costs = alternate(steps, seconds)

    def side(name: str, key: str) -> Side:
        frames_per_cpu_s = 1000 / float(np.median([cost.cpu_ms for cost in costs[key]]))
        seen = {"faces_per_frame": round(float(np.mean(found[key])), 3)} if key in found else {}
        return Side.of(name, costs[key], frames_per_cpu_s=frames_per_cpu_s, **seen)

    mien = side("workers.stages.landmarks.Faces.of + encode", "stage")
    others = [side(f"decode_jpeg + FaceMesh, {r.how}", name) for name, r in references.items()]
    others.append(side(f"bare JPEG decode + {faces} × bare mesh network", "least"))
    return [Comparison.of("landmarks", case, mien, other) for other in others]


def _face_mesh(
    settings: Settings, reference: FaceMeshReference, jpegs: Sequence[bytes], found: list[int]
) -> Callable[[], None]:
    turn = itertools.cycle(jpegs)

    def step() -> None:
        picture = decode_jpeg(
            next(turn), max_bytes=settings.max_frame_bytes, max_pixels=settings.max_frame_pixels
        )
        found.append(len(reference.process(picture)))

    return step


def _least(engine: LiteRtEngine, jpegs: Sequence[bytes], faces: int) -> Callable[[], None]:
    turn = itertools.cycle(jpegs)
    network = engine._mesh  # bare: neither crop nor landmarks are made

    def step() -> None:
        simplejpeg.decode_jpeg(next(turn))
        for _ in range(faces):
            network.run()

    return step
