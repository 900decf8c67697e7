"""Who looks, and what they may see: pure rules, without files, clocks or requests."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final, Literal, NamedTuple

Role = Literal["viewer", "reviewer", "admin"]

_RANK: Final[Mapping[Role, int]] = {"viewer": 0, "reviewer": 1, "admin": 2}


class Viewer(NamedTuple):
    """A person or program that looks."""

    name: str
    role: Role
    groups: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    """Of the cameras that it may see, those of its groups among them; an admin sees all."""
    token_sha256: str = ""
    """Hex; empty for who has no token."""

    def may_see(self, camera_id: str) -> bool:
        return self.role == "admin" or matches(self.patterns, camera_id)

    def may(self, role: Role) -> bool:
        """Whether it may do what that role may."""
        return _RANK[self.role] >= _RANK[role]


LOCAL: Final = Viewer("local", "admin")
"""Whoever is on this machine, where no access file says otherwise."""


class Access(NamedTuple):
    """All viewers, and the groups of cameras."""

    viewers: Mapping[str, Viewer]
    groups: Mapping[str, Sequence[str]]
    """Name → patterns of cameras."""

    def groups_of(self, camera_id: str) -> list[str]:
        return [name for name, patterns in self.groups.items() if matches(patterns, camera_id)]

    def by_token(self, token: str) -> Viewer | None:
        """Whose token it is. Every viewer's is compared, in constant time, so that it tells nothing."""
        digest, found = token_hash(token), None
        for viewer in self.viewers.values():
            if hmac.compare_digest(digest, viewer.token_sha256):
                found = viewer
        return found


def matches(patterns: Sequence[str], camera_id: str) -> bool:
    """Whether one of the patterns (as in alerts.yaml: ``*``, ``?``, ``[…]``) is that of the camera."""
    return any(fnmatchcase(camera_id, pattern) for pattern in patterns)


def new_token() -> str:
    """256 bits, for a URL or a header."""
    return f"mien_{secrets.token_urlsafe(32)}"


def token_hash(token: str) -> str:
    """Hex SHA-256. A token has 256 bits of chance, so a slow hash, as for passwords, would gain nothing."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
