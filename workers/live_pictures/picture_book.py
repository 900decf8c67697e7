"""Which frame of a camera may be shown, and where its faces are: without Kafka, clocks or pixels.

A frame is held until the faces that the chain found in it have come. A frame without any by `WAIT_S` was not
looked at, or nobody was found in it: which of the two, nobody says, so all of it is hidden.
"""

from collections import deque
from typing import Final, Literal, NamedTuple

from streams.messages.frame_message import Frame
from streams.messages.landmarks_message import FaceBox, Landmarks

LOOK_S: Final = 10.0
"""So long after the last look a camera's pictures are still read."""
WAIT_S: Final = 2.0
"""So long a frame waits for its faces."""
SETTLE_S: Final = 0.25
"""So long after one face of a frame another one of it may come."""
NEAR_US: Final = 1_000_000
"""Faces of frames so near in time are hidden too: one that was lost for a moment is where it was."""
FACES_S: Final = WAIT_S + 2.0
"""So long faces are kept."""
FACES_MAX: Final = 2_000
"""Of one camera."""
HELD_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of all frames that are held. What is over it goes: the oldest of the camera that has most."""

Hide = tuple[FaceBox, ...] | Literal["everything", "nothing"]


class Chosen(NamedTuple):
    """A frame, and what of it is to be hidden."""

    frame: Frame
    hide: Hide


class _Held(NamedTuple):
    frame: Frame
    came_s: float


class _Seen(NamedTuple):
    """A face in a frame."""

    run: int
    seq: int
    captured_at_us: int
    box: FaceBox
    came_s: float


class _Camera:
    def __init__(self) -> None:
        self.looked_s = 0.0
        self.held: deque[_Held] = deque()
        self.bytes = 0
        self.seen: deque[_Seen] = deque(maxlen=FACES_MAX)


class PictureBook:
    """The frames and faces of the cameras that somebody looks at. Times are in s, on a monotonic clock."""

    def __init__(self, held_bytes_max: int = HELD_BYTES_MAX) -> None:
        self._held_bytes_max = held_bytes_max
        self._cameras: dict[str, _Camera] = {}

    @property
    def held_bytes(self) -> int:
        """Of all frames that are held."""
        return sum(one.bytes for one in self._cameras.values())

    def look(self, camera_id: str, now_s: float) -> None:
        """Somebody looks at a camera now."""
        self._cameras.setdefault(camera_id, _Camera()).looked_s = now_s

    def looked_at(self, now_s: float) -> list[str]:
        """The cameras that somebody looks at; of all others nothing is kept from now on."""
        self._cameras = {
            camera_id: camera
            for camera_id, camera in self._cameras.items()
            if now_s - camera.looked_s < LOOK_S
        }
        return sorted(self._cameras)

    def take_frame(self, frame: Frame, now_s: float) -> None:
        """A frame, in the order of its camera."""
        camera = self._cameras.get(frame.camera_id)
        if camera is None:
            return
        camera.held.append(_Held(frame, now_s))
        camera.bytes += len(frame.jpeg)
        best = self._newest_to_hide(camera, now_s)
        while best is not None and camera.held[0].frame is not best.frame:
            self._let_go(camera)
        while self.held_bytes > self._held_bytes_max:
            self._let_go(max(self._cameras.values(), key=lambda one: one.bytes))

    def take_face(self, face: Landmarks, now_s: float) -> None:
        """A face that the chain has found, of any camera."""
        camera = self._cameras.get(face.camera_id)
        if camera is None:
            return
        while camera.seen and now_s - camera.seen[0].came_s > FACES_S:
            camera.seen.popleft()
        camera.seen.append(_Seen(face.run, face.frame_seq, face.captured_at_us, face.face, now_s))

    def newest(self, camera_id: str, *, shown: bool, now_s: float) -> Chosen | None:
        """The newest frame that may be shown, and what is to be hidden of it; None while there is none.

        With ``shown`` nothing is to be hidden: then it is the newest whose faces have come, so that they can
        be drawn over it, or the newest of all where none has any.
        """
        camera = self._cameras.get(camera_id)
        if camera is None or not camera.held:
            return None
        chosen = self._newest_to_hide(camera, now_s)
        if not shown:
            return chosen
        if chosen is None or chosen.hide == "everything":
            return Chosen(camera.held[-1].frame, "nothing")
        return Chosen(chosen.frame, "nothing")

    def _newest_to_hide(self, camera: _Camera, now_s: float) -> Chosen | None:
        last_s: dict[tuple[int, int], float] = {}  # of each frame, when its last face came
        ahead: dict[int, int] = {}  # of each run, the newest frame with faces
        for one in camera.seen:
            last_s[one.run, one.seq] = one.came_s
            ahead[one.run] = max(one.seq, ahead.get(one.run, 0))
        for frame, came_s in reversed(camera.held):
            face_s = last_s.get((frame.run, frame.seq))
            if face_s is not None and (frame.seq < ahead[frame.run] or now_s - face_s >= SETTLE_S):
                return Chosen(frame, _near(camera, frame))
            if face_s is None and now_s - came_s >= WAIT_S:
                return Chosen(frame, "everything")
        return None

    def _let_go(self, camera: _Camera) -> None:
        camera.bytes -= len(camera.held.popleft().frame.jpeg)


def _near(camera: _Camera, frame: Frame) -> tuple[FaceBox, ...]:
    """The faces of a frame, and of those just before and after it."""
    return tuple(one.box for one in camera.seen if abs(one.captured_at_us - frame.captured_at_us) <= NEAR_US)
