"""Cameras that give one JPEG a request: asked again and again, with Basic or Digest authentication."""

import ssl
import time
from functools import cache
from http.client import HTTPException, HTTPResponse
from typing import Any, Final, cast
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import (
    BaseHandler,
    HTTPBasicAuthHandler,
    HTTPDefaultErrorHandler,
    HTTPDigestAuthHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPPasswordMgrWithDefaultRealm,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
)

from models.arrays import Picture
from models.faces.jpeg_passthrough import Jpeg, ready_jpeg
from models.faces.pictures import PictureRefused, decode_jpeg
from streams.errors import BadPicture, SourceLost
from streams.redact_url import redact_url
from workers.camera.video_stream import Reading

SNAPSHOT_FPS: Final = 2.0
"""How often an address is asked that gives one picture a request, without ``--fps``."""

BYTES_MAX: Final = 16 * 1024 * 1024
"""A longer answer is no picture of a camera."""


class HttpSnapshots:
    """The pictures of one address. Nothing is asked before the first ``read``."""

    def __init__(self, url: str, fps: float | None, reading: Reading, timeout_s: float) -> None:
        self.fps = fps or SNAPSHOT_FPS
        self._name = redact_url(url)
        self._reading = reading
        self._timeout_s = timeout_s
        self._due_s = time.monotonic() + 1 / self.fps
        parts = urlsplit(url)
        self._address = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
        self._opener = _opener(self._address, unquote(parts.username or ""), unquote(parts.password or ""))

    def read(self) -> Picture | Jpeg:
        """Waits until the next picture is due, and asks for it.

        Raises:
            SourceLost: if there is no answer, or none with a picture.
            BadPicture: if the picture is broken or too large.
        """
        now_s = time.monotonic()
        time.sleep(max(0.0, self._due_s - now_s))
        self._due_s = max(self._due_s, now_s) + 1 / self.fps
        data = self._ask()
        jpeg = ready_jpeg(data, self._reading.ready) if self._reading.ready else None
        if jpeg:
            return jpeg
        try:
            return decode_jpeg(data, max_bytes=BYTES_MAX, max_pixels=self._reading.max_pixels)
        except PictureRefused as error:
            raise BadPicture(f"{self._name}: {error}", reason=error.reason) from error

    def _ask(self) -> bytes:
        # Never `from error`: some of these errors have the address in their text.
        try:
            with cast(HTTPResponse, self._opener.open(self._address, timeout=self._timeout_s)) as answer:
                if not answer.headers.get_content_type().startswith(("image/", "application/octet-stream")):
                    raise SourceLost(f"{self._name} gives no single pictures any more")
                return self._whole(answer)
        except HTTPError as error:
            error.close()
            refused = "; it refuses this user or password" if error.code in (401, 403) else ""
            raise SourceLost(f"{self._name} answers with status {error.code}{refused}") from None
        except (OSError, HTTPException, ValueError) as error:
            raise SourceLost(f"{self._name} does not answer: {type(error).__name__}") from None

    def _whole(self, answer: HTTPResponse) -> bytes:
        """The body, if it comes in time: a camera that drips is not waited for without end."""
        late_s = time.monotonic() + self._timeout_s
        data = bytearray()
        while piece := answer.read1(1024 * 1024):
            data += piece
            if len(data) > BYTES_MAX or time.monotonic() > late_s:
                raise SourceLost(f"{self._name} does not come to the end of a picture")
        return bytes(data)


class _CloseRefusal(BaseHandler):
    """Closes the answer that asks for a password: those who then sign in leave it open, one a picture."""

    handler_order = 100  # before them

    def http_error_401(self, _request: Any, answer: Any, *_about: Any) -> None:
        answer.close()


def _opener(address: str, user: str, password: str) -> OpenerDirector:
    """What asks with HTTP alone, through no proxy, and signs in by what the camera wants."""
    passwords = HTTPPasswordMgrWithDefaultRealm()
    if user:
        passwords.add_password(None, address, user, password)
    opener = OpenerDirector()
    for handler in (
        HTTPHandler(),
        HTTPSHandler(context=_unchecked()),
        HTTPDefaultErrorHandler(),
        HTTPRedirectHandler(),
        HTTPErrorProcessor(),
        _CloseRefusal(),
        HTTPDigestAuthHandler(passwords),
        HTTPBasicAuthHandler(passwords),
    ):
        opener.add_handler(handler)
    return opener


@cache
def _unchecked() -> ssl.SSLContext:
    """Checks nothing, as FFmpeg does: cameras sign their own certificates.

    One for the whole process, and without the machine's certificates, which take 45 ms and 0.8 MiB. An opener
    and its handlers name each other, so what they hold stays until Python looks for such circles, which it
    does the more seldom the fewer objects there are.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
