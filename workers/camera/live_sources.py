"""Pictures from what never ends: webcams and network streams."""

import errno
import time
from pathlib import Path
from typing import Final

from av.error import FFmpegError

from models.faces.jpeg_passthrough import Jpeg
from streams import logs
from streams.errors import BadPicture, SourceLost, SourceNotFound
from streams.redact_url import redact_url
from workers.camera.http_snapshots import HttpSnapshots
from workers.camera.packet_losses import PacketLosses
from workers.camera.video_picture import Shot, VideoPicture
from workers.camera.video_stream import Reading, VideoStream, why

log = logs.get("mien.camera")

SCHEMES: Final = ("http", "https", "rtmp", "rtsp", "rtsps", "srt", "tcp", "udp")
OPEN_TIMEOUT_MS: Final = 10_000
READ_TIMEOUT_MS: Final = 5_000
WHOLE_TIMEOUT_S: Final = 30.0
"""How long a stream may send without one picture that is whole; longer than the way to a key picture."""

_RTSP: Final = {"allowed_media_types": "video", "rtsp_transport": "tcp"}


class CameraSource:
    """A webcam or a network stream."""

    live = True
    at_s = None

    def __init__(self, stream: VideoStream, name: str) -> None:
        self._stream = stream
        self._name = name
        self._whole_at_s = time.monotonic()
        self.fps = stream.fps
        self.codec: str | None = stream.codec

    def read(self) -> Shot | None:
        picture = self._next()
        if picture is None:
            raise SourceLost(f"{self._name} stopped giving pictures")
        return picture

    def close(self) -> None:
        self._stream.close()

    def _next(self) -> VideoPicture | Jpeg | None:
        """The next picture; None where the stream ends.

        Raises:
            SourceLost: if it breaks off, or nothing that it sends is whole any more.
            BadPicture: for one picture.
        """
        try:
            picture = self._stream.read()
        except FFmpegError as error:
            # Not `from error`: its text has the address, with the password.
            raise SourceLost(f"{self._name} stopped giving pictures: {why(error)}") from None
        except BadPicture:
            if time.monotonic() - self._whole_at_s > WHOLE_TIMEOUT_S:
                raise SourceLost(f"{self._name} gave no whole picture for {WHOLE_TIMEOUT_S:.0f} s") from None
            raise
        self._whole_at_s = time.monotonic()
        return picture


class HttpSource(CameraSource):
    """A stream over HTTP; or, if the address gives one JPEG and ends, that one asked for again and again."""

    def __init__(self, stream: VideoStream, name: str, snapshots: HttpSnapshots) -> None:
        super().__init__(stream, name)
        self._snapshots = snapshots
        self._read = 0
        self._polled = False

    def read(self) -> Shot | None:
        if not self._polled:
            try:
                picture = self._next()
            except SourceLost:
                # To FFmpeg the end of an answer that did not say its length is a connection that broke.
                if self._read != 1 or not self._stream.may_be_one:
                    raise
                picture = None
            if picture is not None:
                self._read += 1
                return picture
            if self._read != 1 or not self._stream.is_jpeg:
                raise SourceLost(f"{self._name} stopped giving pictures")
            self._stream.close()
            self._polled = True
            self.codec = "single JPEGs"
            self.fps = self._snapshots.fps
        return self._snapshots.read()


def open_webcam(device: Path, fps: float | None, reading: Reading) -> CameraSource:
    """Opens a V4L2 device, for MJPEG where it has that: the JPEGs go on as they are.

    Raises:
        SourceNotFound: if it cannot be opened.
        BadPicture: if its pictures are larger than allowed.
    """
    name = f"webcam {device.name.removeprefix('video')}"
    rate = {} if fps is None else {"framerate": f"{fps:g}"}
    for options in ({"input_format": "mjpeg", **rate}, rate, {}):
        try:
            stream = VideoStream(str(device), name, reading, format_="v4l2", options=options)
        except FFmpegError as error:
            reason = why(error)
        else:
            return CameraSource(stream, name)
    raise SourceNotFound(
        f"{name} cannot be opened ({reason}): is it plugged in, not used by another program, and may this "
        f"user read {device} (group video)?"
    )


def open_url(
    url: str, fps: float | None, reading: Reading, open_timeout_ms: int, read_timeout_ms: int
) -> CameraSource:
    """Opens a network stream.

    Raises:
        SourceNotFound: if the address is of a kind that is not known.
        SourceLost: if it does not answer (now).
        BadPicture: if its pictures are larger than allowed.
    """
    name = redact_url(url)
    scheme = url.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise SourceNotFound(f"{name}: addresses start with one of {', '.join(f'{s}://' for s in SCHEMES)}")
    timeouts_s = (open_timeout_ms / 1000, read_timeout_ms / 1000)
    try:
        if scheme in ("rtsp", "rtsps"):
            stream = _open_rtsp(url, name, reading, timeouts_s)
        else:
            stream = VideoStream(url, name, reading, timeouts_s=timeouts_s, losses=PacketLosses())
    except FFmpegError as error:
        # Not `from error`: its text has the address, with the password.
        raise SourceLost(
            f"{name} does not answer with a video stream ({why(error)}): check the address, the credentials "
            "and that the camera is on and reachable from here"
        ) from None
    if scheme in ("http", "https"):
        return HttpSource(stream, name, HttpSnapshots(url, fps, reading, timeouts_s[1]))
    return CameraSource(stream, name)


def _open_rtsp(url: str, name: str, reading: Reading, timeouts_s: tuple[float, float]) -> VideoStream:
    """Over TCP; over UDP, where packets get lost, from a camera that has nothing else."""
    try:
        return VideoStream(url, name, reading, options=_RTSP, timeouts_s=timeouts_s)
    except FFmpegError as error:
        if error.errno != errno.EPROTONOSUPPORT:
            raise
    log.info("camera gives its video over UDP alone: pictures that lack packets are left out", source=name)
    options, losses = {**_RTSP, "rtsp_transport": "udp"}, PacketLosses(rtp_over_udp=True)
    return VideoStream(url, name, reading, options=options, timeouts_s=timeouts_s, losses=losses)
