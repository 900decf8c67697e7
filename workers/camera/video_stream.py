"""Videos and streams of all kinds, through FFmpeg (PyAV): each picture whole, upright and with its time.

A stream may change the size of its pictures at any moment; each picture is as large as it says itself. What
the decoder could not make whole is refused, and so is all that builds on it, up to the next key picture.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from fractions import Fraction
from typing import NamedTuple, TypeAlias

import av
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream as FFmpegStream

from models.faces.jpeg_passthrough import Jpeg, JpegLimits, ready_jpeg
from models.faces.pictures import MAX_SIDE_PX
from streams.errors import BadPicture, SettingsInvalid
from workers.camera.packet_losses import PacketLosses
from workers.camera.video_picture import VideoPicture

_Packet: TypeAlias = "Packet[FFmpegStream]"

_HUFFMAN_TABLE, _SCAN, _END = b"\xff\xc4", b"\xff\xda", b"\xff\xd9"
"""Markers of a JPEG; the picture's data between the last two never look like one."""


class Reading(NamedTuple):
    """How a video is read.

    max_pixels: larger pictures are refused.
    ready: JPEGs within these limits come as they are, not decoded.
    keyframes: only pictures that stand alone are decoded, one in a second or in ten; the rest costs nothing.
    hardware: the kind of device that decodes, as FFmpeg names it (``check_hardware`` tells whether it is
        there); without it, or for a codec that it does not know, the CPU does.
    """

    max_pixels: int
    ready: JpegLimits | None = None
    keyframes: bool = False
    hardware: str | None = None


