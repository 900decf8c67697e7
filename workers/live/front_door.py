"""Who asks, and whether the request may be theirs: before any handler sees it."""

import ipaddress
import time

from starlette.requests import Request
from starlette.responses import Response

from streams.redact_url import is_loopback, parse_url
from streams.settings import Settings
from workers.access.signed_tokens import SESSION_S
from workers.access.viewers import LOCAL, Viewer
from workers.live.live_context import Live, refused

COOKIE = "mien_session"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def who_asks(live: Live, request: Request, *, stream: bool = False) -> Viewer:
    """The viewer that a request is of; with ``stream`` a stream token will do.

    Raises:
        HTTPException: 401 if it says no name that is known, 403 if another site sent it.
    """
    access = live.access.current()
    if live.access.is_open:
        refuse_foreign_names(request)
        refuse_other_sites(request)
        return LOCAL
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if token:
        found = access.by_token(token.strip()) if kind.lower() == "bearer" else None
        if found is None:
            raise refused(401, "This token is not in the access file.", www_authenticate="Bearer")
        return found  # no other site's page has the token, so what it asks is meant
    refuse_other_sites(request)
    now_s = time.time()
    name = _name_of_proxy(live.settings, request)
    if name is not None:
        if name not in access.viewers:
            raise refused(401, "The proxy names somebody who is not in the access file.")
        return access.viewers[name]
    cookie = request.cookies.get(COOKIE, "")
    if cookie and (viewer := live.signer.who("session", cookie, access, now_s)):
        return viewer
    token = request.query_params.get("stream_token", "") if stream else ""
    if token and (viewer := live.signer.who("stream", token, access, now_s)):
        return viewer
    raise refused(401, "Sign in, or send Authorization: Bearer TOKEN.", www_authenticate="Bearer")


def sign_in(live: Live, request: Request, token: str) -> tuple[Viewer, str]:
    """Whose token it is, and the value of the cookie that says so.

    Raises:
        HTTPException: 401 if it is nobody's, 403 if another site sent it.
    """
    refuse_other_sites(request)
    if live.access.is_open:
        refuse_foreign_names(request)
        return LOCAL, ""
    viewer = live.access.current().by_token(token)
    if viewer is None:
        raise refused(401, "This token is not in the access file.")
    return viewer, live.signer.sign("session", viewer, int(time.time()) + SESSION_S)


def set_cookie(live: Live, request: Request, response: Response, value: str) -> None:
    """Sets the session's cookie, or takes it away (an empty value)."""
    response.set_cookie(
        COOKIE,
        value,
        max_age=SESSION_S if value else 0,
        path="/",
        httponly=True,
        samesite="strict",
        secure=_is_https(live.settings, request),
    )


def refuse_foreign_names(request: Request) -> None:
    """Without sign-in only by this machine's names: a web site's may lead here too, by the DNS."""
    url = parse_url(f"http://{request.headers.get('host', '')}")
    if url is None or not is_loopback(url.host):
        raise refused(403, "Ask this machine by its own name (localhost): nobody has to sign in here.")


def refuse_other_sites(request: Request) -> None:
    """What changes something must come from our own page, or from no browser."""
    if request.method in _SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    own = site in ("same-origin", "none") if site else True
    if not own or (origin and origin.partition("://")[2].lower() != request.headers.get("host", "").lower()):
        raise refused(403, "Another site sent this.")


def is_trusted_proxy(settings: Settings, request: Request) -> bool:
    """Whether the peer of the connection is the proxy whose headers are believed."""
    if settings.live_proxy_peers is None or request.client is None:
        return False
    try:
        peer = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    return any(peer in ipaddress.ip_network(one.strip()) for one in settings.live_proxy_peers.split(","))


def _name_of_proxy(settings: Settings, request: Request) -> str | None:
    if settings.live_proxy_header is None or not is_trusted_proxy(settings, request):
        return None
    return request.headers.get(settings.live_proxy_header)


def _is_https(settings: Settings, request: Request) -> bool:
    if is_trusted_proxy(settings, request):
        return request.headers.get("x-forwarded-proto", str(request.scope["scheme"])) == "https"
    return str(request.scope["scheme"]) == "https"
