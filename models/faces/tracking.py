"""Which face is whose from frame to frame: subject ids that last while a face stays in view.

The usual frame costs one mesh a face, on the crop where its last landmarks and its speed say that it is.
Detection, the slow step, runs around the place of a lost face, and on tiles for newcomers (`face_search`).

Each frame:

    1. predict   every track's box moves on at its speed, which fades
    2. follow    the mesh on each followed track's crop; doubles of one face are dropped
    3. assign    faces to tracks, all at once at least cost (Hungarian method); the rest are lost, not deleted
    4. search    around lost tracks, and in the tiles that are due
    5. assign    what was found to lost tracks; who is nobody's gets a new id

Why a tracker of our own: those on PyPI (norfair, supervision's and trackers' ByteTrack, boxmot) want the
detections of every frame, which here are the very thing to save, and know nothing of a mesh that follows by
itself. They would bring filterpy, av or torch along, and trackers wants numpy 2, which mediapipe cannot take.
What is left of tracking without them is one cost and SciPy's assignment.

An id is made from the camera, its run, the frame of first sight and the face's place in that frame: the same
frames give the same ids again, and an id says nothing about the person.

Frames are ordered by their numbers. Times only tell how long something took, and a clock that was set back
tells nothing: the frame then counts as taken when the last one was, and all times known so far move with it.
"""

import base64
import hashlib
import math
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from models.arrays import F32, Picture
from models.faces import align
from models.faces.assignment import assign
from models.faces.engine import DetectedFace, FaceEngine, Roi, Tile, find_faces, same_face
from models.faces.face_search import Search, SearchPace, plan, tile_around
from models.faces.shrink import ShrunkEngine, shrink_for

FORGET_AFTER_US = 1_500_000
"""A face unseen for longer than this gets a new id when it comes back …"""
FORGET_AT_LAST_US = 15_000_000
"""… or, where the camera is slow, unseen for two frames, but at most this long."""
REACH_FACES = 2.0
"""A lost face is taken up again within this many face sizes of where it may be …"""
FOLLOW_FACES = 1.0
"""… and one that is followed within this many."""
OFF_FACES = 0.12
"""A mesh so far from its crop's middle, in face sizes, is made once more …"""
REFINEMENTS = 3
"""… and at most so often."""
SIZE_RATIO = 2.0
"""Both only if its size is within this factor."""
LOOK_FACES = 6.0
"""Side of the tile in which a lost face is looked for, in face sizes: wider than its reach."""
LOOK_EVERY = 0.25
"""A lost face is looked for again after this share of the time since it was seen: less and less often."""
SPEED_TAU_S = 0.2
"""Time constant of the measured speed …"""
FADE_TAU_S = 1.0
"""… and of its fading while nothing is measured: people turn round or stop."""
SHAPE_POINTS = slice(None, None, 4)
"""Of the 468 points: enough to tell shapes apart."""
SHAPE_EVERY_US = 500_000
SHAPE_RATE = 0.25
"""Share of the newest look in a track's mean shape."""
SHAPE_UNIT = 0.1
"""A difference of shape that weighs as much as a face size of distance. Root mean square over the points, in
inter-ocular distances; measured on generated scenes: 0.028 (0.015-0.031) within a person whose expression
changes, 0.034 (0.023-0.057) between two. So it only decides where the places do not."""
REMEMBERED_FRAMES = 32
"""A frame that comes again within so many gets the ids that it had. A lossless camera sends at most half as
many in one piece, which Kafka may get twice."""
ID_BITS = 40
"""Of 10,000 people that a camera sees in a day, two share an id once in 22,000 days."""


class TrackedFace(NamedTuple):
    """A face and whose it is."""

    subject_id: str
    face: DetectedFace


class Track(NamedTuple):
    """A subject as last seen: about 2 KB."""

    subject_id: str
    roi: Roi
    """Made from its last landmarks."""
    box_xyxy_px: F32
    """float32 ``[4]``."""
    seen_us: int
    velocity: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Of the box's centre in px/s, and of the logarithm of its size, per s."""
    shape: F32 | None = None
    """Mean of the aligned points, float32 ``[117, 3]``; None while it is not known."""
    looked_us: int = 0
    """When it was looked for last, if it is lost."""
    moved_us: int = 0
    """When the face moved by itself last; 0: not known. Only handed over (`models.emotion.stillness`)."""


