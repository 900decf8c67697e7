"""Runs the landmarks stage on generated scenes, whose truth is known: are small faces found, ids kept?

Each frame goes through the stage as from a camera at 10 fps: as a JPEG of quality 85 into `Faces.of`.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final

import numpy as np

from models.arrays import F64
from models.faces.engine import FaceEngine, find_faces
from models.faces.litert_engine import LiteRtEngine
from models.faces.pictures import decode_jpeg, encode_jpeg
from models.judging import plots
from models.judging.facemesh_reference import FaceMeshReference
from models.judging.id_scores import Judged, id_scores, iou_matrix
from models.staged import scenes
from models.staged.scenes import Scene, SceneFrame
from streams.messages import landmarks_message
from streams.messages.frame_message import Frame
from streams.messages.landmarks_message import Landmarks
from streams.settings import Settings
from workers import model_loading
from workers.figures.timing import Finding
from workers.stages.landmarks import Faces

JPEG_QUALITY: Final = 85
SMALL_FACES: Final = "small faces"
FACE_SIZES_PX: Final = (24, 32, 40, 64, 96, 160)
SIZES_PX: Final = ((1280, 720), (1920, 1080))
FACES_A_SCENE: Final = 6
TILE_SIDES: Final = (4, 6, 8, 10, 12, 14, 16, 20)
"""Sides of tiles, in face widths."""
FIND_WITHIN_S: Final = 1.0
EMPTY_S: Final = 1.3
"""How long the camera sees nobody before the small faces appear, all at once."""
FIRST_SEED: Final = 1000
"""Scenes of the bench; tests and whoever adjusts the tracker use those before."""
SAME_PLACE_IOU: Final = 0.3
"""For recall: a tiny face's box need not lie as exactly as for the scores of ids."""
MUST_BE_FOUND_FROM: Final = 0.5
"""Visible share of a face from which a tracker must know it."""


class StageCamera:
    """One camera whose frames the stage works on; they are numbered and timed by themselves.

    ``since``: how many frames the time has gone on already when it comes.
    """

    def __init__(self, faces: Faces, camera_id: str, fps: float = scenes.FPS, since: int = 0) -> None:
        self._faces = faces
        self._camera_id = camera_id
        self._interval_us = round(1e6 / fps)
        self._seen = since

    def see(self, jpeg: bytes, size_px: tuple[int, int]) -> list[Landmarks]:
        """The faces of the next frame, packed as for Kafka and handed back."""
        self._seen += 1
        found = self._faces.of(
            Frame(self._camera_id, self._seen, self._seen * self._interval_us, size_px, "live", "", jpeg)
        )
        for face in found:
            landmarks_message.encode(face)
        return found


def boxes_px(found: Sequence[Landmarks], size_px: tuple[int, int]) -> F64:
    """Boxes ``[N, 4]`` (x0, y0, x1, y1) of messages, in px."""
    boxes = [(f.face.x, f.face.y, f.face.x + f.face.w, f.face.y + f.face.h) for f in found]
    return np.asarray(np.reshape(np.array(boxes, np.float64), (-1, 4)) * np.tile(size_px, 2), np.float64)


def true_boxes_px(frame: SceneFrame, size_px: tuple[int, int]) -> F64:
    """The true boxes ``[N, 4]``, cut off at the picture's border like those of messages."""
    boxes = np.reshape(np.array([face.box_xyxy_px for face in frame.faces], np.float64), (-1, 4))
    return np.asarray(boxes.clip(0, np.tile(size_px, 2)), np.float64)


class Recall:
    """Which faces of scenes were found within the time, by one way of looking."""

    def __init__(self) -> None:
        self.faces = self.found = self.false_boxes = self.frames = 0
        self._seen: set[int] = set()

    def look(self, frame: SceneFrame, true_xyxy: F64, boxes_xyxy: F64) -> None:
        near = iou_matrix(true_xyxy, boxes_xyxy) >= SAME_PLACE_IOU
        self._seen |= {face.actor for face, hit in zip(frame.faces, near.any(axis=1), strict=True) if hit}
        self.false_boxes += int(np.count_nonzero(~near.any(axis=0)))
        self.frames += 1

    def end_scene(self, scene: Scene) -> None:
        self.faces += len(scene.actors)
        self.found += len(self._seen)
        self._seen = set()

    def figures(self) -> dict[str, float]:
        return {"recall": self.found / self.faces, "false_boxes_per_frame": self.false_boxes / self.frames}


def small_faces(
    settings: Settings,
    scenes_a_size: int,
    *,
    sizes_px: Sequence[tuple[int, int]] = SIZES_PX,
    face_sizes_px: Sequence[int] = FACE_SIZES_PX,
) -> list[Finding]:
    """Recall over the size of faces (width of their box): found within a second of their appearing.

    Three ways see the same JPEGs: MediaPipe's FaceMesh in static mode (short-range detector), the full-range
    detector on the whole frame and the mesh, both anew in each frame; and the stage, which has watched the
    empty room before.
    """
    findings = []
    with LiteRtEngine() as engine, _face_mesh(settings.max_faces) as reference:
        for size_px in sizes_px:
            for face_px in face_sizes_px:
                ways = {"FaceMesh": Recall(), "whole frame": Recall(), "Mien": Recall()}
                for seed in range(FIRST_SEED, FIRST_SEED + scenes_a_size):
                    scene = scenes.standing(
                        FACES_A_SCENE, face_px, size_px, seconds=FIND_WITHIN_S, seed=100 * face_px + seed
                    )
                    _look(settings, engine, reference, scene, ways)
                findings += [
                    Finding(
                        "landmarks",
                        SMALL_FACES,
                        f"{size_px[0]}x{size_px[1]}, {face_px} px, {way}",
                        {"width_px": size_px[0], "face_px": face_px, "way": way, "faces": r.faces}
                        | r.figures(),
                    )
                    for way, r in ways.items()
                ]
    return findings


