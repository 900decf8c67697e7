"""The reading thread: its slot, numbers and times of pictures, pace, and cameras that are lost."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from prometheus_client import REGISTRY

from models.arrays import Picture
from models.faces.jpeg_passthrough import Jpeg
from models.faces.pictures import encode_jpeg
from streams import metrics
from streams.errors import BadPicture, SettingsInvalid, SourceLost, SourceNotFound
from streams.health import Health
from streams.settings import Settings
from workers.camera.reading_thread import READY_MAX, CameraOptions, Captured, Outcomes, Reader, Slot

PICTURE = np.full((48, 64, 3), 90, np.uint8)
BEGAN_US = 1_764_000_000_000_000
WAIT_S = 10.0  # only ever reached by a test that fails
READY = Jpeg(encode_jpeg(PICTURE), (64, 48))


def captured(seq: int, picture: Picture | Jpeg = PICTURE) -> Captured:
    return Captured(seq, 1_764_000_000_000_000 + seq, picture)


class FakeSource:
    """Gives what the script says, one step a read: a picture, None for the end, or an error to raise."""

    fps = None
    at_s: float | None = None

    def __init__(self, *script: Picture | Exception | None, live: bool = True) -> None:
        self.live = live
        self.closed = False
        self._script = list(script)

    def read(self) -> Picture | None:
        step = self._script.pop(0) if self._script else None
        if isinstance(step, Exception):
            raise step
        return step

    def close(self) -> None:
        self.closed = True


class ListSlot:
    """Stands for the slot: keeps all that is put."""

    def __init__(self, on_put: Callable[[Captured], None] = lambda _: None) -> None:
        self.items: list[Captured] = []
        self.waited: list[bool] = []
        self.closed = False
        self._on_put = on_put

    def put(self, item: Captured, *, wait: bool) -> bool:
        self.items.append(item)
        self.waited.append(wait)
        self._on_put(item)
        return False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def health() -> Health:
    return Health("kafka", "source")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.camera.reading_thread.RECONNECT_BASE_S", 0.0)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, health: Health) -> Callable[..., Reader]:
    """Runs a reader to its end over sources (or errors of opening) that are opened one after the other."""

    def read(*sources: FakeSource | Exception, slot: Any, options: CameraOptions | None = None) -> Reader:
        options = options or CameraOptions("reader", "fake:")
        left = list(sources)

        def open_source(*_: object, **__: object) -> FakeSource:
            if not left:
                reader.stop()
                return FakeSource()
            if isinstance(source := left.pop(0), Exception):
                raise source
            return source

        monkeypatch.setattr("workers.camera.reading_thread.open_source", open_source)
        reader = Reader(Settings(), options, slot, health, Outcomes(options.camera_id), BEGAN_US)
        reader.start()
        reader.join(WAIT_S)
        assert not reader.is_alive()
        return reader

    return read


def up(camera_id: str = "reader") -> float:
    return metrics.camera_up.labels(camera_id)._value.get()


# The slot


async def test_the_newest_picture_supersedes_one_that_was_not_taken() -> None:
    slot = Slot(asyncio.get_running_loop())

    assert [slot.put(captured(seq), wait=False) for seq in (1, 2, 3)] == [False, True, True]
    assert await slot.take() == [captured(3)]
    assert slot.put(captured(4), wait=False) is False


async def test_a_lossless_put_waits_until_the_slot_is_free() -> None:
    slot = Slot(asyncio.get_running_loop())
    superseded: list[bool] = []

    def put_all() -> None:
        superseded.extend(slot.put(captured(seq), wait=True) for seq in range(20))
        slot.close()

    thread = threading.Thread(target=put_all, daemon=True)
    thread.start()
    taken = []
    while items := await asyncio.wait_for(slot.take(), WAIT_S):
        assert len(items) == 1
        taken.append(items[0].seq)
    thread.join(WAIT_S)

    assert taken == list(range(20))
    assert superseded == [False] * 20


async def test_a_few_ready_jpegs_wait_together_but_no_more() -> None:
    slot = Slot(asyncio.get_running_loop())

    def put_all() -> None:
        for seq in range(READY_MAX + 3):
            slot.put(captured(seq, READY), wait=True)
        slot.close()

    thread = threading.Thread(target=put_all, daemon=True)
    thread.start()
    async with asyncio.timeout(WAIT_S):
        while len(slot._items) < READY_MAX:
            await asyncio.sleep(0.001)
    assert thread.is_alive()  # it waits: three more do not fit
    taken = [[item.seq for item in items] for items in [await slot.take() for _ in range(1)]]
    assert taken == [list(range(READY_MAX))]
    rest: list[int] = []
    while items := await asyncio.wait_for(slot.take(), WAIT_S):
        rest += [item.seq for item in items]
    assert rest == [READY_MAX, READY_MAX + 1, READY_MAX + 2]


async def test_take_waits_for_a_picture() -> None:
    slot = Slot(asyncio.get_running_loop())
    taking = asyncio.ensure_future(slot.take())
    await asyncio.sleep(0)  # it begins, and waits
    assert not taking.done()
    await asyncio.to_thread(slot.put, captured(1), wait=False)

    assert await asyncio.wait_for(taking, WAIT_S) == [captured(1)]


async def test_what_is_in_the_slot_can_be_taken_after_its_close_and_then_none_for_ever() -> None:
    slot = Slot(asyncio.get_running_loop())
    slot.put(captured(1), wait=False)
    slot.close()

    assert [await asyncio.wait_for(slot.take(), WAIT_S) for _ in range(3)] == [[captured(1)], [], []]


async def test_close_frees_a_thread_that_waits() -> None:
    slot = Slot(asyncio.get_running_loop())
    slot.put(captured(1), wait=True)
    thread = threading.Thread(target=slot.put, args=(captured(2),), kwargs={"wait": True})
    thread.start()
    slot.close()
    thread.join(WAIT_S)

    assert not thread.is_alive()


# The reader


def test_pictures_come_in_order_and_numbered_and_time_stamped_after_the_read(
    read: Callable[..., Reader],
) -> None:
    slot = ListSlot()
    before_us = time.time_ns() // 1000
    reader = read(
        FakeSource(*[PICTURE] * 4, None), slot=slot, options=CameraOptions("reader", "", first_seq=100)
    )

    assert [item.seq for item in slot.items] == [100, 101, 102, 103]
    times = [item.captured_at_us for item in slot.items]
    assert times == sorted(times)
    assert before_us <= times[0] <= times[-1] <= time.time_ns() // 1000
    assert slot.closed
    assert reader.failure is None


def test_the_time_is_taken_after_a_read_that_blocked(read: Callable[..., Reader]) -> None:
    returned_us: list[int] = []

    class Blocking(FakeSource):
        def read(self) -> Picture | None:
            picture = super().read()
            returned_us.append(time.time_ns() // 1000)
            return picture

    slot = ListSlot()
    read(Blocking(PICTURE, None), slot=slot)

    assert slot.items[0].captured_at_us >= returned_us[0]


def test_a_live_camera_starts_with_the_clock_so_that_its_numbers_grow_over_restarts(
    read: Callable[..., Reader],
) -> None:
    slot = ListSlot()
    read(FakeSource(PICTURE, None), slot=slot)

    assert slot.items[0].seq == BEGAN_US // 1000


@pytest.mark.parametrize(("first_seq", "starts_with"), [(None, 0), (0, 0), (7, 7)])
def test_a_lossless_file_starts_with_0_and_waits_for_the_slot(
    read: Callable[..., Reader], first_seq: int | None, starts_with: int
) -> None:
    slot = ListSlot()
    options = CameraOptions("reader", "", lossless=True, as_fast_as_possible=True, first_seq=first_seq)
    read(FakeSource(PICTURE, PICTURE, None, live=False), slot=slot, options=options)

    assert [item.seq for item in slot.items] == [starts_with, starts_with + 1]
    assert slot.waited == [True, True]


def test_a_live_camera_never_waits_for_the_slot(read: Callable[..., Reader]) -> None:
    slot = ListSlot()
    read(FakeSource(PICTURE, None), slot=slot)

    assert slot.waited == [False]


def test_a_lost_camera_is_opened_again_and_its_numbers_go_on(
    read: Callable[..., Reader], health: Health
) -> None:
    states: list[tuple[int, float, bool]] = []
    slot = ListSlot(lambda item: states.append((item.seq, up(), "source" in health.not_ready)))
    at_opening: list[tuple[float, bool]] = []

    class Seen(FakeSource):
        def read(self) -> Picture | None:
            at_opening.append((up(), "source" in health.not_ready))
            return super().read()

    reconnects = metrics.camera_reconnects_total.labels("reader")
    before = reconnects._value.get()
    first = Seen(PICTURE, SourceLost("stopped"))
    second = Seen(PICTURE, None)
    reader = read(first, second, slot=slot, options=CameraOptions("reader", "", first_seq=0))

    assert states == [(0, 1, False), (1, 1, False)]
    # Before the first picture; after it; after the loss, before the camera has proved itself; at the end.
    assert at_opening == [(0, True), (1, False), (0, True), (1, False)]
    assert first.closed
    assert second.closed
    assert reconnects._value.get() == before + 1
    assert reader.failure is None
    assert up() == 0


def test_a_camera_that_cannot_be_opened_again_is_tried_on(read: Callable[..., Reader]) -> None:
    slot = ListSlot()
    reader = read(
        FakeSource(PICTURE, SourceLost("stopped")),
        SourceLost("no answer"),
        SourceNotFound("unplugged"),
        FakeSource(PICTURE, None),
        slot=slot,
    )

    assert len(slot.items) == 2
    assert reader.failure is None


def test_a_stream_that_does_not_answer_at_first_is_waited_for(read: Callable[..., Reader]) -> None:
    slot = ListSlot()
    reader = read(SourceLost("no answer"), FakeSource(PICTURE, None), slot=slot)

    assert len(slot.items) == 1
    assert reader.failure is None


def test_a_source_that_never_was_there_ends_the_camera(read: Callable[..., Reader]) -> None:
    slot = ListSlot()
    reader = read(SourceNotFound("no such file"), slot=slot)

    assert isinstance(reader.failure, SourceNotFound)
    assert slot.closed


def test_a_bug_in_reading_is_not_taken_for_the_end(read: Callable[..., Reader]) -> None:
    slot = ListSlot()
    reader = read(FakeSource(PICTURE, RuntimeError("a bug")), slot=slot)

    assert isinstance(reader.failure, RuntimeError)
    assert slot.closed
    assert up() == 0


def test_a_bad_picture_is_counted_and_skipped(read: Callable[..., Reader]) -> None:
    slot = ListSlot()
    counter = metrics.frames_total.labels("camera", "reader", "corrupt")
    before = counter._value.get()
    read(
        FakeSource(PICTURE, BadPicture("broken", reason="corrupt"), PICTURE, None),
        slot=slot,
        options=CameraOptions("reader", "", first_seq=0),
    )

    assert [item.seq for item in slot.items] == [0, 2]  # a number is the place in the source
    assert counter._value.get() == before + 1


def test_waiting_for_a_lost_camera_ends_with_stop(monkeypatch: pytest.MonkeyPatch, health: Health) -> None:
    monkeypatch.setattr("workers.camera.reading_thread.backoff_s", lambda *_: iter([3600.0]))
    opened = threading.Event()

    def open_source(*_: object, **__: object) -> FakeSource:
        opened.set()
        raise SourceLost("no answer")

    monkeypatch.setattr("workers.camera.reading_thread.open_source", open_source)
    reader = Reader(Settings(), CameraOptions("reader", ""), ListSlot(), health, Outcomes("reader"), BEGAN_US)
    reader.start()
    assert opened.wait(WAIT_S)
    reader.stop()
    reader.join(WAIT_S)

    assert not reader.is_alive()
    assert reader.failure is None


class Clock:
    """Stands for ``time`` in the reader: sleeping moves it."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def time_ns(self) -> int:
        return int(self.now_s * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr("workers.camera.reading_thread.time", clock)
    real_wait = threading.Event.wait

    def wait(event: threading.Event, timeout: float | None = None) -> bool:
        if isinstance(threading.current_thread(), Reader) and timeout is not None:
            clock.now_s += timeout
            return event.is_set()
        return real_wait(event, timeout)

    monkeypatch.setattr(threading.Event, "wait", wait)
    return clock


@pytest.mark.parametrize(("camera_fps", "wanted_fps", "expected"), [(30, 10, 20), (30, 30, 60), (30, 60, 60)])
def test_fps_limits_a_live_camera_by_skipping(
    read: Callable[..., Reader], clock: Clock, camera_fps: int, wanted_fps: int, expected: int
) -> None:
    class Ticking(FakeSource):
        def read(self) -> Picture | None:
            clock.now_s += 1 / camera_fps
            return super().read()

    slot = ListSlot()
    n = 2 * camera_fps
    read(
        Ticking(*[PICTURE] * n, None),
        slot=slot,
        options=CameraOptions("reader", "", fps=wanted_fps, first_seq=0),
    )

    assert len(slot.items) == pytest.approx(expected, abs=1)
    assert [item.seq for item in slot.items] == list(range(len(slot.items)))  # skipped ones take no number


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("own_fps", "wanted_fps", "interval_s"), [(None, None, 0.1), (25.0, None, 0.04), (25.0, 5.0, 0.2)]
)
def test_a_file_is_read_at_its_pace_and_no_frame_is_skipped(
    read: Callable[..., Reader],
    own_fps: float | None,
    wanted_fps: float | None,
    interval_s: float,
) -> None:
    source = FakeSource(*[PICTURE] * 11, None, live=False)
    source.fps = own_fps
    slot = ListSlot()
    read(source, slot=slot, options=CameraOptions("reader", "", fps=wanted_fps))

    assert len(slot.items) == 11
    took_s = (slot.items[-1].captured_at_us - slot.items[0].captured_at_us) / 1e6
    assert took_s == pytest.approx(10 * interval_s, rel=0.01)