class Answer(NamedTuple):
    """Who was where in a frame: 0.3 KB a face."""

    seq: int
    subjects: tuple[tuple[str, Roi], ...]


@dataclass
class CameraTracker:
    """What the next frame of one run of a camera needs to know of its last ones: less than 0.2 MB at
    1920x1080.

    Times are µs since the epoch; ``last_seq`` and ``last_seen_us`` are the newest frame's.
    """

    camera_id: str
    run: int = 0
    """When the run began; 0: not known."""
    max_faces: int = 8
    pace: SearchPace = field(default_factory=SearchPace)
    last_seq: int = -1
    last_seen_us: int = -1
    interval_us: int = 0
    tracks: tuple[Track, ...] = ()
    search: Search | None = None
    answers: deque[Answer] = field(default_factory=lambda: deque(maxlen=REMEMBERED_FRAMES))

    def resume(self, tracks: Sequence[Track], seq: int, captured_at_us: int) -> None:
        """Goes on where another tracker of this run ended, before the frame with that number and time.

        Frames may come twice after a hand-over: if the tracks were seen later than that frame, they count as
        seen so much earlier. If they were seen long before, they are kept as those of a slow camera are.
        """
        if not tracks:
            return
        newest_us = max(t.seen_us for t in tracks)
        shift_us = max(0, newest_us - (captured_at_us - 1))
        self.tracks = tuple(
            t._replace(seen_us=t.seen_us - shift_us, looked_us=0) for t in tracks[: self.max_faces]
        )
        self.last_seq = seq - 1
        self.last_seen_us = newest_us - shift_us
        self.interval_us = 0


def shrink_of_next(tracker: CameraTracker) -> int:
    """How far the camera's next frame may be shrunk when it is decoded: 1, 2 or 4 (`shrink.shrink_for`)."""
    search_face_px = tracker.pace.min_face_px if len(tracker.tracks) < tracker.max_faces else None
    return shrink_for([t.roi for t in tracker.tracks], search_face_px)


def track(
    engine: FaceEngine,
    tracker: CameraTracker,
    picture_rgb: Picture,
    seq: int,
    captured_at_us: int,
    *,
    size_px: tuple[int, int] | None = None,
    shrink: int = 1,
) -> list[TrackedFace]:
    """The faces of one frame with their subject ids, those already known first, in px of the frame.

    The picture is the frame, `size_px` (width, height) large, or was decoded smaller: `shrink` of the frame's
    px are one of its. A face that is seen for the first time in such a picture is read with less detail
    once, and in full from the next frame on.

    A frame that comes again, or too late, by its number `seq`, is answered too, but changes nothing: with the
    ids that it had, if that is not long ago; else by detection, with the ids of the faces it matches. Where
    no run is known, a lower number with a later time is the beginning of a new run.

    Errors of the engine pass through and change nothing either.
    """
    size_px = size_px or (picture_rgb.shape[1], picture_rgb.shape[0])
    if shrink > 1:
        engine = ShrunkEngine(engine, shrink)
    tracks: list[Track] = list(tracker.tracks)
    search, last_seen_us, answers = tracker.search, tracker.last_seen_us, tracker.answers
    new_id = partial(_new_id, tracker.camera_id, tracker.run, seq, captured_at_us)
    if seq <= tracker.last_seq:
        if tracker.run or captured_at_us <= last_seen_us:
            return _again(engine, tracker, picture_rgb, seq, captured_at_us, size_px, new_id)
        tracks, search, last_seen_us, answers = [], None, -1, deque(maxlen=REMEMBERED_FRAMES)
    elif captured_at_us < last_seen_us:
        back_us = last_seen_us - captured_at_us
        tracks = [t._replace(seen_us=t.seen_us - back_us, looked_us=t.looked_us - back_us) for t in tracks]
        search = search and search.set_back(back_us)
        last_seen_us = captured_at_us

    gap_us = captured_at_us - last_seen_us
    forget_after_us = _forget_after_us(tracker.interval_us or gap_us)
    tracks = [t for t in tracks if captured_at_us - t.seen_us <= forget_after_us]
    current = [t for t in tracks if t.seen_us == last_seen_us]
    followed = _follow(engine, current, picture_rgb, captured_at_us)
    lost = [t for t in tracks if all(t.subject_id != f.subject_id for f in followed)]

    newcomers: list[TrackedFace] = []
    if len(followed) < tracker.max_faces:
        known = [f.face for f in followed]
        boxes = [face.box_xyxy_px for face in known]
        lost, places = _places_of_lost(lost, captured_at_us, size_px, tracker.pace.tiles_max)
        room = tracker.pace.tiles_max - len(places)
        search, due = plan(
            search, picture_rgb, captured_at_us, boxes, tracker.pace, room, size_px=size_px, shrink=shrink
        )
        faces = find_faces(
            engine,
            picture_rgb,
            known=known,
            max_faces=tracker.max_faces - len(known),
            tiles_xyxy_px=[*places, *due],
        )
        newcomers = _name(faces, lost, captured_at_us, new_id, taken=[t.subject_id for t in tracks])

    tracked = followed + newcomers
    before = {t.subject_id: t for t in tracks}
    seen = [_seen(before.get(f.subject_id), f, captured_at_us) for f in tracked]
    present = {t.subject_id for t in seen}
    tracker.tracks = tuple(seen + [t for t in lost if t.subject_id not in present])[: tracker.max_faces]
    tracker.interval_us = gap_us if last_seen_us >= 0 and gap_us > 0 else 0
    tracker.last_seq, tracker.last_seen_us = seq, captured_at_us
    tracker.search, tracker.answers = search, answers
    answers.append(Answer(seq, tuple((f.subject_id, Roi.around(f.face.landmarks_px)) for f in tracked)))
    return tracked


