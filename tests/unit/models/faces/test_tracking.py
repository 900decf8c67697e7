"""Tracking with a fake engine: who keeps an id, who gets a new one, and what it costs."""

import math
import pickle
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.arrays import Picture
from models.faces import tracking
from models.faces.canonical import CANONICAL
from models.faces.engine import DetectedFace, Detection, Roi, Tile, box_xyxy_px
from models.faces.face_search import FACES_ACROSS, SearchPace
from models.faces.tracking import REMEMBERED_FRAMES, CameraTracker, Track, TrackedFace

PICTURE = np.zeros((480, 640, 3), dtype=np.uint8)
FRAME_US = 100_000
START_US = 1_800_000_000_000_000
SIZE_PX = 60.0

Scene = dict[str, tuple[float, float]]
"""Where the centre of each person's face is, in px."""


def face_at(x: float, y: float, size_px: float = SIZE_PX) -> DetectedFace:
    box = box_xyxy_px(CANONICAL)
    points = CANONICAL * (size_px / (box[2] - box[0]))
    middle = (box_xyxy_px(points)[:2] + box_xyxy_px(points)[2:]) / 2
    landmarks = (points - [*middle, 0] + [x, y, 0]).astype(np.float32)
    return DetectedFace(landmarks, box_xyxy_px(landmarks), 1.0, 0.1)


def as_detection(face: DetectedFace) -> Detection:
    return Detection(Roi.around(face.landmarks_px), face.box_xyxy_px, 0.9)


@dataclass
class FakeEngine:
    """Sees the faces of a scene: detection those whole in the tile and not too small for it, but the hidden
    ones; the mesh the one nearest in its crop.
    """

    scene: Scene = field(default_factory=dict)
    undetectable: set[str] = field(default_factory=set)
    invisible: set[str] = field(default_factory=set)
    tiles: list[Tile | None] = field(default_factory=list)
    meshes: int = 0
    size_px: float = SIZE_PX
    faces_across: float = math.inf

    @property
    def detections(self) -> int:
        return len(self.tiles)

    def detect(self, picture_rgb: Picture, tile_xyxy_px: Tile | None = None) -> list[Detection]:
        self.tiles.append(tile_xyxy_px)
        x0, y0, x1, y1 = tile_xyxy_px or (0, 0, *picture_rgb.shape[1::-1])
        half = self.size_px / 2
        return [
            as_detection(face_at(x, y, self.size_px))
            for person, (x, y) in self.seen().items()
            if person not in self.undetectable
            and x0 <= x - half < x + half <= x1
            and y0 <= y - half < y + half <= y1
            and self.size_px * self.faces_across >= max(x1 - x0, y1 - y0)
        ]

    def mesh(self, _picture_rgb: Picture, rois: Sequence[Roi]) -> list[DetectedFace | None]:
        self.meshes += len(rois)
        return [self._nearest(roi) for roi in rois]

    def seen(self) -> Scene:
        return {person: at for person, at in self.scene.items() if person not in self.invisible}

    def _nearest(self, roi: Roi) -> DetectedFace | None:
        def distance(at: tuple[float, float]) -> float:
            return max(abs(at[0] - roi.center_x_px), abs(at[1] - roi.center_y_px))

        at = min(self.seen().values(), key=distance, default=None)
        return face_at(*at, self.size_px) if at is not None and distance(at) < roi.size_px / 2 else None


SEARCH_ALWAYS = SearchPace(min_face_px=100, whole_every_us=0, change=0)
"""The whole picture in each frame: for tests that are not about the search."""


RUN = START_US - 5_000_000


def camera(camera_id: str = "cam", **changes: Any) -> CameraTracker:
    return CameraTracker(camera_id, **{"run": RUN, "pace": SEARCH_ALWAYS} | changes)


def track(
    engine: Any, tracker: CameraTracker, picture: Picture, at_us: int, *, seq: int | None = None
) -> list[TrackedFace]:
    """Tracks a frame whose number is its time, unless another is given."""
    return tracking.track(engine, tracker, picture, at_us if seq is None else seq, at_us)


def run(
    scenes: Sequence[Scene],
    *,
    engine: FakeEngine | None = None,
    tracker: CameraTracker | None = None,
    start_us: int = START_US,
    frame_us: int = FRAME_US,
) -> list[dict[str, str]]:
    """Tracks the scenes as a video; for each frame, person → subject id."""
    engine, tracker = engine or FakeEngine(), tracker or camera()
    frames = []
    for i, scene in enumerate(scenes):
        engine.scene = scene
        frames.append(who(track(engine, tracker, PICTURE, start_us + i * frame_us), scene))
    return frames