class Timed(FakeSource):
    """A file of variable rate, whose reader is held up before one of its pictures."""

    TIMES_S = (0.0, 0.1, 2.5, 2.6, 2.55)

    def __init__(self, clock: Clock, *, times: bool) -> None:
        super().__init__(*[PICTURE] * len(self.TIMES_S), None, live=False)
        self.fps = 25.0
        self._clock, self._times, self._n = clock, times, 0

    def read(self) -> Picture | None:
        if self._n == 2:
            self._clock.now_s += 3.0
        if self._times and self._n < len(self.TIMES_S):
            self.at_s = self.TIMES_S[self._n]
        self._n += 1
        return super().read()


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(
    ("times", "fps", "expected_s"),
    [
        pytest.param(True, None, [0, 0.1, 2.5, 2.6, 2.6], id="its own times, which never go back"),
        pytest.param(False, None, [0, 0.04, 0.08, 0.12, 0.16], id="its own rate"),
        pytest.param(True, 5.0, [0, 0.1, 2.5, 2.6, 2.6], id="its own, whatever rate was asked for"),
        pytest.param(False, 5.0, [0, 0.2, 0.4, 0.6, 0.8], id="of no times, the rate that was asked for"),
    ],
)
def test_a_lossless_files_times_are_those_of_the_file_however_long_it_waits(
    read: Callable[..., Reader],
    clock: Clock,
    times: bool,
    fps: float | None,
    expected_s: list[float],
    fast: bool,
) -> None:
    slot = ListSlot()
    options = CameraOptions("reader", "", fps=fps, lossless=True, as_fast_as_possible=fast, first_seq=100)
    read(Timed(clock, times=times), slot=slot, options=options)

    assert [(item.captured_at_us - BEGAN_US) / 1e6 for item in slot.items] == expected_s