def _again(
    engine: FaceEngine,
    tracker: CameraTracker,
    picture_rgb: Picture,
    seq: int,
    captured_at_us: int,
    size_px: tuple[int, int],
    new_id: "NewId",
) -> list[TrackedFace]:
    """The faces of a frame that came before, or too late: as they were then, or as those in view now."""
    for answer in tracker.answers:
        if answer.seq == seq:
            rois = [roi for _, roi in answer.subjects]
            meshes = engine.mesh(picture_rgb, rois) if rois else []
            return [
                TrackedFace(subject_id, face)
                for (subject_id, _), face in zip(answer.subjects, meshes, strict=True)
                if face
            ]
    around = (_place_of_lost(t, captured_at_us, size_px) for t in tracker.tracks)
    where = [(0, 0, *size_px), *(tile for tile in around if tile is not None)]
    faces = find_faces(engine, picture_rgb, tiles_xyxy_px=where, max_faces=tracker.max_faces)
    return _name(faces, tracker.tracks, captured_at_us, new_id)


def _forget_after_us(interval_us: int) -> int:
    """Longer for a slow camera, where the next frame comes after a second or more."""
    return max(FORGET_AFTER_US, min(round(2.5 * interval_us), FORGET_AT_LAST_US))


class _Place(NamedTuple):
    """Of a face's box."""

    x_px: float
    y_px: float
    size_px: float

    @classmethod
    def of(cls, box_xyxy_px: F32) -> "_Place":
        x0, y0, x1, y1 = box_xyxy_px.tolist()
        return cls((x0 + x1) / 2, (y0 + y1) / 2, max(math.hypot(x1 - x0, y1 - y0) / math.sqrt(2), 1e-3))


def _predict(track_: Track, now_us: int) -> _Place:
    """Constant velocity, fading: it goes at most `FADE_TAU_S` of its way."""
    at = _Place.of(track_.box_xyxy_px)
    run_s = _run_s(track_, now_us)
    vx, vy, growth = track_.velocity
    return _Place(at.x_px + vx * run_s, at.y_px + vy * run_s, at.size_px * math.exp(growth * run_s))


def _run_s(track_: Track, now_us: int) -> float:
    return FADE_TAU_S * -math.expm1(-max(0, now_us - track_.seen_us) / 1e6 / FADE_TAU_S)