def who(tracked: Sequence[TrackedFace], scene: Scene) -> dict[str, str]:
    """Person → subject id; fails if a face is nobody's or two have one id."""
    people = {}
    for subject_id, face in tracked:
        center = (face.box_xyxy_px[:2] + face.box_xyxy_px[2:]) / 2
        (person,) = [p for p, at in scene.items() if np.allclose(center, at, atol=0.1)]
        people[person] = subject_id
    assert len(set(people.values())) == len(tracked)
    return people


def test_an_id_names_the_camera_and_nothing_else() -> None:
    (frame,) = run([{"ann": (100, 100)}], tracker=camera("lobby-1"))
    assert re.fullmatch(r"lobby-1:[a-z2-7]{8}", frame["ann"])


def test_two_faces_keep_their_different_ids_while_they_move() -> None:
    frames = run([{"ann": (100 + 8 * i, 100), "bob": (500 - 8 * i, 120 + 3 * i)} for i in range(20)])
    assert all(frame == frames[0] for frame in frames)
    assert len(set(frames[0].values())) == 2


def test_the_same_frames_give_the_same_ids_and_other_cameras_or_times_others() -> None:
    scenes: list[Scene] = [{"ann": (100, 100)}, {"ann": (110, 100), "bob": (400, 300)}] * 6
    assert run(scenes) == run(scenes)
    assert run(scenes)[-1].keys() == {"ann", "bob"}
    assert set(run(scenes, tracker=camera("other"))[-1].values()).isdisjoint(run(scenes)[-1].values())
    assert set(run(scenes, start_us=START_US + 1)[-1].values()).isdisjoint(run(scenes)[-1].values())


HERE: Scene = {"ann": (100, 100)}


@pytest.mark.parametrize(
    ("scenes", "same"),
    [
        pytest.param([HERE, *[{}] * 14, HERE], True, id="a miss of 1.4 s is bridged"),
        pytest.param([HERE, *[{}] * 15, HERE], False, id="after 1.6 s it is someone new"),
        pytest.param([HERE, {"ann": (200, 100)}], True, id="a jump out of the crop is caught by detection"),
        pytest.param([HERE, {}, {"ann": (200, 130)}], True, id="reappears not far away"),
        pytest.param([HERE, {"ann": (500, 400)}], False, id="far away is someone else"),
    ],
)
def test_who_comes_back(scenes: list[Scene], same: bool) -> None:
    frames = run(scenes)
    assert (frames[0]["ann"] == frames[-1]["ann"]) is same


def test_a_face_of_another_size_is_someone_else() -> None:
    engine, tracker = FakeEngine({"ann": (100, 100)}), camera()
    (first,) = track(engine, tracker, PICTURE, START_US)

    class Larger(FakeEngine):
        def detect(self, _picture_rgb: Picture, _tile_xyxy_px: Tile | None = None) -> list[Detection]:
            return [as_detection(face_at(220, 100, 150))]

        def _nearest(self, roi: Roi) -> DetectedFace | None:
            return face_at(220, 100, 150) if roi.size_px > 150 else None

    (second,) = track(Larger(), tracker, PICTURE, START_US + FRAME_US)
    assert second.subject_id != first.subject_id


def test_a_newcomer_is_found_within_half_a_second_and_gets_an_own_id() -> None:
    both: Scene = {"ann": (100, 100), "bob": (400, 300)}
    frames = run([HERE, HERE] + [both] * 5)
    assert frames[0]["ann"] == frames[-1]["ann"] != frames[-1]["bob"]


def test_a_tracked_face_stays_where_the_detector_misses_it() -> None:
    engine = FakeEngine()
    (first,) = run([HERE], engine=engine, tracker=(tracker := camera()))
    engine.undetectable = {"ann"}
    frames = run([HERE] * 20, engine=engine, tracker=tracker, start_us=START_US + FRAME_US)
    assert all(frame == first for frame in frames)


def test_when_two_people_pass_each_other_nobody_is_doubled() -> None:
    frames = run([{"ann": (100 + 10 * i, 100), "bob": (300 - 10 * i, 105)} for i in range(21)])
    assert all(set(frame.values()) <= set(frames[0].values()) for frame in frames)
    assert len(set(frames[-1].values())) == 2


