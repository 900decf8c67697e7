"""`mien landmarks`: frames in, one 128-point vector a face out.

For each frame: too old? → decode → find and follow faces → align → measure pose and quality → send. Where a
camera's faces are is handed over to the next worker that gets its partition (``workers.hand_over``).
Everything that computes runs in one thread beside the event loop.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from models import align, quality
from models.faces import FaceEngine, Picture, box_xyxy_px
from models.landmark_set import LandmarkSet
from models.pictures import PictureRefused, decode_jpeg, jpeg_size_px
from models.search import Pace
from models.smoothing import Smoothed, smooth
from models.tracking import CameraTracker, Track, TrackedFace, shrink_of_next, track
from streams import camera_tracks, frames, landmarks, metrics
from streams.errors import BadPicture, InputRefused
from streams.frames import Frame
from streams.landmarks import FaceBox, Landmarks, Pose, Quality, Transform
from streams.settings import Settings
from workers import loading, stage
from workers.hand_over import HandOver
from workers.messages import Handler, Message, Outlet

NAME = "landmarks"
BATCH_MAX = 4
"""Frames in hand at once: enough to overlap deliveries, few enough to stay fresh."""
SENT_TOGETHER = 2
"""Frames whose faces go to Kafka in one request, which costs about as much for one as for all."""
EVICT_AFTER_US = 60_000_000
"""A camera that was quiet for so long is forgotten."""


def run(settings: Settings) -> None:
    """Runs the stage until it is told to stop."""
    stage.run(
        settings,
        NAME,
        settings.topics.frames,
        partial(open_handler, settings),
        batch_max=BATCH_MAX,
    )


@asynccontextmanager
async def open_handler(settings: Settings, outlet: Outlet) -> AsyncIterator[Handler]:
    from models.mesh import LiteRtEngine  # slow to import, and only this stage needs it

    landmark_set = loading.load_landmark_set(settings)
    loop = asyncio.get_running_loop()
    async with _hand_over(settings) as hand_over:
        with ThreadPoolExecutor(1, thread_name_prefix="faces") as thread:
            engine = await loop.run_in_executor(thread, LiteRtEngine)
            faces = Faces(engine, landmark_set, settings)
            try:
                yield LandmarksWorker(settings, outlet, faces, thread, hand_over).handle
            finally:
                await loop.run_in_executor(thread, engine.close)


@asynccontextmanager
async def _hand_over(settings: Settings) -> AsyncIterator[HandOver | None]:
    if not settings.hand_over:
        yield None
        return
    async with camera_tracks.connect(settings) as store:
        hand_over = HandOver(store)
        keeping = asyncio.ensure_future(hand_over.keep())
        try:
            yield hand_over
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping  # else two writes could overlap, and an error would go unseen
            await hand_over.write()


class LandmarksWorker:
    """The stage's handler. Without `hand_over`, another worker's ids are not taken up, nor ours left."""

    def __init__(
        self,
        settings: Settings,
        outlet: Outlet,
        faces: "Faces",
        thread: ThreadPoolExecutor,
        hand_over: HandOver | None = None,
    ) -> None:
        self._settings = settings
        self._outlet = outlet
        self._faces = faces
        self._thread = thread
        self._hand_over = hand_over

    async def handle(self, batch: Sequence[Message]) -> None:
        """The thread gets all frames at once: while some frames' faces are sent, it works on the next."""
        begun: list[tuple[Message, Frame, Future[_Found]]] = []
        for message in batch:
            try:
                if work := await self._begin(message):
                    begun.append((message, *work))
            except InputRefused as exc:
                await self._outlet.refuse(message, exc)
        deliveries: list[Awaitable[Any]] = []
        for start in range(0, len(begun), SENT_TOGETHER):
            together = begun[start : start + SENT_TOGETHER]
            done = [asyncio.wrap_future(found) for _, _, found in together]
            await asyncio.gather(*done, return_exceptions=True)
            for message, frame, found in together:
                try:
                    deliveries += await self._send(message, frame, found.result())
                except InputRefused as exc:
                    metrics.frames_total.labels(NAME, frame.camera_id, exc.reason).inc()
                    await self._outlet.refuse(message, exc)
        await asyncio.gather(*deliveries)

    async def _begin(self, message: Message) -> "tuple[Frame, Future[_Found]] | None":
        """Hands a frame to the thread; None if it is too old."""
        frame = frames.decode(message.key, message.value, message.headers)
        if is_stale(frame, time.time_ns() // 1000, self._settings.max_frame_age_ms):
            metrics.frames_total.labels(NAME, frame.camera_id, "stale").inc()
            return None
        resumed = await self._hand_over.meet(frame.camera_id) if self._hand_over else ()
        return frame, self._thread.submit(self._find, frame, resumed)

    def _find(self, frame: Frame, resumed: Sequence[Track]) -> "_Found":
        """In the thread."""
        return _Found(self._faces.of(frame, resumed), *self._faces.known(frame.camera_id))

    async def _send(self, message: Message, frame: Frame, found: "_Found") -> list[Awaitable[Any]]:
        if self._hand_over:
            self._hand_over.note(frame.camera_id, found.last_seen_us, found.tracks)
        outcome = "faces" if found.faces else "no-face"
        metrics.frames_total.labels(NAME, frame.camera_id, outcome).inc()
        metrics.faces_total.labels(frame.camera_id).inc(len(found.faces))
        deliveries = [
            await self._outlet.send(self._settings.topics.landmarks, message.key, landmarks.encode(face), [])
            for face in found.faces
        ]
        metrics.observe_frame_age(NAME, frame.captured_at_us)
        return deliveries


class _Found(NamedTuple):
    """Of one frame, and what its camera's tracker knew after it."""

    faces: list[Landmarks]
    last_seen_us: int
    tracks: tuple[Track, ...]


def is_stale(frame: Frame, now_us: int, max_frame_age_ms: int) -> bool:
    """Whether a live frame is too old to be worth decoding. A file's never is."""
    return frame.source == "live" and now_us - frame.captured_at_us > max_frame_age_ms * 1000


class Faces:
    """Frame in, faces as messages out; keeps a small tracker for each camera. For one thread."""

    def __init__(self, engine: FaceEngine, landmark_set: LandmarkSet, settings: Settings) -> None:
        self._engine = engine
        self._landmark_set = landmark_set
        self._settings = settings
        self._cameras: dict[str, _Camera] = {}

    def of(self, frame: Frame, resumed: Sequence[Track] = ()) -> list[Landmarks]:
        """The faces of a frame; `resumed` are tracks of its camera that another worker left.

        Raises:
            BadPicture: if the JPEG is corrupt, too large or none at all.
        """
        settings = self._settings
        camera = self._camera(frame)
        if resumed:
            camera.tracker.resume(resumed, frame.captured_at_us)
        shrink = shrink_of_next(camera.tracker)
        with metrics.stage_duration_seconds.labels(NAME, "decode").time():
            try:
                size_px = jpeg_size_px(frame.jpeg)
                picture = decode_jpeg(
                    frame.jpeg,
                    max_bytes=settings.max_frame_bytes,
                    max_pixels=settings.max_frame_pixels,
                    shrink=shrink,
                )
            except PictureRefused as exc:
                raise BadPicture(
                    f"Frame {frame.seq} of camera {frame.camera_id}: {exc}", reason=exc.reason
                ) from exc
        with metrics.stage_duration_seconds.labels(NAME, "faces").time():
            tracked = track(
                self._engine, camera.tracker, picture, frame.captured_at_us, size_px=size_px, shrink=shrink
            )
            if settings.smooth_landmarks:
                tracked = camera.smooth(tracked, frame.captured_at_us)
        with metrics.stage_duration_seconds.labels(NAME, "align").time():
            return [
                to_message(frame, picture, face, self._landmark_set, size_px=size_px, shrink=shrink)
                for face in tracked
            ]

    def known(self, camera_id: str) -> tuple[int, tuple[Track, ...]]:
        """The newest frame's time in µs, and whom the camera's tracker may see again."""
        tracker = self._cameras[camera_id].tracker
        return tracker.last_seen_us, tracker.tracks

    def _camera(self, frame: Frame) -> "_Camera":
        camera = self._cameras.get(frame.camera_id)
        if camera is None:
            oldest_us = frame.captured_at_us - EVICT_AFTER_US
            self._cameras = {id_: c for id_, c in self._cameras.items() if c.tracker.last_seen_us > oldest_us}
            settings = self._settings
            tracker = CameraTracker(
                frame.camera_id,
                max_faces=settings.max_faces,
                pace=Pace(
                    min_face_px=settings.min_face_px,
                    whole_every_us=settings.detect_interval_ms * 1000,
                    sweep_us=settings.sweep_ms * 1000,
                    tiles_max=settings.search_tiles_max,
                    change=settings.search_change,
                ),
            )
            camera = self._cameras[frame.camera_id] = _Camera(tracker)
        return camera


@dataclass
class _Camera:
    tracker: CameraTracker
    smoothed: dict[str, Smoothed] = field(default_factory=dict)  # of the subjects in its last frame

    def smooth(self, tracked: Sequence[TrackedFace], at_us: int) -> list[TrackedFace]:
        """Every face's landmarks drawn towards where they were; the tracker goes on with those measured."""
        if at_us != self.tracker.last_seen_us:
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


def to_message(
    frame: Frame,
    picture: Picture,
    tracked: TrackedFace,
    landmark_set: LandmarkSet,
    *,
    size_px: tuple[int, int],
    shrink: int = 1,
) -> Landmarks:
    """One tracked face as it goes to Kafka. `size_px` is the frame's, `shrink` how far the picture is."""
    face = tracked.face
    width, height = size_px
    alignment = align.align(face.landmarks_px[None])
    yaw, pitch, roll = align.pose_deg(alignment.rotation)[0].tolist()
    x0, y0, x1, y1 = (face.box_xyxy_px / (width, height, width, height)).clip(0, 1).tolist()
    measured = quality.quality(picture, face, shrink)
    return Landmarks(
        camera_id=frame.camera_id,
        frame_seq=frame.seq,
        captured_at_us=frame.captured_at_us,
        subject_id=tracked.subject_id,
        face=FaceBox(x0, y0, x1 - x0, y1 - y0),
        pose=Pose(yaw, pitch, roll),
        quality=Quality(measured.inter_ocular_px, measured.sharpness, face.presence),
        landmark_set=landmark_set.id,
        points=landmarks.pack_points(landmark_set.take(alignment.points)[0]),
        transform=Transform(
            scale_px=float(alignment.scale[0]),
            rotation=alignment.rotation[0].ravel().tolist(),
            translation_px=alignment.translation_px[0].tolist(),
        ),
        traceparent=frame.traceparent,
    )