class VideoStream:
    """The pictures of one address, device or file, one after the other.

    at_s: when the last picture is to be shown, by the stream's own clock; None where it has none.
    codec: how its pictures are encoded, as FFmpeg names it; ``is_jpeg`` whether they are JPEGs.
    may_be_one: whether it began as a single JPEG does, rather than as a stream of them.
    fps: how many a second it says to have; None where it does not say.
    promised: how many pictures a file says to have; 0 where it does not say.
    duration_s: how long a file says to last; None where it does not say.
    """

    def __init__(
        self,
        address: str,
        name: str,
        reading: Reading,
        *,
        format_: str | None = None,
        options: Mapping[str, str] | None = None,
        timeouts_s: tuple[float, float] | None = None,
        losses: PacketLosses | None = None,
    ) -> None:
        """Opens it. ``name`` is what messages call it; ``timeouts_s`` are those of opening and of reading.

        ``losses`` watches for packets that get lost, in a live stream; in a file, what was put together from
        several looks just like that.

        Raises:
            FFmpegError: if it cannot be opened, or is no video. Its text may hold the address, and with it a
                password: show its ``strerror`` alone.
            BadPicture: if its pictures are too large.
        """
        hardware = (
            HWAccel(reading.hardware, allow_software_fallback=True) if reading.hardware is not None else None
        )
        self._losses = losses
        with losses.listening() if losses else nullcontext():
            self._container = av.open(
                address,
                format=format_,
                options=dict(options or {}),
                timeout=timeouts_s,
                hwaccel=hardware,
                metadata_errors="replace",  # titles are of no interest, and may be in any encoding
            )
        if losses:
            losses.opened()
        self._name = name
        self._reading = reading
        self._decoded: deque[VideoFrame] = deque()
        self._damaged = False
        self.at_s: float | None = None
        try:
            stream = self._video()
            self._refuse_large(stream.codec_context.width, stream.codec_context.height)
        except BaseException:
            self.close()
            raise
        if losses and losses.rtp_over_udp:
            stream.codec_context.thread_count = 1
        if reading.keyframes:
            stream.codec_context.skip_frame = "NONKEY"
        rate = stream.average_rate
        self.fps = float(rate) if rate and 0 < rate < 1000 else None
        self.promised = 0 if reading.keyframes else stream.frames
        duration_us = self._container.duration
        self.duration_s = duration_us / 1e6 if duration_us else None
        self._start_s = float((stream.start_time or 0) * (stream.time_base or 0))
        self.codec = stream.codec_context.name
        self.is_jpeg = self.codec == "mjpeg"
        self.may_be_one = self._container.format.name == "jpeg_pipe"
        self._packets: Iterator[_Packet] = self._container.demux(stream)

    def _video(self) -> FFmpegStream:
        streams = self._container.streams.video
        if not streams:
            raise InvalidDataError(0, "it has no video")
        return streams[0]

    def read(self) -> VideoPicture | Jpeg | None:
        """The next picture; None after the last one.

        Raises:
            FFmpegError: the stream broke off; nothing more will come.
            BadPicture: this picture is not whole, builds on one that is not, or is too large. More may come.
        """
        while True:
            if self._decoded:
                return self._whole(self._decoded.popleft())
            packet = self._packet()
            if packet is None:
                return None
            if self.is_jpeg and packet.size:
                jpeg = self._as_it_is(packet)
                if jpeg:
                    return jpeg
            try:
                self._decoded.extend(packet.decode())
            except InvalidDataError as exc:
                raise self._corrupt() from exc

    def _packet(self) -> "_Packet | None":
        if self._losses is None:
            return next(self._packets, None)
        with self._losses.listening():
            packet = next(self._packets, None)
        if packet is not None:
            self._losses.note(packet.pts, is_key=packet.is_keyframe, is_marked=packet.is_corrupt)
        return packet

    def close(self) -> None:
        """Frees the connection, device or file. Harmless when repeated."""
        self._decoded.clear()
        self._packets = iter(())
        self.promised = 0
        self._container.close()

    def _as_it_is(self, packet: _Packet) -> Jpeg | None:
        """A packet's JPEG, if it needs no change; None if it must be decoded.

        Raises:
            BadPicture: if it is cut off: a decoder would fill up the rest with grey.
        """
        data = bytes(packet)
        if self._losses and self._losses.damaged(packet.pts):
            raise self._corrupt()
        if data.rfind(_END) < data.rfind(_SCAN):
            raise self._corrupt()
        if self._reading.ready is None or _HUFFMAN_TABLE not in data:  # some webcams leave the tables out
            return None
        jpeg = ready_jpeg(data, self._reading.ready)
        if jpeg:
            self._note_time(packet.pts, packet.time_base)
        return jpeg

    def _whole(self, frame: VideoFrame) -> VideoPicture:
        self._note_time(frame.pts, frame.time_base)
        if frame.is_corrupt:
            self._damaged = not self.is_jpeg
            raise self._corrupt()
        if self._damaged and not frame.key_frame:
            raise self._corrupt()
        if self._losses and self._losses.damaged(frame.pts):
            raise self._corrupt()
        self._damaged = False
        self._refuse_large(frame.width, frame.height)
        return VideoPicture(frame, round(frame.rotation / 90) % 4)

    def _note_time(self, pts: int | None, unit_s: Fraction | None) -> None:
        self.at_s = None if pts is None or unit_s is None else float(pts * unit_s) - self._start_s

    def _corrupt(self) -> BadPicture:
        return BadPicture(f"{self._name} sent a picture that is not whole", reason="corrupt")

    def _refuse_large(self, width: int, height: int) -> None:
        limit = self._reading.max_pixels
        if width * height > limit or max(width, height) > MAX_SIDE_PX:
            raise BadPicture(
                f"{self._name} has pictures of {width}x{height} px; the limit is {limit} px in all, "
                f"and {MAX_SIDE_PX} px a side",
                reason="too-large",
            )


def check_hardware(kind: str) -> None:
    """Raises SettingsInvalid if this machine has no such device that decodes H.264."""
    if kind not in (known := hwdevices_available()):
        raise SettingsInvalid(f"--hardware {kind} is not known; {', '.join(known)} are")
    try:
        HWAccel(kind).create(av.Codec("h264", "r"))
    except (FFmpegError, NotImplementedError) as exc:
        raise SettingsInvalid(
            f"--hardware {kind} cannot be used on this machine: is the device there, with its driver, and "
            "may this user use it? Without the option the CPU decodes"
        ) from exc


def why(error: FFmpegError) -> str:
    """What FFmpeg says is wrong, in words that hold nothing of the address."""
    for kinds, text in _WHY.items():
        if isinstance(error, kinds):
            return text
    return (error.strerror or type(error).__name__).lower()


_WHY: dict[tuple[type[FFmpegError], ...], str] = {
    (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError): "it refuses this user or password",
    (av.error.HTTPNotFoundError,): "it has nothing at this path",
    (av.error.ConnectionRefusedError,): "nothing listens at this port",
    (av.error.ExitError, av.error.TimeoutError): "no answer in time",
    (InvalidDataError,): "what it sends is no video that is known",
}
