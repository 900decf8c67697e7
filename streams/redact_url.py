"""Addresses as logs and messages may show them: no more of them than a scheme, a host and a first folder.

What may be shown is chosen, not what must be hidden: cameras take their password as ``user:password@``, as
``pwd=``, ``loginpas=`` or ``psw=``, or in the path (``/user=admin_password=…``), and no list of such names is
whole. So nothing else of an address is ever shown, and nothing of one that can be read in two ways.
"""

import ipaddress
import re
from typing import Final, NamedTuple

_PARTS: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?:[^\s@/?#\\\[\]]*@)?"  # who signs in; an @ or / in a password would end it too early
    r"(?P<host>[A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<rest>(?:[/?#][^\s@]*)?)"  # an @ behind the host: then the host may be a piece of the password
)
_FIRST_FOLDER: Final = re.compile(r"/[A-Za-z0-9._-]{0,32}(?=[/?#]|$)")
_PLAIN: Final = re.compile(r"(?:demo:)?[\w ./~+-]*")
"""Files, webcams and scripts: no sign that stands between a user, a password and a host."""

LEFT_OUT: Final = "…"


class Url(NamedTuple):
    """An address that can be read in one way only."""

    scheme: str
    host: str
    port: int | None
    rest: str
    """Path and query, which may hold a secret."""

    @property
    def is_local(self) -> bool:
        """Whether it leads nowhere beyond this machine: loopback, or a socket in its file system."""
        if self.scheme == "unix":
            return True
        # Without a host it is the client's own default, localhost, unless a parameter says otherwise.
        return is_loopback(self.host) if self.host else "?" not in self.rest


def parse_url(text: str) -> Url | None:
    """The parts of an address; None if it is none, or if it can be read in two ways.

    Whoever is to connect to such an address must refuse it: of ``redis://:p@ss/w#rd@host`` a parser makes the
    host ``ss``, looks that piece of the password up in the DNS, and says so in its error.
    """
    found = _PARTS.fullmatch(text)
    if not found:
        return None
    port = int(found["port"]) if found["port"] else None
    return Url(found["scheme"].lower(), found["host"].strip("[]"), port, found["rest"])


def redact_url(text: str) -> str:
    """The address for messages and logs: ``scheme://host:port/first…``, where ``…`` stands for the rest.

    A first folder with other signs than letters, digits and ``._-`` may be a password and is left out too.
    What has no ``://`` is shown if it can only be a file, a webcam or the demo, else not at all.
    """
    if "://" not in text:
        return text if _PLAIN.fullmatch(text) else LEFT_OUT
    url = parse_url(text)
    if url is None:
        scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)", text)
        return f"{scheme[0] if scheme else ''}://{LEFT_OUT}"
    host = f"[{url.host}]" if ":" in url.host else url.host
    port = "" if url.port is None else f":{url.port}"
    folder = _FIRST_FOLDER.match(url.rest)
    shown = folder[0] if folder else ""
    more = LEFT_OUT if len(url.rest) > len(shown) else ""
    return f"{url.scheme}://{host}{port}{shown}{more}"


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine itself, whatever the DNS says."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
