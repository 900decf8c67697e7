"""Addresses as logs and messages may show them: without passwords and tokens."""

import re
from typing import Final

_SECRET_PARAMETER: Final = re.compile(r"(?i)([?&][^=&]*(?:pass|pwd|token|key|secret|auth)[^=&]*=)[^&#]*")


def redact_url(url: str) -> str:
    """The address without its secrets, for messages and logs; password and telling parameters become ``***``.

    Everything up to the *last* ``@`` counts as credentials: passwords with unescaped signs are common.
    """
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url
    credentials, at, address = rest.rpartition("@")
    if at:
        user, colon, _password = credentials.partition(":")
        credentials = f"{user}:***" if colon else "***"
    return scheme + mark + credentials + at + _SECRET_PARAMETER.sub(r"\1***", address)