def _follow(
    engine: FaceEngine, tracks: Sequence[Track], picture_rgb: Picture, now_us: int
) -> list[TrackedFace]:
    """The tracks whose face is still about where it was to be."""
    rois = []
    for t in tracks:
        now, then = _places(t, now_us)
        rois.append(
            Roi(
                t.roi.center_x_px + now.x_px - then.x_px,
                t.roi.center_y_px + now.y_px - then.y_px,
                t.roi.size_px * now.size_px / then.size_px,
                t.roi.rotation_rad,
            )
        )
    meshes = _mesh(engine, picture_rgb, rois)
    pairs = [
        (_cost(_Place.of(face.box_xyxy_px), *_places(t, now_us)), face)
        for t, face in zip(tracks, meshes, strict=True)
        if face
    ]
    # Two crops may end on one face, when people pass each other: the mesh that agrees best stands for it.
    pairs.sort(key=lambda pair: pair[0])
    faces: list[DetectedFace] = []
    for _, face in pairs:
        if not any(same_face(face, other) for other in faces):
            faces.append(face)
    owners = _assign(tracks, faces, now_us, FOLLOW_FACES)
    return [TrackedFace(tracks[t].subject_id, faces[f]) for t, f in sorted((t, f) for f, t in owners.items())]


def _mesh(engine: FaceEngine, picture_rgb: Picture, rois: Sequence[Roi]) -> list[DetectedFace | None]:
    """The mesh on each crop, and again on the crop of its own landmarks where it is far from the middle.

    The network does not go all the way to a face at its crop's edge: a face that moves by 0.4 of its width in
    a frame would be followed too slowly, and lost.
    """
    if not rois:
        return []
    meshes = engine.mesh(picture_rgb, rois)
    for _ in range(REFINEMENTS):
        off = [
            i for i, (face, roi) in enumerate(zip(meshes, rois, strict=True)) if face and _is_off(face, roi)
        ]
        if not off:
            break
        rois = [
            Roi.around(face.landmarks_px) if face else roi for face, roi in zip(meshes, rois, strict=True)
        ]
        for i, face in zip(off, engine.mesh(picture_rgb, [rois[i] for i in off]), strict=True):
            meshes[i] = face
    return meshes


def _is_off(face: DetectedFace, roi: Roi) -> bool:
    at = _Place.of(face.box_xyxy_px)
    return math.hypot(at.x_px - roi.center_x_px, at.y_px - roi.center_y_px) > OFF_FACES * at.size_px


def _places(track_: Track, now_us: int) -> tuple[_Place, _Place]:
    """Where a track is expected, and where it was last."""
    return _predict(track_, now_us), _Place.of(track_.box_xyxy_px)


def _cost(at: _Place, predicted: _Place, last: _Place) -> float:
    """How badly a face's place agrees with a track's, in face sizes; infinite if its size is another.

    A lost face may also have stayed where and as large as it was last seen, or be so again.
    """
    ratio = min(abs(math.log(at.size_px / predicted.size_px)), abs(math.log(at.size_px / last.size_px)))
    if ratio > math.log(SIZE_RATIO):
        return math.inf
    return min(_distance(at, predicted), _distance(at, last)) + ratio


def _distance(a: _Place, b: _Place) -> float:
    """Of the centres, in sizes of the larger face."""
    return math.hypot(a.x_px - b.x_px, a.y_px - b.y_px) / max(a.size_px, b.size_px)


def _shape_cost(shape: F32 | None, other: F32 | None) -> float:
    """In face sizes, at most 1."""
    if shape is None or other is None:
        return 0.0
    return min(1.0, float(np.sqrt(np.square(shape - other).sum(axis=1).mean())) / SHAPE_UNIT)


def _shape(face: DetectedFace) -> F32 | None:
    """The aligned points; None for a mesh that is no face at all."""
    try:
        points: F32 = align.align(face.landmarks_px[None]).points[0, SHAPE_POINTS]
    except ValueError:
        return None
    return points


def _assign(
    tracks: Sequence[Track], faces: Sequence[DetectedFace], now_us: int, reach_faces: float
) -> dict[int, int]:
    """Place of the face → place of its track: as many pairs in reach as possible, of these the cheapest.

    Shapes are only compared where there is a choice.
    """
    if not tracks or not faces:
        return {}
    places = [_places(t, now_us) for t in tracks]
    costs = np.array(
        [[_cost(at, *place) for place in places] for at in (_Place.of(f.box_xyxy_px) for f in faces)]
    )
    in_reach = costs <= reach_faces
    if in_reach.sum(axis=0).max() <= 1 and in_reach.sum(axis=1).max() <= 1:  # no choice
        return {int(f): int(t) for f, t in np.argwhere(in_reach)}
    shapes = [_shape(face) for face in faces]
    costs += [[_shape_cost(t.shape, shape) for t in tracks] for shape in shapes]
    out_of_reach = 1e6
    dear = np.where(in_reach, costs, out_of_reach)
    if len(faces) <= len(tracks):
        pairs = list(enumerate(assign(dear.tolist())))
    else:
        pairs = [(f, t) for t, f in enumerate(assign(dear.T.tolist()))]
    return {f: t for f, t in pairs if in_reach[f, t]}