def test_where_two_crops_end_on_one_face_the_nearer_subject_keeps_it() -> None:
    both: Scene = {"ann": (100, 100), "bob": (150, 100)}
    for stays in ("ann", "bob"):
        before, after = run([both, {stays: (both[stays][0] + 2, 100)}])
        assert after == {stays: before[stays]}


def test_an_id_in_use_is_not_given_again() -> None:
    (first,) = run([HERE])
    engine = FakeEngine({"ann": (100, 100), "bob": (400, 300)}, undetectable={"bob"})
    last = face_at(400, 300)
    taken = Track(first["ann"], Roi.around(last.landmarks_px), last.box_xyxy_px, START_US - FRAME_US)
    tracker = camera(tracks=(taken,), last_seen_us=START_US - FRAME_US)
    frame = who(track(engine, tracker, PICTURE, START_US), engine.scene)
    assert frame["bob"] == first["ann"] != frame["ann"]


def test_the_usual_frame_costs_one_mesh_and_no_detection() -> None:
    engine, tracker = FakeEngine(), CameraTracker("cam", pace=SearchPace(min_face_px=100))
    run([HERE], engine=engine, tracker=tracker)
    assert (engine.detections, engine.meshes) == (1, 2)  # a new face is meshed twice
    run([HERE] * 40, engine=engine, tracker=tracker, start_us=START_US + FRAME_US)
    assert (engine.detections, engine.meshes) == (1, 2 + 40)  # the picture stays as it is


def test_a_lost_face_is_looked_for_at_once_and_then_less_and_less_often() -> None:
    engine, tracker = FakeEngine(), CameraTracker("cam", pace=SearchPace(min_face_px=100))
    run([HERE], engine=engine, tracker=tracker)
    looks = []
    for i in range(1, 20):
        before = engine.detections
        run([{}], engine=engine, tracker=tracker, start_us=START_US + i * FRAME_US)
        looks.append(engine.detections - before)
    assert looks[:3] == [1, 1, 1]
    assert 1 < sum(looks[8:14]) <= 3
    assert engine.meshes == 2 + 1  # of the first frame, and the one that found nobody
    assert looks[15:] == [0] * 4  # forgotten
    assert all(tile is not None and tile[2] < 320 for tile in engine.tiles[1:])  # around its place


def test_a_jump_is_found_in_the_same_frame_around_the_last_place() -> None:
    engine, tracker = FakeEngine(), CameraTracker("cam", pace=SearchPace(min_face_px=100))
    jumps: list[Scene] = [{"ann": (220, 100), "bob": (400, 300)}, {"ann": (220, 100), "bob": (490, 300)}]
    first, second = run(jumps, engine=engine, tracker=tracker)
    assert first == second
    assert engine.detections == 2
    (x0, y0, x1, y1) = engine.tiles[1] or (0, 0, 0, 0)
    assert x0 < 490 - 30 < 490 + 30 < x1 < 640
    assert y0 < 300 - 30 < 300 + 30 < y1


def test_a_face_behind_something_keeps_its_id_where_its_speed_takes_it() -> None:
    """At 120 px/s it comes out 96 px further, where another face has appeared as near to its last place."""
    engine, tracker = FakeEngine(), camera()
    way: list[Scene] = [{"ann": (100 + 12.0 * i, 200)} for i in range(20)]
    before = run(way[:10], engine=engine, tracker=tracker)[-1]
    run([{}] * 7, engine=engine, tracker=tracker, start_us=START_US + 10 * FRAME_US)
    other: Scene = {"bob": (100 + 12.0 * 9 - 95, 200)}
    (after,) = run([way[17] | other], engine=engine, tracker=tracker, start_us=START_US + 17 * FRAME_US)
    assert after["ann"] == before["ann"] != after["bob"]


@pytest.mark.parametrize("hidden_frames", [3, 6])
def test_who_crosses_behind_another_keeps_the_id(hidden_frames: int) -> None:
    """Ann walks right behind Bob, who walks left; while they meet, she cannot be seen."""
    engine, tracker = FakeEngine(), camera()
    frames = []
    for i in range(31):
        scene: Scene = {"ann": (100 + 14.0 * i, 200), "bob": (520 - 14.0 * i, 205)}
        engine.invisible = {"ann"} if abs(i - 15) <= hidden_frames // 2 else set()
        engine.scene = scene
        frames.append(who(track(engine, tracker, PICTURE, START_US + i * FRAME_US), engine.seen()))
    assert frames[-1] == frames[0]
    assert all(frame["bob"] == frames[0]["bob"] for frame in frames)
    assert "ann" not in frames[15]


