"""`mien landmarks`: frames in, one 128-point vector a face out.

For each frame: too old, or left out under load (``thinning``)? → decode → find and follow faces → align →
measure pose and quality → send. Where a camera's faces are is handed over to the next worker that gets its
partition (``track_hand_over``).

Three threads: one finds faces, one decodes the next frame of the batch meanwhile (both mostly outside
Python's lock), and the event loop sends the faces of the last ones.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from models.arrays import Picture
from models.emotion.stillness import StillWatch
from models.faces import align, quality
from models.faces.engine import FaceEngine, box_xyxy_px
from models.faces.face_search import SearchPace
from models.faces.head_pose import pose_deg
from models.faces.landmark_set import LandmarkSet
from models.faces.landmark_smoothing import Smoothed, smooth
from models.faces.pictures import PictureRefused, decode_jpeg, jpeg_size_px
from models.faces.tracking import CameraTracker, Track, TrackedFace, shrink_of_next, track
from streams import logs, metrics
from streams.camera_runs import CameraRuns
from streams.errors import BadPicture, InputRefused
from streams.messages import frame_message, landmarks_message
from streams.messages.frame_message import Frame
from streams.messages.landmarks_message import FaceBox, Landmarks, PictureSize, Pose, Quality, Transform
from streams.settings import Settings
from streams.store.camera_track_store import CameraTracksStore
from streams.telemetry import tracing
from streams.telemetry.spans import Span, frame_attributes
from streams.telemetry.trace_context import sampled_trace_id
from workers import model_loading
from workers.overload.thinning import Thinner
from workers.stages import stage
from workers.stages.handler import Handler, Message, Note
from workers.stages.outlet import Outlet
from workers.stages.track_hand_over import HandOver

log = logs.get("mien.stage")

NAME = "landmarks"
BATCH_MAX = 5
"""Frames in hand at once: enough to overlap deliveries, few enough to stay fresh and to hold in memory."""
SENT_TOGETHER = 3
"""Frames whose faces go to Kafka in one request, which costs about as much for one as for all."""
EVICT_AFTER_S = 60.0
"""A camera's run of which no frame came for so long, by this machine's clock, is forgotten."""


def run(settings: Settings) -> None:
    """Runs the stage until it is told to stop."""
    if settings.frames == "none":
        log.warning("MIEN_FRAMES=none concerns cameras: this stage reads the frames of those without it")
    stage.run(
        settings,
        NAME,
        settings.topics.frames,
        partial(open_handler, settings),
        batch_max=BATCH_MAX,
    )


@asynccontextmanager
async def open_handler(settings: Settings, outlet: Outlet) -> AsyncIterator[Handler]:
    """Loads the face networks, starts the two threads, and gives the handler."""
    landmark_set = model_loading.load_landmark_set(settings)
    loop = asyncio.get_running_loop()
    async with _hand_over(settings) as hand_over:
        with ThreadPoolExecutor(1, "decode") as decoder, ThreadPoolExecutor(1, "faces") as finder:
            engine = await loop.run_in_executor(finder, model_loading.open_engine)
            faces = Faces(engine, landmark_set, settings)
            try:
                yield LandmarksWorker(settings, outlet, faces, finder, decoder, hand_over)
            finally:
                await loop.run_in_executor(finder, engine.close)


@asynccontextmanager
async def _hand_over(settings: Settings) -> AsyncIterator[HandOver | None]:
    if not settings.hand_over:
        yield None
        return
    async with CameraTracksStore.connect(settings) as store:
        hand_over = HandOver(store)
        async with hand_over.writing():
            yield hand_over


class LandmarksWorker:
    """The stage's handler. Without `hand_over`, another worker's ids are not taken up, nor ours left."""

    def __init__(
        self,
        settings: Settings,
        outlet: Outlet,
        faces: "Faces",
        finder: ThreadPoolExecutor,
        decoder: ThreadPoolExecutor,
        hand_over: HandOver | None = None,
    ) -> None:
        self._settings = settings
        self._outlet = outlet
        self._faces = faces
        self._finder = finder
        self._decoder = decoder
        self._hand_over = hand_over
        self._runs = CameraRuns()
        max_age_us = settings.max_frame_age_ms * 1000
        self._thinning = Thinner(max_age_us, time.monotonic()) if settings.thinning else None

    async def __call__(self, batch: Sequence[Message]) -> None:
        await self.handle(batch)
        if self._thinning:
            self._thinning.worked(time.monotonic())

    def takes(self, message: Message) -> bool:
        """Whether to work on a frame; one that is too old, or left out under load, is counted."""
        try:
            frame = frame_message.decode(message.key, message.value, message.headers)
        except InputRefused:
            return True  # `handle` refuses it
        if self._thinning:
            self._thinning.looks(time.monotonic())
        now_us = time.time_ns() // 1000
        in_view = self._faces.has_in_view(frame)
        if is_stale(frame, now_us, self._settings.max_frame_age_ms):
            outcome = "stale"
        elif self._thinning and not self._thinning.takes(
            frame, message.partition, now_us, face_in_view=in_view
        ):
            outcome = "thinned"
        else:
            return True
        self._runs.note(frame.camera_id, frame.run, frame.seq)
        metrics.frames_total.labels(NAME, frame.camera_id, outcome).inc()
        return False

    async def settle(self) -> None:
        """Leaves the tracks of all cameras to whoever gets their partitions; maybe to us again."""
        if self._hand_over:
            await self._hand_over.settle()

    def note(self, partition: int) -> Note:
        """Where the faces of a partition's cameras are, to be committed with its offset."""
        return self._hand_over.note_of(partition) if self._hand_over else lambda: ""

    def take_notes(self, notes: Collection[str]) -> None:
        """Where they were for who had our partitions before."""
        if self._hand_over:
            self._hand_over.take_notes(notes)

    async def handle(self, batch: Sequence[Message]) -> None:
        """Finds the faces of a batch of frames and sends them.

        The threads get all frames at once: while some frames' faces are sent, they work on the next.
        """
        started: list[tuple[Message, _Work]] = []
        for message in batch:
            try:
                if work := await self._start(message):
                    started.append((message, work))
            except InputRefused as exc:
                await self._outlet.refuse(message, exc)
        self._finder.submit(self._find_all, [work for _, work in started])
        deliveries: list[Awaitable[Any]] = []
        for start in range(0, len(started), SENT_TOGETHER):
            together = started[start : start + SENT_TOGETHER]
            await asyncio.gather(
                *(asyncio.wrap_future(work.found) for _, work in together), return_exceptions=True
            )
            for message, work in together:
                try:
                    deliveries += await self._send(message, work.frame, work.found.result())
                except InputRefused as exc:
                    metrics.frames_total.labels(NAME, work.frame.camera_id, exc.reason).inc()
                    await self._outlet.refuse(message, exc)
        with metrics.stage_duration_seconds.labels(NAME, "deliver").time():
            await asyncio.gather(*deliveries)
        for _, work in started:
            work.span.end()

    async def _start(self, message: Message) -> "_Work | None":
        """The frame with what it needs for the search; None if it is too old by now."""
        frame = frame_message.decode(message.key, message.value, message.headers)
        self._runs.note(frame.camera_id, frame.run, frame.seq)
        if is_stale(frame, time.time_ns() // 1000, self._settings.max_frame_age_ms):
            metrics.frames_total.labels(NAME, frame.camera_id, "stale").inc()
            return None
        about = frame_attributes(frame.camera_id, frame.run, frame.seq)
        span = tracing.go_on(NAME, frame.traceparent, about)
        frame = frame._replace(traceparent=span.traceparent)
        resumed: Sequence[Track] = ()
        if self._hand_over:
            with metrics.stage_duration_seconds.labels(NAME, "hand-over").time():
                resumed = await self._hand_over.take_up(frame, message.partition)
        return _Work(frame, resumed, Future(), span)

    def _find_all(self, works: Sequence["_Work"]) -> None:
        """Finds the faces of one frame after the other, in the finder's thread.

        The next frame is decoded meanwhile, but no more than that: pictures are large.
        """
        following: Future[Decoded] | None = None
        for work, after in zip_longest(works, works[1:]):
            ahead = following
            following = self._decoder.submit(self._faces.decode, after.frame) if after else None
            if not work.found.set_running_or_notify_cancel():
                continue
            try:
                # A picture that cannot be decoded is refused by `of`, after it has taken up the tracks.
                decoded = ahead.result() if ahead and not ahead.exception() else None
                faces = self._faces.of(work.frame, work.resumed, decoded)
                work.found.set_result(_Found(faces, *self._faces.known(work.frame)))
            except Exception as exc:  # noqa: BLE001  whoever waits for the frame gets it
                work.found.set_exception(exc)

    async def _send(self, message: Message, frame: Frame, found: "_Found") -> list[Awaitable[Any]]:
        if self._hand_over:
            self._hand_over.saw(frame, message.partition, found.last_seq, found.last_seen_us, found.tracks)
        outcome = "faces" if found.faces else "no-face"
        metrics.frames_total.labels(NAME, frame.camera_id, outcome).inc()
        metrics.faces_total.labels(frame.camera_id).inc(len(found.faces))
        deliveries = [
            await self._outlet.send(
                self._settings.topics.landmarks, message.key, landmarks_message.encode(face), []
            )
            for face in found.faces
        ]
        trace_id = sampled_trace_id(frame.traceparent)
        metrics.observe_frame_age(NAME, frame.captured_at_us, frame.source, trace_id)
        return deliveries


class _Work(NamedTuple):
    """A frame to find faces in, the tracks that another worker left, and what will come of it."""

    frame: Frame
    resumed: Sequence[Track]
    found: "Future[_Found]"
    span: Span


class _Found(NamedTuple):
    """The faces of one frame, and what the tracker of its run knew after it."""

    faces: list[Landmarks]
    last_seq: int
    last_seen_us: int
    tracks: tuple[Track, ...]


def is_stale(frame: Frame, now_us: int, max_frame_age_ms: int) -> bool:
    """Whether a live frame is too old to be worth decoding. A file's never is."""
    return frame.source == "live" and now_us - frame.captured_at_us > max_frame_age_ms * 1000


class Decoded(NamedTuple):
    """A frame's picture."""

    picture_rgb: Picture
    size_px: tuple[int, int]
    """The frame's width and height …"""
    shrink: int
    """… of which so many px, across and down, are one of the picture."""


class Faces:
    """Frame in, faces as messages out; keeps a small tracker for each run of a camera.

    So a run that was started again begins anew, and two at once do not disturb each other.

    For one thread, and another that decodes frames before their turn.
    """

    def __init__(self, engine: FaceEngine, landmark_set: LandmarkSet, settings: Settings) -> None:
        self._engine = engine
        self._landmark_set = landmark_set
        self._settings = settings
        self._cameras: dict[tuple[str, int], _Camera] = {}  # by id and run

    def decode(self, frame: Frame) -> Decoded:
        """The picture of a frame, as small as the camera's faces allow by what is known of them now.

        Raises:
            BadPicture: if the JPEG is corrupt, too large or none at all.
        """
        camera = self._cameras.get((frame.camera_id, frame.run))
        shrink = shrink_of_next(camera.tracker) if camera else 1
        with metrics.stage_duration_seconds.labels(NAME, "decode").time():
            try:
                size_px = jpeg_size_px(frame.jpeg)
                picture_rgb = decode_jpeg(
                    frame.jpeg,
                    max_bytes=self._settings.max_frame_bytes,
                    max_pixels=self._settings.max_frame_pixels,
                    shrink=shrink,
                )
            except PictureRefused as exc:
                raise BadPicture(
                    f"Frame {frame.seq} of camera {frame.camera_id}: {exc}", reason=exc.reason
                ) from exc
        return Decoded(picture_rgb, size_px, shrink)

    def of(
        self, frame: Frame, resumed: Sequence[Track] = (), decoded: Decoded | None = None
    ) -> list[Landmarks]:
        """The faces of a frame; `resumed` are tracks of its camera that another worker left.

        A picture that was decoded before its turn, for faces that are others by now, is decoded again: what
        is found does not depend on who was faster.

        Raises:
            BadPicture: as `decode`.
        """
        settings = self._settings
        camera = self._camera(frame)
        if resumed:
            camera.resume(resumed, frame)
        if decoded is None or decoded.shrink != shrink_of_next(camera.tracker):
            decoded = self.decode(frame)
        picture_rgb, size_px, shrink = decoded
        with metrics.stage_duration_seconds.labels(NAME, "faces").time():
            tracked = track(
                self._engine,
                camera.tracker,
                picture_rgb,
                frame.seq,
                frame.captured_at_us,
                size_px=size_px,
                shrink=shrink,
            )
            still = camera.still(tracked, frame)
            if settings.smooth_landmarks:
                tracked = camera.smooth(tracked, frame.seq, frame.captured_at_us)
        with metrics.stage_duration_seconds.labels(NAME, "align").time():
            return to_messages(frame, tracked, self._landmark_set, size_px=size_px, still=still)

    def has_in_view(self, frame: Frame) -> bool:
        """Whether a face was in view of the frame's run a moment ago. May be asked from any thread."""
        camera = self._cameras.get((frame.camera_id, frame.run))
        return camera is not None and bool(camera.tracker.tracks)

    def known(self, frame: Frame) -> tuple[int, int, tuple[Track, ...]]:
        """Of the frame's run the newest frame's number and time in µs, and whom its tracker may see again."""
        camera = self._cameras[frame.camera_id, frame.run]
        return camera.tracker.last_seq, camera.tracker.last_seen_us, camera.tracks

    def _camera(self, frame: Frame) -> "_Camera":
        now_s = time.monotonic()
        camera = self._cameras.get((frame.camera_id, frame.run))
        if camera is None:
            oldest_s = now_s - EVICT_AFTER_S
            self._cameras = {which: c for which, c in self._cameras.items() if c.worked_at_s > oldest_s}
            settings = self._settings
            tracker = CameraTracker(
                frame.camera_id,
                frame.run,
                max_faces=settings.max_faces,
                pace=SearchPace(
                    min_face_px=settings.min_face_px,
                    whole_every_us=settings.detect_interval_ms * 1000,
                    sweep_us=settings.sweep_ms * 1000,
                    tiles_max=settings.search_tiles_max,
                    change=settings.search_change,
                ),
            )
            camera = self._cameras[frame.camera_id, frame.run] = _Camera(
                tracker, StillWatch(settings.still_after_s), now_s
            )
        camera.worked_at_s = now_s
        return camera


@dataclass
class _Camera:
    tracker: CameraTracker
    stillness: StillWatch
    worked_at_s: float  # monotonic
    smoothed: dict[str, Smoothed] = field(default_factory=dict)  # of the subjects in its last frame

    @property
    def tracks(self) -> tuple[Track, ...]:
        """As the next worker is to know them."""
        moved_us = self.stillness.moved_us
        return tuple(one._replace(moved_us=moved_us(one.subject_id)) for one in self.tracker.tracks)

    def resume(self, tracks: Sequence[Track], frame: Frame) -> None:
        """Goes on where another worker ended, before a frame."""
        self.tracker.resume(tracks, frame.seq, frame.captured_at_us)
        self.stillness.resume({one.subject_id: one.moved_us for one in tracks if one.moved_us})

    def still(self, tracked: Sequence[TrackedFace], frame: Frame) -> Collection[str]:
        """Whose faces have not moved by themselves for long; in a late frame nobody's."""
        if frame.seq != self.tracker.last_seq:
            return ()
        found = self.stillness.see(
            ((subject_id, face.landmarks_px) for subject_id, face in tracked), frame.captured_at_us
        )
        self.stillness.keep(one.subject_id for one in self.tracker.tracks)
        return found

    def smooth(self, tracked: Sequence[TrackedFace], seq: int, at_us: int) -> list[TrackedFace]:
        """Every face's landmarks drawn towards where they were; the tracker goes on with those measured."""
        if seq != self.tracker.last_seq:
            return list(tracked)  # a late frame
        self.smoothed = {
            subject_id: smooth(self.smoothed.get(subject_id), face.landmarks_px, at_us)
            for subject_id, face in tracked
        }
        return [
            TrackedFace(
                subject_id,
                face._replace(
                    landmarks_px=self.smoothed[subject_id].landmarks_px,
                    box_xyxy_px=box_xyxy_px(self.smoothed[subject_id].landmarks_px),
                ),
            )
            for subject_id, face in tracked
        ]


def to_messages(
    frame: Frame,
    tracked: Sequence[TrackedFace],
    landmark_set: LandmarkSet,
    *,
    size_px: tuple[int, int],
    still: Collection[str] = (),
) -> list[Landmarks]:
    """The tracked faces of a frame as they go to Kafka.

    `size_px` is the frame's width and height, `still` whose faces do not move by themselves.
    """
    if not tracked:
        return []
    width, height = size_px
    alignment = align.align(np.stack([face.landmarks_px for _, face in tracked]))
    poses_deg = pose_deg(alignment.rotation).tolist()
    points = landmark_set.take(alignment.points)
    picture = PictureSize(width, height, max(width, frame.full_width_px))
    whole = np.array([width, height, width, height], np.float32)
    boxes = np.stack([face.box_xyxy_px for _, face in tracked]) / whole
    return [
        Landmarks(
            camera_id=frame.camera_id,
            frame_seq=frame.seq,
            captured_at_us=frame.captured_at_us,
            subject_id=subject_id,
            face=FaceBox(x0, y0, x1 - x0, y1 - y0),
            pose=Pose(*pose_deg),
            quality=Quality(
                quality.inter_ocular_px(face.landmarks_px),
                face.sharpness,
                face.presence,
                quality.visible(face.landmarks_px, size_px),
            ),
            landmark_set=landmark_set.id,
            points=landmarks_message.pack_points(points[place]),
            transform=Transform(
                scale_px=float(alignment.scale[place]),
                rotation=alignment.rotation[place].ravel().tolist(),
                translation_px=alignment.translation_px[place].tolist(),
            ),
            traceparent=frame.traceparent,
            run=frame.run,
            source=frame.source,
            still=subject_id in still,
            picture=picture,
        )
        for place, ((subject_id, face), pose_deg, (x0, y0, x1, y1)) in enumerate(
            zip(tracked, poses_deg, boxes.clip(0, 1).tolist(), strict=True)
        )
    ]
