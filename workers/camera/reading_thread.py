"""Reads a source in a thread, at its pace, and hands each picture over to the event loop."""

import asyncio
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from typing import NamedTuple

from models.faces.jpeg_passthrough import Jpeg, JpegLimits
from models.faces.pictures import PictureRefused
from streams import logs, metrics
from streams.backoff import backoff_s
from streams.errors import BadPicture, SettingsInvalid, SourceLost, SourceNotFound
from streams.health import Health
from streams.messages.frame_message import Priority
from streams.redact_url import redact_url
from streams.settings import Settings
from workers.camera.file_sources import FILE_FPS
from workers.camera.pace import Playback, Thinning
from workers.camera.picture_changes import PictureChanges
from workers.camera.sources import Source, open_source
from workers.camera.video_picture import Shot, luma
from workers.truth.small_grey import WIDTH_PX
from workers.truth.truth_watch import TruthWatch

NAME = "camera"
RECONNECT_BASE_S, RECONNECT_CAP_S = 0.5, 30.0
READY_MAX = 16
"""Ready JPEGs of a lossless file that wait at once; of decoded pictures, which are much larger, one."""

log = logs.get("mien.camera")


class CameraOptions(NamedTuple):
    """What `mien camera` was asked for; its ``--help`` says what each means."""

    camera_id: str
    source: str
    fps: float | None = None
    width_px: int = 1280
    jpeg_quality: int = 85
    lossless: bool = False
    as_fast_as_possible: bool = False
    repeat: bool = False
    first_seq: int | None = None
    seed: int = 0
    keyframes: bool = False
    hardware: str | None = None
    priority: Priority = "normal"


class Captured(NamedTuple):
    """A picture, its number, and when it was there (of a lossless file: when its place in the file is)."""

    seq: int
    captured_at_us: int
    picture: Shot


class Outcomes:
    """Counts frames by what became of them, in the metrics and for the summary at the end."""

    def __init__(self, camera_id: str) -> None:
        self._camera_id = camera_id
        self.counts: Counter[str] = Counter()

    def add(self, outcome: str) -> None:
        metrics.frames_total.labels(NAME, self._camera_id, outcome).inc()
        self.counts[outcome] += 1


class Slot:
    """The place for pictures between the reading thread and the event loop: one, or a few that wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._changed = threading.Condition()
        self._arrived = asyncio.Event()
        self._items: list[Captured] = []
        self._closed = False

    def put(self, item: Captured, *, wait: bool) -> bool:
        """Called by the thread: puts a picture there.

        At once, and True if that cost an older one; with ``wait`` when there is room.
        """
        room = READY_MAX if isinstance(item.picture, Jpeg) else 1
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: len(self._items) < room or self._closed)
                superseded = False
            else:
                superseded = bool(self._items)
                self._items.clear()
            self._items.append(item)
            first = len(self._items) == 1
        if first:
            self._wake()
        return superseded

    def close(self) -> None:
        """No more will come. What is in the slot can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._wake()

    async def take(self) -> list[Captured]:
        """Called by the event loop: takes all that is there, in order; nothing after the last one."""
        while True:
            await self._arrived.wait()
            with self._changed:
                items, self._items = self._items, []
                if not self._closed:
                    self._arrived.clear()
                self._changed.notify_all()
                if items or self._closed:
                    return items

    def _wake(self) -> None:
        self._loop.call_soon_threadsafe(self._arrived.set)