def test_two_that_come_back_between_their_places_are_told_apart_by_their_shapes() -> None:
    """Both come back the same distance from both places, in boxes of one size; but Ann's eyes sit higher."""
    powers = {"ann": 1.3, "bob": 0.8}

    class TwoShapes(FakeEngine):
        def _nearest(self, roi: Roi) -> DetectedFace | None:
            def distance(at: tuple[float, float]) -> float:
                return max(abs(at[0] - roi.center_x_px), abs(at[1] - roi.center_y_px))

            person = min(self.scene, key=lambda name: distance(self.scene[name]), default="")
            if not person or distance(self.scene[person]) > roi.size_px / 2:
                return None
            x, y = self.scene[person]
            landmarks = face_at(x, y).landmarks_px.copy()
            top, height = landmarks[:, 1].min(), np.ptp(landmarks[:, 1])
            landmarks[:, 1] = top + height * ((landmarks[:, 1] - top) / height) ** powers[person]
            return DetectedFace(landmarks, box_xyxy_px(landmarks), 1.0, 0.1)

    for order in (["ann", "bob"], ["bob", "ann"]):  # in which they are found
        engine, tracker = TwoShapes(), camera()
        back: Scene = dict(zip(order, [(300.0, 250.0), (300.0, 150.0)], strict=True))
        scenes: list[Scene] = [{"ann": (255, 200), "bob": (345, 200)}, {}, back]
        before, _, after = run(scenes, engine=engine, tracker=tracker)
        assert after == before


def test_who_turns_round_while_hidden_keeps_the_id() -> None:
    """At 300 px/s the place where Ann is to be is out of reach after 1.2 s, but the last one is not."""
    engine, tracker = FakeEngine(), camera()
    way: list[Scene] = [{"ann": (60 + 30.0 * i, 200)} for i in range(12)]
    before = run(way, engine=engine, tracker=tracker)[-1]
    run([{}] * 11, engine=engine, tracker=tracker, start_us=START_US + 12 * FRAME_US)
    (after,) = run([way[-1]], engine=engine, tracker=tracker, start_us=START_US + 23 * FRAME_US)
    assert after == before


def test_a_lost_face_is_looked_for_where_its_speed_takes_it() -> None:
    engine, tracker = FakeEngine(), CameraTracker("cam", pace=SearchPace(min_face_px=100))
    way: list[Scene] = [{"ann": (60 + 20.0 * i, 200)} for i in range(12)]
    run(way, engine=engine, tracker=tracker)
    looked = len(engine.tiles)
    run([{}] * 8, engine=engine, tracker=tracker, start_us=START_US + 12 * FRAME_US)
    first, *_, last = engine.tiles[looked:]
    assert first is not None
    assert last is not None
    assert (first[0] + first[2]) / 2 == pytest.approx(60 + 20 * 12, abs=5)
    assert (last[0] + last[2]) / 2 > 60 + 20 * 15


def test_a_fast_face_is_meshed_until_the_crop_fits() -> None:
    """The mesh goes only half the way to a face beside its crop's middle, as the network does."""

    class Lagging(FakeEngine):
        def _nearest(self, roi: Roi) -> DetectedFace | None:
            face = super()._nearest(roi)
            if face is None:
                return None
            x, y = (self.scene["ann"][0] + roi.center_x_px) / 2, (self.scene["ann"][1] + roi.center_y_px) / 2
            return face_at(x, y)

    engine, tracker = Lagging({"ann": (100, 200)}), camera()
    for i in range(10):
        engine.scene = {"ann": (100 + 25.0 * i, 200)}
        (face,) = track(engine, tracker, PICTURE, START_US + i * FRAME_US)
        x0, _, x1, _ = face.face.box_xyxy_px.tolist()
        assert abs((x0 + x1) / 2 - engine.scene["ann"][0]) < 0.15 * SIZE_PX
    engine.scene = {"ann": (100 + 25.0 * 9 + 0.5, 200)}
    tracker.tracks = tuple(t._replace(velocity=(0.0, 0.0, 0.0)) for t in tracker.tracks)
    tracker.pace = SearchPace(min_face_px=100)
    before = engine.meshes
    track(engine, tracker, PICTURE, START_US + 10 * FRAME_US)
    assert engine.meshes == before + 1


