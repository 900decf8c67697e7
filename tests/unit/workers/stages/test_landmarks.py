"""`mien landmarks` with a fake engine: which frames are decoded, refused or dropped, and what is sent."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import redis
from aiokafka.errors import KafkaTimeoutError

from models.arrays import Picture
from models.faces import align, pictures
from models.faces.canonical import CANONICAL
from models.faces.engine import DetectedFace, Detection, Roi, box_xyxy_px
from models.faces.face_search import SearchPace
from models.faces.landmark_set import LandmarkSet
from models.faces.pictures import encode_jpeg
from models.faces.tracking import Track, shrink_of_next
from streams import metrics
from streams.messages import emotion_event, frame_message, landmarks_message
from streams.messages.frame_message import Frame
from streams.messages.landmarks_message import Landmarks, PictureSize
from streams.settings import Settings
from streams.telemetry.trace_context import TraceContext
from workers.stages import landmarks as worker_
from workers.stages.handler import Message
from workers.stages.landmarks import (
    EVICT_AFTER_S,
    SENT_TOGETHER,
    Decoded,
    Faces,
    LandmarksWorker,
    _hand_over,
    is_stale,
)

SET = LandmarkSet("three", np.array([0, 33, 263], np.int32))
NOISE = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
JPEG = encode_jpeg(NOISE)


def face_at(x_px: float, y_px: float = 120.0, scale_px: float = 40.0) -> DetectedFace:
    points = (CANONICAL * scale_px + [x_px, y_px, 0]).astype(np.float32)
    return DetectedFace(points, box_xyxy_px(points), 0.9, 0.05)


WHOLE: dict[str, Any] = {"min_face_px": 30}
"""Settings with which frames are decoded at their full size: so small a face is searched for in them."""


def shrunk(face: DetectedFace, n: float) -> DetectedFace:
    """The face in a picture where one px is the middle of n x n of the frame's."""
    xy = np.float32((n - 1) / 2)
    landmarks_px = (face.landmarks_px - [xy, xy, 0]).astype(np.float32) / np.float32(n)
    return DetectedFace(landmarks_px, box_xyxy_px(landmarks_px), face.presence, face.sharpness / n)


class FakeEngine:
    """Sees the same faces in every frame, also where it was decoded smaller."""

    def __init__(self, *faces: DetectedFace, frame_width_px: int = 320) -> None:
        self.faces = faces
        self.frame_width_px = frame_width_px
        self.pictures: list[tuple[int, ...]] = []

    def _seen_in(self, picture_rgb: Picture) -> list[DetectedFace]:
        return [shrunk(face, self.frame_width_px / picture_rgb.shape[1]) for face in self.faces]

    def detect(
        self, picture_rgb: Picture, _tile_xyxy_px: tuple[int, int, int, int] | None = None
    ) -> list[Detection]:
        self.pictures.append(picture_rgb.shape)
        return [
            Detection(Roi.around(face.landmarks_px), face.box_xyxy_px, 0.9)
            for face in self._seen_in(picture_rgb)
        ]

    def mesh(self, picture_rgb: Picture, rois: Sequence[Roi]) -> list[DetectedFace | None]:
        seen = self._seen_in(picture_rgb)

        def nearest(roi: Roi) -> DetectedFace:
            return min(seen, key=lambda f: abs(Roi.around(f.landmarks_px).center_x_px - roi.center_x_px))

        return [nearest(roi) for roi in rois]


def now_us() -> int:
    return time.time_ns() // 1000


def message(jpeg: bytes = JPEG, *, seq: int = 1, age_ms: int = 0, **changes: Any) -> Message:
    trace = str(TraceContext.new(sampled=False))
    frame = Frame("lobby", seq, now_us() - age_ms * 1000, (320, 240), "live", trace, jpeg)
    key, value, headers = frame_message.encode(frame._replace(**changes))
    return Message(key, value, headers, "mien.frames", 0, seq)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(face_at(160))


@pytest.fixture
def worker(engine: FakeEngine, outlet: Any) -> Iterator[LandmarksWorker]:
    with ThreadPoolExecutor(1) as decoder, ThreadPoolExecutor(1) as finder:
        settings = Settings(**WHOLE)
        yield LandmarksWorker(settings, outlet, Faces(engine, SET, settings), finder, decoder)