class Reader(threading.Thread):
    """Reads the source, at its pace, into the slot; opens it again when it is lost."""

    def __init__(
        self,
        settings: Settings,
        options: CameraOptions,
        slot: Slot,
        health: Health,
        outcomes: Outcomes,
        began_us: int,
    ) -> None:
        """``began_us`` is when this run of the camera began, µs since the epoch."""
        super().__init__(name="reader", daemon=True)
        self._settings = settings
        self._options = options
        self._slot = slot
        self._health = health
        self._stopped = threading.Event()
        self._outcomes = outcomes
        self._up = metrics.camera_up.labels(options.camera_id)
        self._pauses_s = backoff_s(RECONNECT_BASE_S, RECONNECT_CAP_S)
        self.failure: Exception | None = None
        self._began_us = began_us
        # A live camera starts with the clock, for consumers that know no runs: over restarts its numbers
        # grow. A lossless file starts with 0, so that a number is a frame's place in the file.
        self._first_seq = (
            options.first_seq
            if options.first_seq is not None
            else 0
            if options.lossless
            else began_us // 1000
        )
        self._seq = self._first_seq
        self._file_us = 0
        self._changes = PictureChanges()
        self.truth = TruthWatch(settings.camera_frozen_s)
        """What is true of a live camera; of a file nothing is."""
        self._frozen = False

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        try:
            self._read_and_reconnect()
        except Exception as exc:  # noqa: BLE001  a bug must not look like the end of the source
            self.failure = exc
        finally:
            self._up.set(0)
            self._slot.close()

    def _read_and_reconnect(self) -> None:
        was_open = False
        while not self._stopped.is_set():
            try:
                source = self._open()
                was_open = True
                with closing(source):
                    self._read(source)
            except (SourceLost, SourceNotFound) as exc:
                if isinstance(exc, SourceNotFound) and not was_open:
                    raise
                pause_s = next(self._pauses_s)
                log.warning(
                    "camera lost",
                    camera=self._options.camera_id,
                    error=str(exc),
                    again_in_s=round(pause_s, 1),
                )
                self._up.set(0)
                self._health.set_unready("source")
                self.truth.lost()
                metrics.camera_reconnects_total.labels(self._options.camera_id).inc()
                self._stopped.wait(pause_s)
            else:
                return

    def _open(self) -> Source:
        options = self._options
        source = open_source(
            options.source,
            fps=options.fps,
            loop=options.repeat,
            seed=options.seed,
            keyframes=options.keyframes,
            hardware=options.hardware,
            max_pixels=self._settings.max_frame_pixels,
            ready=JpegLimits(
                max_bytes=self._settings.max_frame_bytes,
                max_pixels=self._settings.max_frame_pixels,
                max_width_px=options.width_px,
            ),
        )
        if source.live and options.lossless:
            source.close()
            raise SettingsInvalid(f"--lossless is for files; {redact_url(options.source)} is a live camera")
        return source

    def _read(self, source: Source) -> None:
        options = self._options
        paced = not (source.live or options.as_fast_as_possible)
        interval_s = 1 / (options.fps or source.fps or FILE_FPS)
        thinning = Thinning(None if options.lossless else options.fps)
        playback = Playback()
        if source.live:
            metrics.camera_unchanged_seconds.labels(options.camera_id).set_function(
                lambda: self._changes.unchanged_s(time.monotonic())
            )
        while not self._stopped.is_set():
            try:
                with metrics.stage_duration_seconds.labels(NAME, "read").time():
                    picture = source.read()
            except BadPicture as exc:
                log.warning("picture refused", camera=options.camera_id, reason=exc.reason, error=str(exc))
                self._outcomes.add(exc.reason)
                self._seq += 1  # a number is a frame's place in the source
                continue
            if picture is None:
                return
            now_s = time.monotonic()
            file_us = 0 if source.live else self._in_file_us(source, interval_s)
            if not thinning.takes(now_s if source.live else file_us / 1e6):
                self._outcomes.add("skipped")
                continue
            if paced:  # a live source keeps its own pace
                self._stopped.wait(playback.wait_s(file_us / 1e6, now_s))
            captured_at_us = self._began_us + file_us if options.lossless else time.time_ns() // 1000
            if source.live:
                self._look(picture, now_s)
            if source.live and self._is_frozen(now_s):
                self._outcomes.add("frozen")
                continue
            if "source" in self._health.not_ready:
                self._up.set(1)
                self._health.set_ready("source")
                # Only a picture proves that the camera is back.
                self._pauses_s = backoff_s(RECONNECT_BASE_S, RECONNECT_CAP_S)
            if self._slot.put(Captured(self._seq, captured_at_us, picture), wait=options.lossless):
                self._outcomes.add("superseded")
            self._seq += 1

    def _look(self, picture: Shot, now_s: float) -> None:
        """Notes what the picture says of the camera."""
        self._changes.see(picture, now_s)
        with suppress(PictureRefused):  # whoever works on the frame tells
            unchanged_s, seldom = self._changes.unchanged_s(now_s), isinstance(picture, Jpeg)
            self.truth.look(lambda: luma(picture, WIDTH_PX), unchanged_s, seldom=seldom)

    def _is_frozen(self, now_s: float) -> bool:
        """Whether the camera has sent nothing new for too long: then it is not up, whatever it sends."""
        limit_s = self._settings.camera_frozen_s
        unchanged_s = self._changes.unchanged_s(now_s)
        frozen = 0 < limit_s <= unchanged_s
        if frozen and not self._frozen:
            log.warning(
                "camera frozen: it sends the same picture again and again",
                camera=self._options.camera_id,
                unchanged_s=round(unchanged_s, 1),
            )
            self._up.set(0)
            self._health.set_unready("source")
        elif self._frozen and not frozen:
            log.info("camera no longer frozen", camera=self._options.camera_id)
        self._frozen = frozen
        return frozen

    def _in_file_us(self, source: Source, interval_s: float) -> int:
        """When the picture just read is to be shown, since the file's first one; it never goes back.

        So however long the file waits for the workers, times, speeds and windows are those of the file.
        """
        own_s = source.at_s
        at_s = (self._seq - self._first_seq) * interval_s if own_s is None else own_s
        self._file_us = max(self._file_us, round(at_s * 1e6))
        return self._file_us