def plot(findings: Iterable[Mapping[str, Any]]) -> bytes:
    """PNG of the findings of `small_faces`, as they are in the JSON."""
    rows = [
        (f["case"].partition(",")[0], f["figures"]["way"], f["figures"]["face_px"], f["figures"]["recall"])
        for f in findings
        if f["table"] == SMALL_FACES
    ]
    return plots.small_faces(rows, "Small faces found")


def _face_mesh(max_faces: int) -> closing[FaceMeshReference]:
    grey = np.full((480, 640, 3), 127, np.uint8)
    return closing(FaceMeshReference(grey, max_faces=max_faces, video=False))


def _look(
    settings: Settings,
    engine: FaceEngine,
    reference: FaceMeshReference,
    scene: Scene,
    ways: dict[str, Recall],
) -> None:
    camera = StageCamera(_stage(settings, engine), "bench")
    for frame in scenes.standing(0, 1, scene.size_px, seconds=EMPTY_S, seed=scene.seed).frames():
        camera.see(encode_jpeg(frame.picture_rgb, JPEG_QUALITY), scene.size_px)
    for frame in scene.frames():
        jpeg = encode_jpeg(frame.picture_rgb, JPEG_QUALITY)
        picture = decode_jpeg(jpeg, max_bytes=settings.max_frame_bytes, max_pixels=settings.max_frame_pixels)
        truth = true_boxes_px(frame, scene.size_px)
        anew = find_faces(engine, picture, max_faces=settings.max_faces)
        meshes = [[(p.x, p.y) for p in face.landmark] for face in reference.process(picture)]
        points = np.reshape(np.array(meshes, np.float64), (-1, 468, 2)) * scene.size_px
        boxes = {
            "FaceMesh": np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1),
            "whole frame": np.reshape(np.array([f.box_xyxy_px for f in anew], np.float64), (-1, 4)),
            "Mien": boxes_px(camera.see(jpeg, scene.size_px), scene.size_px),
        }
        for way, recall in ways.items():
            recall.look(frame, truth, boxes[way])
    for recall in ways.values():
        recall.end_scene(scene)


def _stage(settings: Settings, engine: FaceEngine) -> Faces:
    return Faces(engine, model_loading.load_landmark_set(settings), settings)


def tiles(scenes_a_size: int, *, face_sizes_px: Sequence[int] = FACE_SIZES_PX) -> list[Finding]:
    """How large a tile may be: the share of faces in 1280x720 that are found in a square around each.

    The face lies at random in the middle half of the square; its side is a multiple of the face's width.
    Squares that are higher than the picture are left out.
    """
    rng = np.random.default_rng(0)
    size_px = SIZES_PX[0]
    hits: dict[int, list[bool]] = {sides: [] for sides in TILE_SIDES}
    with LiteRtEngine() as engine:
        for face_px, seed in itertools.product(face_sizes_px, range(FIRST_SEED, FIRST_SEED + scenes_a_size)):
            scene = scenes.standing(FACES_A_SCENE, face_px, size_px, seconds=0.1, seed=100 * face_px + seed)
            frame = next(scene.frames())
            boxes = true_boxes_px(frame, size_px)
            for sides, box in itertools.product(TILE_SIDES, boxes):
                side = sides * face_px
                if side > size_px[1]:
                    continue
                middle = (box[:2] + box[2:]) / 2
                corner = (middle - side * rng.uniform(0.25, 0.75, 2)).clip(0, np.subtract(size_px, side))
                x0, y0 = (int(value) for value in corner)
                found = engine.detect(frame.picture_rgb, (x0, y0, x0 + side, y0 + side))
                theirs = np.reshape(np.array([d.box_xyxy_px for d in found], np.float64), (-1, 4))
                hits[sides].append(bool((iou_matrix(box[None], theirs) >= SAME_PLACE_IOU).any()))
    return [
        Finding("landmarks", "tiles", f"side {sides} × face", {"faces": len(h), "recall": float(np.mean(h))})
        for sides, h in hits.items()
        if h
    ]


def ids(settings: Settings, seeds: int, *, kinds: Iterable[str] = scenes.KINDS) -> list[Finding]:
    """Scores of ids over all scenes of each kind."""
    findings = []
    with LiteRtEngine() as engine:
        for kind in kinds:
            made = [scenes.KINDS[kind](seed) for seed in range(FIRST_SEED, FIRST_SEED + seeds)]
            judged = list(judge(settings, engine, made))
            figures = id_scores(judged)._asdict() | {
                "frames": len(judged),
                "scenes": len(made),
                "faces": sum(len(scene.actors) for scene in made),
            }
            findings.append(Finding("landmarks", "ids", kind, figures))
    return findings


def judge(settings: Settings, engine: FaceEngine, made: Iterable[Scene]) -> Iterator[Judged]:
    """Sends each scene's frames through the stage, every scene from a camera of its own."""
    faces = _stage(settings, engine)
    before = 0
    for number, scene in enumerate(made):
        camera = StageCamera(faces, f"bench-{number}", scene.fps)
        for frame in scene.frames():
            found = camera.see(encode_jpeg(frame.picture_rgb, JPEG_QUALITY), scene.size_px)
            yield Judged(
                [before + face.actor for face in frame.faces],
                true_boxes_px(frame, scene.size_px),
                [face.visible >= MUST_BE_FOUND_FROM for face in frame.faces],
                [face.subject_id for face in found],
                boxes_px(found, scene.size_px),
            )
        before += len(scene.actors)
