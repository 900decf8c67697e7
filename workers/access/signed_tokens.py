"""Short-lived tokens that no server has to remember: what they say, until when, and a signature.

    PURPOSE.NAME.EXPIRES.SIGNATURE        name in base64url, time in s since the epoch

The signature is an HMAC-SHA-256 over the rest and the person's own token hash, so a new token in the access
file ends all that was signed for the old one.
"""

import base64
import binascii
import hmac
from typing import Final, Literal

from workers.access.viewers import Access, Viewer

Purpose = Literal["session", "stream"]

SESSION_S: Final = 12 * 3600
STREAM_S: Final = 60
LENGTH_MAX: Final = 400


class Signer:
    """Makes and checks tokens with one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, purpose: Purpose, viewer: Viewer, expires_s: int) -> str:
        """A token that names the viewer until then."""
        said = f"{purpose}.{_to_text(viewer.name.encode())}.{expires_s}"
        return f"{said}.{self._signature(said, viewer)}"

    def who(self, purpose: Purpose, token: str, access: Access, now_s: float) -> Viewer | None:
        """Whom a token names; None if it is forged, over, for another purpose, or of who is not there."""
        said, _, signature = token.rpartition(".")
        parts = said.split(".")
        if len(token) > LENGTH_MAX or not token.isascii() or len(parts) != 3 or parts[0] != purpose:
            return None
        try:
            name, expires_s = _from_text(parts[1]).decode(), int(parts[2])
        except ValueError:  # UnicodeDecodeError and binascii.Error are such
            return None
        viewer = access.viewers.get(name)
        if viewer is None or not hmac.compare_digest(signature, self._signature(said, viewer)):
            return None
        return viewer if now_s < expires_s else None

    def _signature(self, said: str, viewer: Viewer) -> str:
        message = f"{said}\n{viewer.token_sha256}".encode()
        return _to_text(hmac.digest(self._secret, message, "sha256"))


def _to_text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _from_text(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as exc:
        raise ValueError("not base64url") from exc