def test_a_bad_picture_of_a_folder_keeps_its_time(read: Callable[..., Reader]) -> None:
    slot = ListSlot()
    source = FakeSource(PICTURE, BadPicture("torn", reason="corrupt"), PICTURE, None, live=False)
    read(source, slot=slot, options=CameraOptions("reader", "", lossless=True, as_fast_as_possible=True))

    assert [(item.seq, item.captured_at_us - BEGAN_US) for item in slot.items] == [(0, 0), (2, 200_000)]


def test_as_fast_as_possible_does_not_wait(read: Callable[..., Reader], clock: Clock) -> None:
    slot = ListSlot()
    options = CameraOptions("reader", "", lossless=True, as_fast_as_possible=True)
    read(FakeSource(*[PICTURE] * 100, None, live=False), slot=slot, options=options)

    assert len(slot.items) == 100
    assert clock.now_s == 1000.0


def test_lossless_is_not_for_a_live_camera(read: Callable[..., Reader]) -> None:
    source = FakeSource(PICTURE)
    reader = read(source, slot=ListSlot(), options=CameraOptions("reader", "rtsp://ann:pw@x/", lossless=True))

    assert isinstance(reader.failure, SettingsInvalid)
    assert "--lossless is for files" in str(reader.failure)
    assert "pw" not in str(reader.failure)
    assert source.closed