def test_a_far_face_is_found_within_a_sweep_and_followed() -> None:
    picture = np.zeros((720, 1280, 3), np.uint8)
    engine = FakeEngine({"ann": (1000, 600)}, size_px=42.0, faces_across=FACES_ACROSS)
    tracker = CameraTracker("cam")
    found = [track(engine, tracker, picture, START_US + i * FRAME_US) for i in range(12)]
    seen = [i for i, faces in enumerate(found) if faces]
    assert seen
    assert seen == list(range(seen[0], 12))
    assert seen[0] < 10
    assert len({faces[0].subject_id for faces in found[seen[0] :]}) == 1


def last_tracks(scenes: Sequence[Scene], start_us: int = START_US) -> tuple[dict[str, str], CameraTracker]:
    tracker = camera()
    return run(scenes, tracker=tracker, start_us=start_us)[-1], tracker


@pytest.mark.parametrize("frames_later", [1, 5, 80])
def test_another_tracker_goes_on_with_the_ids(frames_later: int) -> None:
    both: Scene = {"ann": (100, 100), "bob": (400, 300)}
    before, old = last_tracks([both] * 3)
    new = camera()
    now_us = old.last_seen_us + frames_later * FRAME_US
    new.resume([t._replace(shape=None) for t in old.tracks], now_us, now_us)
    first, second = run([both | {"eve": (550, 100)}] * 2, tracker=new, start_us=now_us)
    assert first == second
    assert {who_: id_ for who_, id_ in first.items() if who_ != "eve"} == before
    assert first["eve"] not in before.values()


def test_frames_that_come_again_after_a_hand_over_have_their_ids() -> None:
    way: list[Scene] = [{"ann": (100 + 3.0 * i, 100)} for i in range(40)]
    before, old = last_tracks(way[:30])
    new = camera()
    again_us = START_US + 12 * FRAME_US
    new.resume(old.tracks, again_us, again_us)
    frames = run(way[12:], tracker=new, start_us=again_us)
    assert all(frame == before for frame in frames)


def test_a_lost_face_is_handed_over_as_lost() -> None:
    both: Scene = {"ann": (100, 100), "bob": (400, 300)}
    before, old = last_tracks([both, HERE])
    new = camera()
    next_us = old.last_seen_us + FRAME_US
    new.resume(old.tracks, next_us, next_us)
    first, second = run([HERE, both], tracker=new, start_us=old.last_seen_us + FRAME_US)
    assert first["ann"] == before["ann"]
    assert second["bob"] not in first.values()
    tracks = {t.subject_id: t for t in old.tracks}
    assert second["bob"] in tracks.keys() - {before["ann"]}


def test_resuming_nothing_changes_nothing() -> None:
    tracker = camera()
    run([HERE], tracker=tracker)
    before = (tracker.tracks, tracker.last_seen_us)
    tracker.resume([], 9, START_US + FRAME_US)
    assert (tracker.tracks, tracker.last_seen_us) == before