def sent(outlet: Any) -> list[Landmarks]:
    return [landmarks_message.decode(one.value) for one in outlet.sent]


def counted(outcome: str) -> float:
    return metrics.frames_total.labels("landmarks", "lobby", outcome)._value.get()


async def test_a_face_becomes_a_message_that_leads_back_to_the_picture(
    worker: LandmarksWorker, outlet: Any, engine: FakeEngine
) -> None:
    frame = message(seq=5)
    await worker.handle([frame])

    (one,) = sent(outlet)
    assert outlet.sent[0].topic.name == "mien.landmarks"
    assert outlet.sent[0].key == b"lobby"
    assert (one.camera_id, one.frame_seq) == ("lobby", 5)
    headers = dict(frame.headers)
    assert str(one.captured_at_us).encode() == headers["captured-at"]
    assert one.traceparent.encode() == headers["traceparent"]
    assert one.subject_id.startswith("lobby:")
    assert one.landmark_set == SET.id
    points = landmarks_message.unpack_points(one, 3)
    rotation = np.array(one.transform.rotation).reshape(3, 3)
    back = one.transform.scale_px * points @ rotation.T + one.transform.translation_px
    assert back == pytest.approx(engine.faces[0].landmarks_px[SET.indices], abs=0.01)
    assert (one.pose.yaw, one.pose.pitch, one.pose.roll) == pytest.approx((0, 0, 0), abs=0.01)
    assert one.quality.inter_ocular_px == pytest.approx(40, abs=0.01)
    assert one.quality.presence == pytest.approx(0.9)
    assert one.quality.sharpness == 0.05
    assert one.quality.visible == 1
    assert not one.still


@pytest.mark.parametrize(("full_width_px", "told_px"), [(0, 320), (1920, 1920), (100, 320)])
async def test_a_face_says_how_large_its_picture_is_and_how_wide_the_camera_s_own(
    worker: LandmarksWorker, outlet: Any, full_width_px: int, told_px: int
) -> None:
    await worker.handle([message(full_width_px=full_width_px)])

    assert sent(outlet)[0].picture == PictureSize(320, 240, told_px)


async def test_the_points_are_aligned_and_the_sets_own(
    worker: LandmarksWorker, outlet: Any, engine: FakeEngine
) -> None:
    await worker.handle([message()])

    aligned = align.align(engine.faces[0].landmarks_px[None]).points[0]
    assert np.array_equal(landmarks_message.unpack_points(sent(outlet)[0], 3), aligned[[0, 33, 263]])


async def test_several_faces_are_several_messages_with_their_own_subjects(
    worker: LandmarksWorker, outlet: Any, engine: FakeEngine
) -> None:
    engine.faces = (face_at(60, scale_px=30), face_at(160, scale_px=30), face_at(260, scale_px=30))
    before = counted("faces")
    await worker.handle([message(seq=1), message(seq=2)])

    ids = [[one.subject_id for one in sent(outlet) if one.frame_seq == seq] for seq in (1, 2)]
    assert len(set(ids[0])) == 3
    assert set(ids[0]) == set(ids[1])
    assert counted("faces") == before + 2


async def test_no_face_is_no_message_and_counted(
    worker: LandmarksWorker, outlet: Any, engine: FakeEngine
) -> None:
    engine.faces = ()
    before = counted("no-face")
    await worker.handle([message()])

    assert outlet.sent == []
    assert counted("no-face") == before + 1


@pytest.mark.parametrize(
    ("x_px", "y_px"), [(0, 120), (320, 120), (160, 0), (160, 240), (-20, -20), (330, 250)]
)
async def test_the_box_of_a_face_at_the_border_stays_within_the_picture(
    worker: LandmarksWorker, outlet: Any, engine: FakeEngine, x_px: float, y_px: float
) -> None:
    engine.faces = (face_at(x_px, y_px),)
    await worker.handle([message()])

    box = sent(outlet)[0].face
    for start, length in ((box.x, box.w), (box.y, box.h)):
        assert 0 <= start <= start + length <= 1 + 1e-9
        assert length < 1


async def test_the_box_is_in_fractions_of_width_and_height(
    worker: LandmarksWorker, outlet: Any, engine: FakeEngine
) -> None:
    await worker.handle([message()])

    x0, y0, x1, y1 = engine.faces[0].box_xyxy_px / (320, 240, 320, 240)
    box = sent(outlet)[0].face
    assert (box.x, box.y, box.w, box.h) == pytest.approx((x0, y0, x1 - x0, y1 - y0), abs=1e-6)


