"""Which pictures of a stream lack a packet, or build on one that does.

FFmpeg fills up what is missing with what was there before. Of an MPEG transport stream it marks the packets.
Of RTSP over UDP it marks nothing, and says so in its log alone: "RTP: missed 2 packets". So its log is
listened to, by PyAV's public ``av.logging``. That must only be done where FFmpeg decodes in the thread that
calls it: its own threads could wait for Python's lock, held by who waits for them
(https://pyav.org/docs/stable/api/utils.html#module-av.logging).
"""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import av.logging

_TOLD: Final = "RTP: missed"
_REMEMBERED: Final = 256
"""Packets; a decoder gives a picture at most some dozen packets after its own."""


class PacketLosses:
    """Of one live stream, which is opened within :meth:`listening`.

    rtp_over_udp: FFmpeg's log is to be listened to.
    """

    def __init__(self, *, rtp_over_udp: bool = False) -> None:
        self.rtp_over_udp = rtp_over_udp
        if rtp_over_udp:
            av.logging.set_level(av.logging.WARNING)
            av.logging.set_skip_repeated(False)
            # What nobody captures would go to our log, with addresses and passwords.
            logging.getLogger("libav").setLevel(logging.CRITICAL + 1)
        self._missed = False
        self._missed_before = False
        self._keys_awaited = 0
        self._damaged: deque[int | None] = deque(maxlen=_REMEMBERED)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Notes what FFmpeg says in this thread while it opens the stream, or gets its next packet."""
        if not self.rtp_over_udp:
            yield
            return
        with av.logging.Capture(local=True) as said:
            yield
        self._missed = any(_TOLD in message for _, _, message in said)

    def opened(self) -> None:
        """What was lost while the stream was opened may be in any of the packets that came then."""
        if self._missed:
            self._keys_awaited = 2

    def note(self, pts: int | None, *, is_key: bool, is_marked: bool) -> None:
        """Takes a packet that came within :meth:`listening`.

        A loss that the log tells of may belong to the packet with which it was told, or to the next.
        """
        if is_marked or self._missed or self._missed_before:
            self._keys_awaited = max(self._keys_awaited, 1)
        elif is_key and pts is not None and self._keys_awaited:  # without a time: the rest of a torn one
            self._keys_awaited -= 1
        self._missed_before = self._missed
        if self._keys_awaited:
            self._damaged.append(pts)

    def damaged(self, pts: int | None) -> bool:
        """Whether the picture of this time lacks something. A time that was lost too is None, and stands for
        one picture."""
        if pts not in self._damaged:
            return False
        if pts is None:
            self._damaged.remove(None)
        return True