def test_a_track_is_small() -> None:
    tracker = CameraTracker("cam")
    crowd: Scene = {str(i): (60.0 + 120 * (i % 4), 60.0 + 120 * (i // 4)) for i in range(8)}
    picture = np.zeros((1080, 1920, 3), np.uint8)
    engine = FakeEngine(crowd)
    for i in range(5):
        track(engine, tracker, picture, START_US + i * FRAME_US)
    assert len(tracker.tracks) == 8
    assert len(pickle.dumps(tracker)) < 200_000


def test_at_most_so_many_faces_a_frame_and_in_memory() -> None:
    crowd = {str(i): (60.0 + 120 * (i % 5), 60.0 + 120 * (i // 5)) for i in range(15)}
    tracker = camera(max_faces=4)
    frames = run([crowd, {}, {k: (x + 55, y + 55) for k, (x, y) in crowd.items()}, crowd], tracker=tracker)
    assert [len(frame) for frame in frames] == [4, 0, 4, 4]
    assert len(tracker.tracks) == 4


def test_a_late_frame_is_answered_and_changes_nothing() -> None:
    engine, tracker = FakeEngine(), camera()
    first, second = run([HERE, {"ann": (110, 100), "bob": (400, 300)}], engine=engine, tracker=tracker)
    before = (tracker.tracks, tracker.last_seen_us, tracker.search)
    (late,) = run([HERE], engine=engine, tracker=tracker, start_us=START_US + FRAME_US // 2)
    assert late == {"ann": first["ann"]}
    assert (tracker.tracks, tracker.last_seen_us, tracker.search) == before
    (after,) = run([{"ann": (115, 100)}], engine=engine, tracker=tracker, start_us=START_US + 2 * FRAME_US)
    assert after["ann"] == first["ann"] == second["ann"]


WALK: list[Scene] = [{"ann": (100 + 6.0 * i, 100), "bob": (500 - 3.0 * i, 300)} for i in range(40)]


@pytest.mark.parametrize("back_us", [1, FRAME_US, 500_000, 60_000_000, 3_600_000_000])
def test_a_clock_that_is_set_back_changes_nobodys_id(back_us: int) -> None:
    """As NTP does. The next frame counts as taken when the last one was; from there on time goes on."""
    engine, tracker = FakeEngine(), camera()
    (first, *_) = run(WALK[:20], engine=engine, tracker=tracker)
    for i, scene in enumerate(WALK[20:], start=20):
        engine.scene = scene
        at_us = START_US + i * FRAME_US - back_us
        assert who(track(engine, tracker, PICTURE, at_us, seq=START_US + i * FRAME_US), scene) == first
        assert tracker.last_seen_us == at_us


def test_a_clock_that_is_set_back_makes_nobody_stay_longer() -> None:
    """Who went before is still forgotten a second and a half later, and the picture is searched as before."""
    engine, tracker = FakeEngine(HERE), camera(pace=SearchPace(min_face_px=100, change=0))
    track(engine, tracker, PICTURE, START_US, seq=0)
    engine.scene = {}
    track(engine, tracker, PICTURE, START_US + FRAME_US, seq=1)
    early_us = START_US - 3_600_000_000
    for i in range(20):
        track(engine, tracker, PICTURE, early_us + i * FRAME_US, seq=2 + i)
    assert tracker.tracks == ()
    assert tracker.search is not None
    assert max(tracker.search.looked_us) > early_us
    engine.scene = HERE
    tiles = len(engine.tiles)
    found = [track(engine, tracker, PICTURE, early_us + (20 + i) * FRAME_US, seq=22 + i) for i in range(12)]
    assert found[-1]
    assert len(engine.tiles) > tiles


def test_frames_that_are_delivered_twice_have_their_ids_again() -> None:
    """A batch of which Kafka's answer was lost: more frames than ever meant a clock that was set back."""
    engine, tracker = FakeEngine(), camera()
    way: list[Scene] = [*WALK[:20], *[{"eve": (50, 50), **WALK[20]}] * 3]
    once = run(way, engine=engine, tracker=tracker)
    before = (tracker.tracks, tracker.last_seq, tracker.last_seen_us, tracker.search)
    assert run(way, engine=engine, tracker=tracker) == once
    assert (tracker.tracks, tracker.last_seq, tracker.last_seen_us, tracker.search) == before
    (after,) = run([way[-1]], engine=engine, tracker=tracker, start_us=START_US + len(way) * FRAME_US)
    assert after == once[-1]


def test_what_comes_again_after_long_is_answered_by_who_is_in_view_and_never_starts_over() -> None:
    engine, tracker = FakeEngine(), camera()
    frames = run([HERE] * (REMEMBERED_FRAMES + 20), engine=engine, tracker=tracker)
    assert run([HERE] * 15, engine=engine, tracker=tracker) == frames[:15]
    (after,) = run([HERE], engine=engine, tracker=tracker, start_us=START_US + len(frames) * FRAME_US)
    assert after == frames[0]


def test_without_a_run_a_lower_number_with_a_later_time_begins_anew() -> None:
    """A file that is sent again by a producer that knows no runs."""
    engine, tracker = FakeEngine(HERE), camera(run=0)
    (first,) = track(engine, tracker, PICTURE, START_US, seq=0)
    track(engine, tracker, PICTURE, START_US + FRAME_US, seq=1)
    (again,) = track(engine, tracker, PICTURE, START_US, seq=0)
    assert again.subject_id == first.subject_id
    (anew,) = track(engine, tracker, PICTURE, START_US + 5 * FRAME_US, seq=0)
    assert anew.subject_id != first.subject_id
    assert tracker.last_seq == 0
    (_,) = track(engine, tracker, PICTURE, START_US + 6 * FRAME_US, seq=1)
    assert [t.subject_id for t in tracker.tracks] == [anew.subject_id]


def test_another_run_has_other_ids_for_the_same_frames() -> None:
    both = [run(WALK[:3], tracker=camera(run=run_))[-1] for run_ in (RUN, RUN + 1)]
    assert set(both[0].values()).isdisjoint(both[1].values())


def test_last_seen_is_the_newest_frames_time_even_without_faces() -> None:
    tracker = camera()
    run([{}, {}], tracker=tracker)
    assert tracker.last_seen_us == START_US + FRAME_US


def test_an_error_of_the_engine_changes_nothing() -> None:
    class Broken(FakeEngine):
        def detect(self, _picture_rgb: Picture, _tile_xyxy_px: Tile | None = None) -> list[Detection]:
            raise RuntimeError("graph")

    tracker = camera()
    run([HERE], tracker=tracker)
    before = (tracker.tracks, tracker.last_seen_us, tracker.search, tracker.last_seq, list(tracker.answers))
    with pytest.raises(RuntimeError, match="graph"):
        track(Broken(), tracker, PICTURE, START_US + FRAME_US)
    assert (
        tracker.tracks,
        tracker.last_seen_us,
        tracker.search,
        tracker.last_seq,
        list(tracker.answers),
    ) == before


positions = st.tuples(st.floats(0, 640), st.floats(0, 480))
scenes = st.dictionaries(st.sampled_from("abcde"), positions, max_size=5)


@given(
    st.lists(st.tuples(scenes, st.integers(-2, 3), st.integers(-300_000, 2_000_000)), max_size=12),
    st.integers(1, 4),
)
def test_whatever_happens_ids_are_unique_memory_bounded_and_replays_equal(
    frames: list[tuple[Scene, int, int]], max_faces: int
) -> None:
    def replay() -> list[list[str]]:
        engine, tracker, now_us, seq = FakeEngine(), camera(max_faces=max_faces), START_US, 9
        answers = []
        for scene, forward, step_us in frames:
            now_us, seq = now_us + step_us, max(0, seq + forward)
            engine.scene = scene
            newest = max((tracker.last_seq, tracker.last_seen_us), (seq, now_us), key=lambda each: each[0])
            ids = [tracked.subject_id for tracked in track(engine, tracker, PICTURE, now_us, seq=seq)]
            assert len(ids) == len(set(ids)) <= min(max_faces, len(scene))
            assert len(tracker.tracks) <= max_faces
            assert (tracker.last_seq, tracker.last_seen_us) == newest  # whatever the clock says
            answers.append(ids)
        return answers

    assert replay() == replay()


@pytest.mark.parametrize("interval_us", [1_000_000, 2_000_000, 5_000_000])
def test_an_id_stays_at_a_frame_a_second_and_less(interval_us: int) -> None:
    engine, tracker = FakeEngine({"ann": (200, 200)}), camera("slow")

    ids = {track(engine, tracker, PICTURE, START_US + n * interval_us)[0].subject_id for n in range(10)}

    assert len(ids) == 1


def test_a_fast_camera_that_was_away_for_seconds_has_new_people() -> None:
    engine, tracker = FakeEngine({"ann": (200, 200)}), camera("fast")
    before = {track(engine, tracker, PICTURE, START_US + n * FRAME_US)[0].subject_id for n in range(10)}

    (after,) = track(engine, tracker, PICTURE, START_US + 10 * FRAME_US + 5_000_000)

    assert after.subject_id not in before


@pytest.mark.parametrize(("grown_to_px", "same"), [(90, True), (110, True), (170, False)])
def test_a_lost_face_may_be_as_large_as_it_was_seen_not_only_as_it_was_to_become(
    grown_to_px: float, same: bool
) -> None:
    """A mesh that slips off its face grows before it is lost; the face itself is then found at its size."""
    box = np.array([100, 100, 100 + grown_to_px, 100 + grown_to_px], np.float32)
    lost = Track("cam:a", Roi(0, 0, 1, 0), box, 0, velocity=(0.0, 0.0, 0.9))
    there = np.array([120, 120, 180, 180], np.float32)
    found = DetectedFace(np.zeros((468, 3), np.float32), there, 1.0, 0.1)
    assert (
        math.isfinite(tracking._cost(tracking._Place.of(found.box_xyxy_px), *tracking._places(lost, 400_000)))
        is same
    )