async def test_faces_are_sent_in_the_order_of_the_frames_while_the_thread_works_on_the_next(
    worker: LandmarksWorker, outlet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent_before: list[int] = []  # by frame: how many messages were out when its turn came
    of = worker._faces.of

    def waits_for_the_first_ones(frame: Frame, *resumed: Any) -> list[Landmarks]:
        deadline_s = time.monotonic() + 10
        while frame.seq >= SENT_TOGETHER and not outlet.sent and time.monotonic() < deadline_s:
            time.sleep(0.005)
        sent_before.append(len(outlet.sent))
        return of(frame, *resumed)

    monkeypatch.setattr(worker._faces, "of", waits_for_the_first_ones)
    await worker.handle([message(seq=seq) for seq in range(5)])

    assert [one.frame_seq for one in sent(outlet)] == [0, 1, 2, 3, 4]
    assert sent_before[:SENT_TOGETHER] == [0] * SENT_TOGETHER
    assert all(sent_before[SENT_TOGETHER:])


async def test_a_stale_live_frame_is_dropped_before_it_is_decoded(
    worker: LandmarksWorker, outlet: Any, engine: FakeEngine
) -> None:
    """Corrupt bytes prove it: had they reached the decoder, there would be a dead letter."""
    before = counted("stale")
    await worker.handle([message(b"\xff\xd8\xff corrupt", age_ms=60_000)])

    assert outlet.refused == outlet.sent == engine.pictures == []
    assert counted("stale") == before + 1


async def test_a_files_frame_is_never_stale(worker: LandmarksWorker, outlet: Any) -> None:
    await worker.handle([message(age_ms=10**9, source="file")])

    assert len(outlet.sent) == 1


async def test_a_frame_is_too_old_or_left_out_or_taken_and_counted_once(worker: LandmarksWorker) -> None:
    """By a worker that is at work all the time, an empty picture is left out once it waits."""
    assert worker._thinning
    worker._thinning.looks(time.monotonic())
    worker._thinning.worked(time.monotonic() + 10)
    before = {outcome: counted(outcome) for outcome in ("stale", "thinned")}
    ages_ms = {1: 600, 2: 60_000, 3: 590}
    taken = [worker.takes(message(seq=seq, age_ms=ms, priority="low")) for seq, ms in ages_ms.items()]
    assert taken == [True, False, False]
    assert counted("stale") == before["stale"] + 1
    assert counted("thinned") == before["thinned"] + 1

    assert worker.takes(message(seq=5, age_ms=600, source="file"))
    assert worker.takes(message()._replace(headers=[]))  # is refused when it is worked on


async def test_a_face_in_view_outranks_an_empty_picture(worker: LandmarksWorker, engine: FakeEngine) -> None:
    assert worker._thinning
    await worker.handle([message(seq=1)])
    engine.faces = ()
    await worker.handle([message(seq=1, camera_id="empty", run=7)])
    worker._thinning.looks(time.monotonic())
    worker._thinning.worked(time.monotonic() + 10)
    for camera_id, run in (("lobby", 0), ("empty", 7)):
        assert worker.takes(message(seq=2, age_ms=600, camera_id=camera_id, run=run, priority="low"))

    assert worker.takes(message(seq=3, age_ms=590, priority="low"))
    assert not worker.takes(message(seq=3, age_ms=590, camera_id="empty", run=7, priority="low"))


async def test_without_thinning_only_age_counts(engine: FakeEngine, outlet: Any) -> None:
    with ThreadPoolExecutor(1) as decoder, ThreadPoolExecutor(1) as finder:
        settings = Settings(**WHOLE, thinning=False)
        worker = LandmarksWorker(settings, outlet, Faces(engine, SET, settings), finder, decoder)
        ages_ms = (1_900, 1_800, 60_000)
        taken = [worker.takes(message(seq=seq, age_ms=ms, priority="low")) for seq, ms in enumerate(ages_ms)]

    assert taken == [True, True, False]


@pytest.mark.parametrize(
    ("source", "age_us", "stale"),
    [
        ("live", 2_000_001, True),
        ("live", 2_000_000, False),
        ("live", -5_000_000, False),
        ("file", 10**15, False),
    ],
)
def test_staleness(source: Any, age_us: int, stale: bool) -> None:
    now = 2 * 10**15
    frame = Frame("lobby", 1, now - age_us, (1, 1), source, "", b"x")

    assert is_stale(frame, now, max_frame_age_ms=2000) is stale


def huge_jpeg() -> bytes:
    """A JPEG whose header says 20000×20000."""
    at = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:at] + (20_000).to_bytes(2, "big") * 2 + JPEG[at + 4 :]


