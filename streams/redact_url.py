"""Addresses as logs and messages may show them: without passwords and tokens."""

import re
from typing import Final

_SECRET_PARAMETER: Final = re.compile(r"(?i)([?&][^=&]*(?:pass|pwd|token|key|secret|auth)[^=&]*=)[^&#]*")


def redact_url(url: str) -> str:
    """The address without its secrets, for messages and logs; password and telling parameters become ``***``.

    Everything up to the *last* ``@`` counts as credentials: passwords with unescaped signs are common. An
    address whose scheme was forgotten or mistyped (``admin:secret@camera``) is none that works, but it holds
    the password all the same, and the message that refuses it quotes it.
    """
    scheme, mark, rest = url.partition("://")
    if not mark:
        scheme, rest = "", url
    credentials, at, address = rest.rpartition("@")
    # Without a scheme it may be a file's path, which may hold an @.
    if at and (mark or (":" in credentials and not url.startswith(("/", ".")))):
        user, colon, _password = credentials.partition(":")
        credentials = f"{user}:***" if colon else "***"
    return scheme + mark + credentials + at + _SECRET_PARAMETER.sub(r"\1***", address)
