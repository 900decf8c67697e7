"""Which face is whose from frame to frame: subject ids that last while a face stays in view.

The usual frame costs one mesh a face, on the crop that the last landmarks give. Detection, the slow step,
runs when nobody is in view, when a face was lost, and every ``detect_every_us`` to find newcomers.

An id is made from the camera, the time of first sight and the face's place in that frame: the same frames
give the same ids again, and an id says nothing about the person.
"""

import base64
import hashlib
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from models.faces import DetectedFace, FaceEngine, Picture, Roi, find_faces, iou, same_face

DETECT_EVERY_US = 500_000
FORGET_AFTER_US = 1_000_000
"""A face unseen for longer than this gets a new id when it comes back …"""
FORGET_AT_LAST_US = 15_000_000
"""… or, where the camera is slow, unseen for two frames, but at most this long."""
MATCH_WITHIN_FACES = 2.0
"""A lost face is taken up again by a detection within this many face sizes of where it was last seen."""
MATCH_SIZE_RATIO = 2.0
"""… and of a size within this factor."""
LATE_FRAMES_BEFORE_RESTART = 10
"""So many frames in a row older than the newest mean that the camera's clock was set back."""


class TrackedFace(NamedTuple):
    """A face and whose it is."""

    subject_id: str
    face: DetectedFace


class Track(NamedTuple):
    """A subject as last seen."""

    subject_id: str
    face: DetectedFace
    seen_us: int


@dataclass
class CameraTracker:
    """What one camera's next frame needs to know of its last ones: at most ``max_faces`` landmark sets.

    Times are µs since the epoch; ``last_seen_us`` is the newest frame's, for evicting quiet cameras.
    """

    camera_id: str
    max_faces: int = 8
    detect_every_us: int = DETECT_EVERY_US
    last_seen_us: int = -1
    detected_us: int = -1
    interval_us: int = 0
    late_frames: int = 0
    tracks: tuple[Track, ...] = ()


def track(
    engine: FaceEngine, tracker: CameraTracker, picture_rgb: Picture, captured_at_us: int
) -> list[TrackedFace]:
    """The faces of one frame with their subject ids, those already known first.

    A frame not newer than the last one is answered too (by detection, with the ids of the faces it matches),
    but changes nothing. Errors of the engine pass through and change nothing either.
    """
    if captured_at_us <= tracker.last_seen_us:
        tracker.late_frames += 1
        if tracker.late_frames <= LATE_FRAMES_BEFORE_RESTART:
            faces = find_faces(engine, picture_rgb, max_faces=tracker.max_faces)
            return _name(faces, tracker.tracks, tracker.camera_id, captured_at_us)
        tracker.tracks = ()

    gap_us = captured_at_us - tracker.last_seen_us
    forget_after_us = _forget_after_us(tracker.interval_us or gap_us)
    tracks = [t for t in tracker.tracks if captured_at_us - t.seen_us <= forget_after_us]
    followed = _follow(engine, tracks, picture_rgb)
    lost = [t for t in tracks if all(t.subject_id != f.subject_id for f in followed)]

    due = captured_at_us - tracker.detected_us >= tracker.detect_every_us
    detects = (due or not followed or bool(lost)) and len(followed) < tracker.max_faces
    newcomers: list[TrackedFace] = []
    if detects:
        faces = find_faces(
            engine,
            picture_rgb,
            known=[f.face for f in followed],
            max_faces=tracker.max_faces - len(followed),
        )
        newcomers = _name(
            faces, lost, tracker.camera_id, captured_at_us, taken=[t.subject_id for t in tracks]
        )

    tracked = followed + newcomers
    present = {f.subject_id for f in tracked}
    seen = [Track(f.subject_id, f.face, captured_at_us) for f in tracked]
    tracker.tracks = tuple(seen + [t for t in lost if t.subject_id not in present])[: tracker.max_faces]
    tracker.interval_us = gap_us if tracker.last_seen_us >= 0 else 0
    tracker.last_seen_us = captured_at_us
    tracker.late_frames = 0
    if detects:
        tracker.detected_us = captured_at_us
    return tracked


def _forget_after_us(interval_us: int) -> int:
    """Longer for a slow camera, where the next frame comes after a second or more."""
    return max(FORGET_AFTER_US, min(round(2.5 * interval_us), FORGET_AT_LAST_US))


def _follow(engine: FaceEngine, tracks: Sequence[Track], picture_rgb: Picture) -> list[TrackedFace]:
    """The tracks whose face is still where it was, more or less."""
    meshes = engine.mesh(picture_rgb, [Roi.around(t.face.landmarks_px) for t in tracks])
    pairs = [(t, face) for t, face in zip(tracks, meshes, strict=True) if face is not None]
    # Two crops may end on one face, when people pass each other: the track that was nearer keeps it.
    pairs.sort(key=lambda pair: iou(pair[0].face.box_xyxy_px, pair[1].box_xyxy_px), reverse=True)
    followed: list[TrackedFace] = []
    for t, face in pairs:
        if not any(same_face(face, other.face) for other in followed):
            followed.append(TrackedFace(t.subject_id, face))
    return followed


def _name(
    faces: Sequence[DetectedFace],
    lost: Sequence[Track],
    camera_id: str,
    captured_at_us: int,
    taken: Collection[str] = (),
) -> list[TrackedFace]:
    """Gives each face the id of the nearest lost track in reach, or a new one; nearest pairs first."""
    pairs = sorted(
        (distance, f, t.subject_id)
        for f, face in enumerate(faces)
        for t in lost
        if (distance := _distance_in_faces(face, t.face)) <= MATCH_WITHIN_FACES
    )
    ids: dict[int, str] = {}
    for _, f, subject_id in pairs:
        if f not in ids and subject_id not in ids.values():
            ids[f] = subject_id
    for f in range(len(faces)):
        if f not in ids:
            ids[f] = _new_id(camera_id, captured_at_us, f, {*taken, *ids.values()})
    return [TrackedFace(ids[f], face) for f, face in enumerate(faces)]


def _distance_in_faces(a: DetectedFace, b: DetectedFace) -> float:
    """Distance of the boxes' centres in sizes of the larger face; infinite if their sizes differ too much."""
    ax0, ay0, ax1, ay1 = a.box_xyxy_px.tolist()
    bx0, by0, bx1, by1 = b.box_xyxy_px.tolist()
    size_a, size_b = math.hypot(ax1 - ax0, ay1 - ay0), math.hypot(bx1 - bx0, by1 - by0)
    small, large = sorted((size_a, size_b))
    if large > MATCH_SIZE_RATIO * small:
        return math.inf
    return math.hypot(ax0 + ax1 - bx0 - bx1, ay0 + ay1 - by0 - by1) / 2 / large


def _new_id(camera_id: str, captured_at_us: int, index: int, taken: Collection[str]) -> str:
    """``camera:abcd``: 20 bits of a hash, or of the next hash where a face in view has them already."""
    seed = f"{camera_id}\n{captured_at_us}\n{index}"
    while True:
        digest = hashlib.sha256(seed.encode()).digest()
        subject_id = f"{camera_id}:{base64.b32encode(digest)[:4].decode().lower()}"
        if subject_id not in taken:
            return subject_id
        seed = digest.hex()