@pytest.mark.parametrize(
    ("jpeg", "reason"),
    [
        (b"To be, or not to be, that is the question", "not-a-jpeg"),
        (JPEG[: len(JPEG) // 2], "corrupt"),
        (huge_jpeg(), "too-large"),
        (JPEG + b"\0" * Settings().max_frame_bytes, "too-large"),
    ],
    ids=["text", "truncated", "20000x20000", "many-bytes"],
)
async def test_a_bad_picture_is_a_dead_letter_and_the_next_frame_is_worked_on(
    worker: LandmarksWorker, outlet: Any, jpeg: bytes, reason: str
) -> None:
    before = counted(reason)
    bad, good = message(jpeg, seq=1), message(seq=2)
    await worker.handle([bad, good])

    assert [refused for refused, _ in outlet.refused] == [bad]
    assert outlet.reasons == [reason]
    assert "Frame 1 of camera lobby" in str(outlet.refused[0][1])
    assert [one.frame_seq for one in sent(outlet)] == [2]
    assert counted(reason) == before + 1


async def test_a_huge_picture_is_refused_by_its_header(
    worker: LandmarksWorker, outlet: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def must_not_run(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(pictures.simplejpeg, "decode_jpeg", must_not_run)
    await worker.handle([message(huge_jpeg())])

    assert outlet.reasons == ["too-large"]


@pytest.mark.parametrize("missing", ["seq", "captured-at", "size"])
async def test_a_frame_without_a_header_is_a_dead_letter(
    worker: LandmarksWorker, outlet: Any, missing: str
) -> None:
    whole = message()
    await worker.handle([whole._replace(headers=[h for h in whole.headers if h[0] != missing]), whole])

    assert outlet.reasons == ["bad-message"]
    assert len(outlet.sent) == 1


async def test_the_batch_is_not_done_before_kafka_has_every_face(
    worker: LandmarksWorker, outlet: Any
) -> None:
    outlet.undelivered = [KafkaTimeoutError()]

    with pytest.raises(KafkaTimeoutError):
        await worker.handle([message()])


def test_a_frame_is_decoded_no_larger_than_its_faces_need(engine: FakeEngine) -> None:
    """At half size while only faces of 40 px are searched for; in full once a small one is followed."""
    faces = Faces(engine, SET, Settings(min_face_px=40))
    expected = Faces(FakeEngine(face_at(160)), SET, Settings(**WHOLE))

    def see(seq: int, faces: Faces) -> Landmarks:
        (one,) = faces.of(Frame("a", seq, seq * 100_000, (320, 240), "file", "", JPEG))
        return one

    for seq in range(1, 12):
        got, wanted = see(seq, faces), see(seq, expected)
        assert got.face.x == pytest.approx(wanted.face.x, abs=1e-5)
        assert got.face.h == pytest.approx(wanted.face.h, abs=1e-5)
        assert got.transform.translation_px == pytest.approx(wanted.transform.translation_px, abs=1e-2)
        assert got.quality.inter_ocular_px == pytest.approx(wanted.quality.inter_ocular_px, rel=1e-4)
        assert landmarks_message.unpack_points(got, 3) == pytest.approx(
            landmarks_message.unpack_points(wanted, 3), abs=1e-4
        )
    assert engine.pictures[0] == (120, 160, 3)
    assert engine.pictures[-1] == (240, 320, 3)


def test_a_large_face_is_followed_at_a_quarter_of_the_size() -> None:
    jpeg = encode_jpeg(np.tile(NOISE, (6, 6, 1)))
    engine = FakeEngine(face_at(900, 700, 500), frame_width_px=1920)
    faces = Faces(engine, SET, Settings(max_faces=1))
    decoded = []
    for seq in range(3):
        decoded.append(
            shrink_of_next(faces._camera(Frame("a", 0, seq, (1920, 1440), "file", "", jpeg)).tracker)
        )
        (one,) = faces.of(Frame("a", seq, seq * 100_000, (1920, 1440), "file", "", jpeg))
        assert one.transform.translation_px[:2] == pytest.approx([900, 700], abs=100)
    assert decoded == [2, 4, 4]


def test_runs_that_no_frame_comes_from_are_forgotten_whatever_the_cameras_clocks_say(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 1000.0
    monkeypatch.setattr(worker_.time, "monotonic", lambda: now_s)
    faces = Faces(engine, SET, Settings())

    def see(camera_id: str, us: int, run: int = 0, seq: int = 1) -> str:
        (one,) = faces.of(Frame(camera_id, seq, us, (320, 240), "file", "", JPEG, run))
        return one.subject_id

    first = see("a", 10**15)
    see("quiet", 10**15)
    see("ahead", 10**15 + 120_000_000)  # its clock is two minutes ahead
    assert see("a", 10**15 + 100_000, seq=2) == first

    now_s += EVICT_AFTER_S
    see("a", 10**15 + 200_000, seq=3)
    now_s += 0.1
    see("b", 5)
    see("a", 10**15 + 300_000, seq=4)
    assert set(faces._cameras) == {("a", 0), ("b", 0)}


def test_a_file_that_is_sent_again_at_once_has_other_subjects_and_events(engine: FakeEngine) -> None:
    """The same frames a second later; and both runs at once do not disturb each other."""
    faces = Faces(engine, SET, Settings())
    start_us = 1_764_000_000_000_000

    def ids(run_us: int, seq: int) -> tuple[str, str]:
        at_us = run_us + seq * 100_000
        (one,) = faces.of(Frame("a", seq, at_us, (320, 240), "file", "", JPEG, run_us))
        return one.subject_id, emotion_event.event_id("a", one.run, one.frame_seq, one.subject_id)

    first = [ids(start_us, seq) for seq in range(5)]
    second = [ids(start_us + 1_000_000, seq) for seq in range(5)]
    in_turn = [ids(run_us, seq) for seq in range(5, 8) for run_us in (start_us, start_us + 1_000_000)]

    assert len({subject for subject, _ in first}) == len({subject for subject, _ in second}) == 1
    assert len({event for _, event in first + second + in_turn}) == 16
    assert [subject for subject, _ in in_turn] == [first[0][0], second[0][0]] * 3


def test_cameras_do_not_share_subjects(engine: FakeEngine) -> None:
    faces = Faces(engine, SET, Settings())
    ids = {
        camera: faces.of(Frame(camera, 1, 5, (320, 240), "file", "", JPEG))[0].subject_id
        for camera in ("a", "b")
    }

    assert ids["a"].startswith("a:")
    assert ids["b"].startswith("b:")


def test_settings_reach_the_tracker(engine: FakeEngine) -> None:
    engine.faces = (face_at(60, scale_px=30), face_at(160, scale_px=30), face_at(260, scale_px=30))
    faces = Faces(engine, SET, Settings(max_faces=2))

    assert len(faces.of(Frame("a", 1, 5, (320, 240), "file", "", JPEG))) == 2
    settings = Settings(
        min_face_px=30, sweep_ms=700, detect_interval_ms=300, search_tiles_max=3, search_change=2
    )
    faces = Faces(engine, SET, settings)
    faces.of(Frame("a", 1, 5, (320, 240), "file", "", JPEG))
    assert faces._cameras["a", 0].tracker.pace == SearchPace(30, 300_000, 700_000, 3, 2)


async def test_the_next_worker_goes_on_with_the_ids(engine: FakeEngine, outlet: Any, redis_url: str) -> None:
    """Through the real Redis; without it, or where it is switched off, the ids are others."""
    settings = Settings(redis_url=redis_url)
    redis.Redis.from_url(redis_url).flushdb()

    async def subject(seq: int, settings: Settings) -> str:
        outlet.sent.clear()
        with ThreadPoolExecutor(1) as decoder, ThreadPoolExecutor(1) as finder:
            async with _hand_over(settings) as hand_over:
                faces = Faces(engine, SET, settings)
                worker = LandmarksWorker(settings, outlet, faces, finder, decoder, hand_over)
                await worker.handle([message(seq=seq)])
        return sent(outlet)[0].subject_id

    first = await subject(1, settings)
    assert await subject(2, settings) == first
    assert await subject(3, settings.model_copy(update={"hand_over": False})) != first
    nowhere = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    assert await subject(4, nowhere) != first
    assert await subject(5, settings) == first


def test_a_face_cut_off_by_the_border_says_how_much_of_it_is_there(engine: FakeEngine) -> None:
    engine.faces = (face_at(0, scale_px=40),)
    (one,) = Faces(engine, SET, Settings(**WHOLE)).of(Frame("a", 1, 5, (320, 240), "file", "", JPEG))

    assert one.quality.visible == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("smooth", [False, True])
async def test_a_face_that_never_moves_by_itself_is_still_also_for_the_next_worker(
    engine: FakeEngine, outlet: Any, redis_url: str, smooth: bool
) -> None:
    """A minute at one worker, a minute at the next; it blinks at last."""
    settings = Settings(redis_url=redis_url, smooth_landmarks=smooth, still_after_s=110, **WHOLE)
    redis.Redis.from_url(redis_url).flushdb()
    began_us = now_us() - 10**9
    for first in (0, 60):
        with ThreadPoolExecutor(1) as decoder, ThreadPoolExecutor(1) as finder:
            async with _hand_over(settings) as hand_over:
                faces = Faces(engine, SET, settings)
                worker = LandmarksWorker(settings, outlet, faces, finder, decoder, hand_over)
                for seq in range(first, first + 60):
                    if seq == 115:
                        face = engine.faces[0].landmarks_px.copy()
                        face[[159, 386]] = face[[145, 374]]
                        engine.faces = (engine.faces[0]._replace(landmarks_px=face),)
                    at_us = began_us + seq * 10**6
                    await worker.handle([message(seq=seq, captured_at_us=at_us, source="file", run=1)])

    assert len({one.subject_id for one in sent(outlet)}) == 1
    assert [one.frame_seq for one in sent(outlet) if one.still] == [110, 111, 112, 113, 114]


class WatchedFaces(Faces):
    """Says which frames were decoded."""

    def __init__(self, engine: FakeEngine) -> None:
        super().__init__(engine, SET, Settings(**WHOLE))
        self.decoded: list[int] = []
        self.second = threading.Event()

    def decode(self, frame: Frame) -> Decoded:
        decoded = super().decode(frame)
        self.decoded.append(frame.seq)
        if frame.seq == 2:
            self.second.set()
        return decoded


class PatientEngine(FakeEngine):
    """Looks at the first frame until the second one is decoded."""

    watched: WatchedFaces
    decoded_at_first_look: Sequence[int] = ()

    def detect(
        self, picture_rgb: Picture, tile_xyxy_px: tuple[int, int, int, int] | None = None
    ) -> list[Detection]:
        if not self.decoded_at_first_look:
            assert self.watched.second.wait(10), "the next frame is not decoded meanwhile"
            self.decoded_at_first_look = list(self.watched.decoded)
        return super().detect(picture_rgb, tile_xyxy_px)


async def test_the_next_frame_is_decoded_meanwhile_and_no_more(outlet: Any) -> None:
    engine = PatientEngine(face_at(160))
    faces = engine.watched = WatchedFaces(engine)
    with ThreadPoolExecutor(1) as decoder, ThreadPoolExecutor(1) as finder:
        worker = LandmarksWorker(Settings(**WHOLE), outlet, faces, finder, decoder)
        await worker.handle([message(seq=seq) for seq in (1, 2, 3, 4)])

    assert sorted(engine.decoded_at_first_look) == [1, 2]
    assert [one.frame_seq for one in sent(outlet)] == [1, 2, 3, 4]
    assert sorted(faces.decoded) == [1, 2, 3, 4]


class NearingFaces(Faces):
    """The only face of frame n has the n-th distance between its eyes."""

    APART_PX = (150, 110, 110, 150, 150, 290, 290, 150)

    def __init__(self) -> None:
        self.engine = FakeEngine(frame_width_px=1280)
        super().__init__(self.engine, SET, Settings(max_faces=1))

    def of(
        self, frame: Frame, resumed: Sequence[Track] = (), decoded: Decoded | None = None
    ) -> list[Landmarks]:
        self.engine.faces = (face_at(640, 480, self.APART_PX[frame.seq]),)
        return super().of(frame, resumed, decoded)


async def test_a_batch_is_answered_as_its_frames_one_by_one(outlet: Any) -> None:
    """Also where a face comes so near that the frame decoded meanwhile is too small or too large for it."""
    jpeg = encode_jpeg(np.full((960, 1280, 3), 90, np.uint8))
    trace = str(TraceContext.new(sampled=False))
    encoded = [
        frame_message.encode(Frame("lobby", n, 10**15 + n * 10**5, (1280, 960), "file", trace, jpeg))
        for n in range(len(NearingFaces.APART_PX))
    ]
    messages = [Message(*one, "mien.frames", 0, n) for n, one in enumerate(encoded)]

    async def answers(batch: int) -> list[Landmarks]:
        outlet.sent.clear()
        with ThreadPoolExecutor(1) as decoder, ThreadPoolExecutor(1) as finder:
            worker = LandmarksWorker(Settings(max_faces=1), outlet, NearingFaces(), finder, decoder)
            for start in range(0, len(messages), batch):
                await worker.handle(messages[start : start + batch])
        return sent(outlet)

    one_by_one = await answers(1)
    shrunk_by = [0.05 / one.quality.sharpness for one in one_by_one]  # what the fake engine makes of it
    assert shrunk_by == pytest.approx([2, 2, 1, 1, 2, 2, 4, 4])
    assert await answers(4) == one_by_one


async def test_a_broken_frame_costs_neither_the_others_nor_the_ids(engine: FakeEngine, outlet: Any) -> None:
    """It is the first of its camera, whose subject another worker left."""
    taken_up = Faces(engine, SET, Settings(**WHOLE))
    left = Frame("lobby", 0, now_us() - 100_000, (320, 240), "live", "", JPEG)
    (before,) = taken_up.of(left)

    class LeftTracks:
        async def take_up(self, frame: Frame, _partition: int) -> Sequence[Track]:
            *_, tracks = tracks_of.pop(frame.camera_id, (0, 0, ()))
            return tracks

        def saw(self, *_: Any) -> None: ...

    tracks_of = {"lobby": taken_up.known(left)}
    with ThreadPoolExecutor(1) as decoder, ThreadPoolExecutor(1) as finder:
        faces = Faces(engine, SET, Settings(**WHOLE))
        hand_over: Any = LeftTracks()
        worker = LandmarksWorker(Settings(**WHOLE), outlet, faces, finder, decoder, hand_over)
        await worker.handle(
            [message(camera_id="door"), message(JPEG[:500], seq=1), message(seq=2), message(seq=3)]
        )

    (dead,) = outlet.refused
    assert dead[1].reason == "corrupt"
    assert [one.frame_seq for one in sent(outlet) if one.camera_id == "lobby"] == [2, 3]
    assert {one.subject_id for one in sent(outlet) if one.camera_id == "lobby"} == {before.subject_id}


@pytest.mark.parametrize("smooth", [False, True])
def test_smoothing_is_a_setting_and_the_tracker_goes_on_with_what_was_measured(
    engine: FakeEngine, smooth: bool
) -> None:
    faces = Faces(engine, SET, Settings(smooth_landmarks=smooth, **WHOLE))
    places = []
    for i in range(20):
        engine.faces = (face_at(160 + 0.4 * (i % 2)),)
        frame = Frame("a", i, i * 100_000, (320, 240), "file", "", JPEG)
        (one,) = faces.of(frame)
        places.append(one.transform.translation_px[0])
        measured = engine.faces[0].box_xyxy_px
        (track,) = faces.known(frame)[2]
        assert np.array_equal(track.box_xyxy_px, measured)
    assert bool(np.ptp(places[-4:]) < 0.25) is smooth
    x0 = one.face.x * 320
    assert bool(abs(x0 - measured[0]) > 0.05) is smooth


def test_a_late_frame_is_not_smoothed(engine: FakeEngine) -> None:
    faces = Faces(engine, SET, Settings(smooth_landmarks=True, **WHOLE))
    for i in range(5):
        faces.of(Frame("a", i, i * 100_000, (320, 240), "file", "", JPEG))
    before = dict(faces._cameras["a", 0].smoothed)
    engine.faces = (face_at(164),)
    (late,) = faces.of(Frame("a", 2, 200_000, (320, 240), "file", "", JPEG))
    assert late.face.x * 320 == pytest.approx(engine.faces[0].box_xyxy_px[0], abs=1e-3)
    assert faces._cameras["a", 0].smoothed == before
