"""Tracking with a fake engine: who keeps an id, who gets a new one, and what it costs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.canonical import CANONICAL
from models.faces import DetectedFace, Picture, Roi, box_xyxy_px, find_faces
from models.tracking import LATE_FRAMES_BEFORE_RESTART, CameraTracker, Track, TrackedFace, track

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
    return DetectedFace(landmarks, box_xyxy_px(landmarks), 1.0)


@dataclass
class FakeEngine:
    """Sees the faces of a scene: detection all but the hidden ones, the mesh the one nearest in its crop."""

    scene: Scene = field(default_factory=dict)
    undetectable: set[str] = field(default_factory=set)
    detections: int = 0
    meshes: int = 0

    def detect(self, _picture_rgb: Picture) -> list[Roi]:
        self.detections += 1
        return [
            Roi.around(face_at(*at).landmarks_px)
            for person, at in self.scene.items()
            if person not in self.undetectable
        ]

    def mesh(self, _picture_rgb: Picture, rois: Sequence[Roi]) -> list[DetectedFace | None]:
        self.meshes += len(rois)
        return [self._nearest(roi) for roi in rois]

    def _nearest(self, roi: Roi) -> DetectedFace | None:
        def distance(at: tuple[float, float]) -> float:
            return max(abs(at[0] - roi.center_x_px), abs(at[1] - roi.center_y_px))

        at = min(self.scene.values(), key=distance, default=None)
        return face_at(*at) if at is not None and distance(at) < roi.size_px / 2 else None


def run(
    scenes: Sequence[Scene],
    *,
    engine: FakeEngine | None = None,
    tracker: CameraTracker | None = None,
    start_us: int = START_US,
    frame_us: int = FRAME_US,
) -> list[dict[str, str]]:
    """Tracks the scenes as a video; for each frame, person → subject id."""
    engine, tracker = engine or FakeEngine(), tracker or CameraTracker("cam")
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
    (frame,) = run([{"ann": (100, 100)}], tracker=CameraTracker("lobby-1"))
    assert re.fullmatch(r"lobby-1:[a-z2-7]{4}", frame["ann"])


def test_two_faces_keep_their_different_ids_while_they_move() -> None:
    frames = run([{"ann": (100 + 8 * i, 100), "bob": (500 - 8 * i, 120 + 3 * i)} for i in range(20)])
    assert all(frame == frames[0] for frame in frames)
    assert len(set(frames[0].values())) == 2


def test_the_same_frames_give_the_same_ids_and_other_cameras_or_times_others() -> None:
    scenes: list[Scene] = [{"ann": (100, 100)}, {"ann": (110, 100), "bob": (400, 300)}] * 6
    assert run(scenes) == run(scenes)
    assert run(scenes)[-1].keys() == {"ann", "bob"}
    assert set(run(scenes, tracker=CameraTracker("other"))[-1].values()).isdisjoint(run(scenes)[-1].values())
    assert set(run(scenes, start_us=START_US + 1)[-1].values()).isdisjoint(run(scenes)[-1].values())


HERE: Scene = {"ann": (100, 100)}


@pytest.mark.parametrize(
    ("scenes", "same"),
    [
        pytest.param([HERE, *[{}] * 9, HERE], True, id="a miss of 0.9 s is bridged"),
        pytest.param([HERE, *[{}] * 11, HERE], False, id="after 1.1 s it is someone new"),
        pytest.param([HERE, {"ann": (200, 100)}], True, id="a jump out of the crop is caught by detection"),
        pytest.param([HERE, {}, {"ann": (200, 130)}], True, id="reappears not far away"),
        pytest.param([HERE, {"ann": (500, 400)}], False, id="far away is someone else"),
    ],
)
def test_who_comes_back(scenes: list[Scene], same: bool) -> None:
    frames = run(scenes)
    assert (frames[0]["ann"] == frames[-1]["ann"]) is same


def test_a_face_of_another_size_is_someone_else() -> None:
    engine, tracker = FakeEngine({"ann": (100, 100)}), CameraTracker("cam")
    (first,) = track(engine, tracker, PICTURE, START_US)

    class Larger(FakeEngine):
        def detect(self, _picture_rgb: Picture) -> list[Roi]:
            return [Roi.around(face_at(220, 100, 150).landmarks_px)]

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
    (first,) = run([HERE], engine=engine, tracker=(tracker := CameraTracker("cam")))
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
    taken = Track(first["ann"], face_at(400, 300), START_US - FRAME_US)
    tracker = CameraTracker("cam", tracks=(taken,))
    frame = who(track(engine, tracker, PICTURE, START_US), engine.scene)
    assert frame["bob"] == first["ann"] != frame["ann"]


def test_the_usual_frame_costs_one_mesh_and_no_detection() -> None:
    engine = FakeEngine()
    tracker = CameraTracker("cam")
    run([HERE], engine=engine, tracker=tracker)
    assert (engine.detections, engine.meshes) == (1, 2)  # a new face is meshed twice
    run([HERE] * 10, engine=engine, tracker=tracker, start_us=START_US + FRAME_US)
    assert (engine.detections, engine.meshes) == (1 + 2, 2 + 10)  # every 0.5 s


def test_detects_at_once_when_a_face_is_lost_and_always_while_nobody_is_there() -> None:
    engine, tracker = FakeEngine(), CameraTracker("cam")
    run([{}] * 3 + [HERE], engine=engine, tracker=tracker)
    assert engine.detections == 4
    (alone,) = run([{"ann": (220, 100)}], engine=engine, tracker=tracker, start_us=START_US + 4 * FRAME_US)
    assert engine.detections == 5

    jumps: list[Scene] = [{"ann": (220, 100), "bob": (400, 300)}, {"ann": (220, 100), "bob": (490, 300)}]
    tracker.detected_us = 0
    first, second = run(jumps, engine=engine, tracker=tracker, start_us=START_US + 5 * FRAME_US)
    assert engine.detections == 7
    assert first == second == {**alone, "bob": first["bob"]}


def test_at_most_so_many_faces_a_frame_and_in_memory() -> None:
    crowd = {str(i): (60.0 + 120 * (i % 5), 60.0 + 120 * (i // 5)) for i in range(15)}
    tracker = CameraTracker("cam", max_faces=4)
    frames = run([crowd, {}, {k: (x + 55, y + 55) for k, (x, y) in crowd.items()}, crowd], tracker=tracker)
    assert [len(frame) for frame in frames] == [4, 0, 4, 4]
    assert len(tracker.tracks) == 4


def test_a_late_frame_is_answered_and_changes_nothing() -> None:
    engine, tracker = FakeEngine(), CameraTracker("cam")
    first, second = run([HERE, {"ann": (110, 100), "bob": (400, 300)}], engine=engine, tracker=tracker)
    before = (tracker.tracks, tracker.last_seen_us, tracker.detected_us)
    (late,) = run([HERE], engine=engine, tracker=tracker, start_us=START_US + FRAME_US // 2)
    assert late == {"ann": first["ann"]}
    assert (tracker.tracks, tracker.last_seen_us, tracker.detected_us) == before
    (after,) = run([{"ann": (115, 100)}], engine=engine, tracker=tracker, start_us=START_US + 2 * FRAME_US)
    assert after["ann"] == first["ann"] == second["ann"]


def test_a_clock_set_back_starts_over_after_a_few_frames() -> None:
    engine, tracker = FakeEngine(), CameraTracker("cam")
    run([HERE], engine=engine, tracker=tracker)
    an_hour_us = 3_600_000_000
    frames = run(
        [HERE] * (LATE_FRAMES_BEFORE_RESTART + 3),
        engine=engine,
        tracker=tracker,
        start_us=START_US - an_hour_us,
    )
    assert tracker.last_seen_us == START_US - an_hour_us + (LATE_FRAMES_BEFORE_RESTART + 2) * FRAME_US
    assert frames[-1] == frames[-2]
    assert engine.detections == 1 + LATE_FRAMES_BEFORE_RESTART + 1


def test_late_frames_between_others_never_start_over() -> None:
    engine, tracker = FakeEngine(), CameraTracker("cam")
    (first,) = run([HERE], engine=engine, tracker=tracker)
    for i in range(1, 4):
        run([HERE] * LATE_FRAMES_BEFORE_RESTART, engine=engine, tracker=tracker, start_us=START_US // 2)
        now_us = START_US + i * FRAME_US
        (frame,) = run([HERE], engine=engine, tracker=tracker, start_us=now_us)
        assert tracker.last_seen_us == now_us
        assert frame == first


def test_last_seen_is_the_newest_frames_time_even_without_faces() -> None:
    tracker = CameraTracker("cam")
    run([{}, {}], tracker=tracker)
    assert tracker.last_seen_us == START_US + FRAME_US


def test_an_error_of_the_engine_changes_nothing() -> None:
    class Broken(FakeEngine):
        def detect(self, _picture_rgb: Picture) -> list[Roi]:
            raise RuntimeError("graph")

    tracker = CameraTracker("cam")
    run([HERE], tracker=tracker)
    before = (tracker.tracks, tracker.last_seen_us, tracker.detected_us, tracker.late_frames)
    with pytest.raises(RuntimeError, match="graph"):
        track(Broken(), tracker, PICTURE, START_US + FRAME_US)
    assert (tracker.tracks, tracker.last_seen_us, tracker.detected_us, tracker.late_frames) == before


positions = st.tuples(st.floats(0, 640), st.floats(0, 480))
scenes = st.dictionaries(st.sampled_from("abcde"), positions, max_size=5)


@given(
    st.lists(st.tuples(scenes, st.integers(-300_000, 2_000_000)), max_size=LATE_FRAMES_BEFORE_RESTART),
    st.integers(1, 4),
)
def test_whatever_happens_ids_are_unique_memory_bounded_and_replays_equal(
    frames: list[tuple[Scene, int]], max_faces: int
) -> None:
    def replay() -> list[list[str]]:
        engine, tracker, now_us = FakeEngine(), CameraTracker("cam", max_faces=max_faces), START_US
        answers = []
        for scene, step_us in frames:
            now_us += step_us
            engine.scene = scene
            newest_us = max(tracker.last_seen_us, now_us)
            ids = [tracked.subject_id for tracked in track(engine, tracker, PICTURE, now_us)]
            assert len(ids) == len(set(ids)) <= min(max_faces, len(scene))
            assert len(tracker.tracks) <= max_faces
            assert tracker.last_seen_us == newest_us  # too few frames for a clock set back
            answers.append(ids)
        return answers

    assert replay() == replay()


def test_find_faces_leaves_out_known_faces_and_doubles() -> None:
    class Doubled(FakeEngine):
        def detect(self, picture_rgb: Picture) -> list[Roi]:
            rois = super().detect(picture_rgb)
            return [*rois, *(roi._replace(center_x_px=roi.center_x_px + SIZE_PX * 0.6) for roi in rois)]

    engine = Doubled({"ann": (100, 100), "bob": (400, 300)})
    assert len(find_faces(engine, PICTURE)) == 2
    (only_bob,) = find_faces(engine, PICTURE, known=[face_at(100, 100)])
    assert only_bob.box_xyxy_px[0] > 300


@pytest.mark.parametrize("interval_us", [1_000_000, 2_000_000, 5_000_000])
def test_an_id_stays_at_a_frame_a_second_and_less(interval_us: int) -> None:
    engine, tracker = FakeEngine({"ann": (200, 200)}), CameraTracker("slow")

    ids = {track(engine, tracker, PICTURE, START_US + n * interval_us)[0].subject_id for n in range(10)}

    assert len(ids) == 1


def test_a_fast_camera_that_was_away_for_seconds_has_new_people() -> None:
    engine, tracker = FakeEngine({"ann": (200, 200)}), CameraTracker("fast")
    before = {track(engine, tracker, PICTURE, START_US + n * FRAME_US)[0].subject_id for n in range(10)}

    (after,) = track(engine, tracker, PICTURE, START_US + 10 * FRAME_US + 5_000_000)

    assert after.subject_id not in before