class Playing(FakeSource):
    """A file whose pictures have times."""

    def __init__(self, times_s: list[float]) -> None:
        super().__init__(*[PICTURE] * len(times_s), None, live=False)
        self.fps = 25.0
        self._left_s = times_s

    def read(self) -> Picture | None:
        self.at_s = self._left_s.pop(0) if self._left_s else self.at_s
        return super().read()


@pytest.mark.usefixtures("clock")
def test_a_file_plays_by_its_own_times_and_a_lower_rate_skips_frames(read: Callable[..., Reader]) -> None:
    """It took 9 s with --fps 10: slow motion."""
    slot = ListSlot()
    reader = read(
        Playing([n / 25 for n in range(90)]),
        slot=slot,
        options=CameraOptions("reader", "", fps=10, first_seq=0),
    )

    took_s = (slot.items[-1].captured_at_us - slot.items[0].captured_at_us) / 1e6
    assert took_s == pytest.approx(3.56, abs=0.1)
    assert len(slot.items) == pytest.approx(36, abs=1)
    assert reader._outcomes.counts["skipped"] == 90 - len(slot.items)


@pytest.mark.usefixtures("clock")
def test_a_file_of_variable_rate_plays_at_that_rate(read: Callable[..., Reader]) -> None:
    times_s = [0, 0.04, 1.5, 1.6, 4.0]
    slot = ListSlot()
    read(Playing(list(times_s)), slot=slot, options=CameraOptions("reader", ""))

    began_us = slot.items[0].captured_at_us
    assert [(item.captured_at_us - began_us) / 1e6 for item in slot.items] == pytest.approx(times_s, abs=1e-3)