def _places_of_lost(
    lost: Sequence[Track], now_us: int, size_px: tuple[int, int], at_most: int
) -> tuple[list[Track], list[Tile]]:
    """The lost tracks with their new times, and the tiles in which they are looked for now."""
    looked: list[Track] = []
    where: list[Tile] = []
    for t in lost:
        last_us = max(t.looked_us, t.seen_us)
        due = now_us - last_us >= LOOK_EVERY * (last_us - t.seen_us)
        tile = _place_of_lost(t, now_us, size_px)
        if due and tile is not None and len(where) < at_most:
            where.append(tile)
            t = t._replace(looked_us=now_us)
        looked.append(t)
    return looked, where


def _place_of_lost(track_: Track, now_us: int, size_px: tuple[int, int]) -> Tile | None:
    at = _predict(track_, now_us)
    middle = np.array([at.x_px, at.y_px] * 2, np.float32)
    return tile_around(middle, LOOK_FACES * at.size_px, size_px)


def _name(
    faces: Sequence[DetectedFace],
    lost: Sequence[Track],
    captured_at_us: int,
    new_id: "NewId",
    taken: Collection[str] = (),
) -> list[TrackedFace]:
    """Gives each face the id of the lost track that agrees best with it, or a new one."""
    owners = _assign(lost, faces, captured_at_us, REACH_FACES)
    ids = {f: lost[t].subject_id for f, t in owners.items()}
    for f in range(len(faces)):
        if f not in ids:
            ids[f] = new_id(f, {*taken, *ids.values()})
    return [TrackedFace(ids[f], face) for f, face in enumerate(faces)]


def _seen(before: Track | None, tracked: TrackedFace, now_us: int) -> Track:
    """The track with its newest face; speed and shape are means that forget."""
    face = tracked.face
    roi = Roi.around(face.landmarks_px)
    if before is None:
        return Track(tracked.subject_id, roi, face.box_xyxy_px, now_us, shape=_shape(face))
    gap_s = max(now_us - before.seen_us, 1) / 1e6
    at, last = _Place.of(face.box_xyxy_px), _Place.of(before.box_xyxy_px)
    measured = (
        (at.x_px - last.x_px) / gap_s,
        (at.y_px - last.y_px) / gap_s,
        math.log(at.size_px / last.size_px) / gap_s,
    )
    share = gap_s / (gap_s + SPEED_TAU_S)
    vx, vy, growth = (v + share * (m - v) for v, m in zip(before.velocity, measured, strict=True))
    shape = before.shape
    if shape is None or now_us // SHAPE_EVERY_US != before.seen_us // SHAPE_EVERY_US:
        newest = _shape(face)
        if shape is None or newest is None:
            shape = newest
        else:
            shape = shape + np.float32(SHAPE_RATE) * (newest - shape)
    return Track(tracked.subject_id, roi, face.box_xyxy_px, now_us, (vx, vy, growth), shape)


NewId = Callable[[int, Collection[str]], str]
"""Makes the id of the face at a place in the frame, other than those that are taken."""


def _new_id(
    camera_id: str, run: int, seq: int, captured_at_us: int, index: int, taken: Collection[str]
) -> str:
    """``camera:abcd2345``: 40 bits of a hash, or of the next hash where a face in view has them already.

    The time is for runs that are not known: there it alone tells two frames of one number apart.
    """
    seed = f"{camera_id}\n{run}\n{seq}\n{captured_at_us}\n{index}"
    while True:
        digest = hashlib.sha256(seed.encode()).digest()
        subject_id = f"{camera_id}:{base64.b32encode(digest[: ID_BITS // 8]).decode().lower()}"
        if subject_id not in taken:
            return subject_id
        seed = digest.hex()