# A camera that hangs


class Filming(FakeSource):
    """A live camera of ten pictures a second, whose clock runs."""

    def __init__(self, clock: Clock, *script: Picture | Exception | None) -> None:
        super().__init__(*script)
        self._clock = clock
        self.up_before: list[float] = []

    def read(self) -> Picture | None:
        self.up_before.append(up())
        self._clock.now_s += 0.1
        return super().read()


def other(n: int) -> Picture:
    return np.full((48, 64, 3), n, np.uint8)


def test_a_camera_that_sends_the_same_picture_for_ever_is_not_up(
    read: Callable[..., Reader], clock: Clock, health: Health
) -> None:
    limit_s = Settings().camera_frozen_s
    n = round(limit_s * 10) + 50
    slot = ListSlot()
    source = Filming(clock, *[PICTURE] * n, SourceLost("off"))
    states: list[tuple[float, bool]] = []
    unchanged: list[Any] = []

    class After(FakeSource):
        def read(self) -> Picture | None:
            states.append((up(), "source" in health.not_ready))
            unchanged.append(REGISTRY.get_sample_value("mien_camera_unchanged_seconds", {"camera": "reader"}))
            return super().read()

    reader = read(source, After(PICTURE, other(7), None), slot=slot, options=CameraOptions("reader", ""))

    assert source.up_before[1] == 1
    assert source.up_before[-1] == 0
    assert unchanged[:2] == pytest.approx([limit_s + 5] * 2, abs=0.3)
    assert unchanged[2] < 0.3
    assert states[0] == (0, True)
    assert states[1] == (0, True)  # opened again, it sends what it sent before
    assert states[2] == (1, False)
    assert reader._outcomes.counts["frozen"] == pytest.approx(51, abs=2)
    assert len(slot.items) == n + 2 - reader._outcomes.counts["frozen"]
