"""The routes of `mien live` as an ASGI application: checks what was asked, and writes what is answered."""

from pathlib import Path
from typing import Any, Final, get_origin, get_type_hints

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount
from starlette.routing import Route as PathRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams import logs
from streams.errors import MienError
from streams.messages.unreadable import UNREADABLE
from workers.access.viewers import LOCAL, Viewer
from workers.live import front_door, openapi_document
from workers.live.api_types import PATH_PATTERNS, Asked, Problem, Route
from workers.live.live_context import Live, refused
from workers.live_feed.event_stream import EventStream

BODY_BYTES_MAX: Final = 64 * 1024
PAGE: Final = Path(__file__).with_name("page")
_NO_PAGE: Final = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Mien</title><h1>Mien</h1>"
    "<p>The page is not built in this installation. The API is at <a href=/api/v1/cameras>/api/v1</a>."
)
_HEADERS: Final = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

log = logs.get("mien.access")


def application(live: Live) -> ASGIApp:
    """All of it: the API, the page, and health."""
    described = msgspec.json.encode(openapi_document.document())

    async def openapi(_request: Request) -> Response:
        return Response(described, media_type="application/json")

    # Mounted, so that a method that a path does not have is answered here, and not by the files of the page.
    api = Mount(
        openapi_document.PREFIX,
        routes=[
            *(PathRoute(path, endpoint, methods=methods) for path, methods, endpoint in _endpoints(live)),
            PathRoute("/openapi.json", openapi),
        ],
    )
    origins = [
        origin.strip() for origin in (live.settings.live_cors_origins or "").split(",") if origin.strip()
    ]
    app = Starlette(
        routes=[api, *_others(live)],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=origins,
                allow_methods=["GET", "POST"],
                allow_headers=["authorization", "content-type", "last-event-id"],
            )
        ]
        if origins
        else [],
        exception_handlers={HTTPException: _problem, MienError: _unavailable},
    )
    return _WithHeaders(app)


def _endpoints(live: Live) -> list[tuple[str, list[str], Any]]:
    """A path has one endpoint for all its methods, so that another one is a 405."""
    by_path: dict[str, dict[str, Route]] = {}
    for route in openapi_document.ROUTES:
        by_path.setdefault(route.path, {})[route.method] = route
    return [(path, list(routes), _endpoint(live, routes)) for path, routes in by_path.items()]


def _endpoint(live: Live, routes: dict[str, Route]) -> Any:
    async def endpoint(request: Request) -> Response | EventStream:
        route = routes["GET" if request.method == "HEAD" else request.method]
        if request.method == "HEAD" and route.reply is EventStream:
            raise refused(405, "A stream without its events would stay open for nothing.", allow="GET")
        who = LOCAL
        if not route.public:
            who = front_door.who_asks(live, request, stream=route.reply is EventStream)
            request.scope["viewer"] = who
            if not who.may(route.role):
                raise refused(403, f"This is for the role {route.role}; yours is {who.role}.")
        for name, value in request.path_params.items():
            if not PATH_PATTERNS[name].fullmatch(value):
                raise refused(404, f"No {name} looks like this.")
        query = read_query(route.query, request)
        body = await _body(route.body, request) if route.body else None
        answer = await route.handler(live, Asked(who, request.path_params, query, body, request))
        if not route.logs_itself:
            _log(request, route.status)
        if isinstance(answer, Response | EventStream):
            return answer
        return Response(
            msgspec.json.encode(answer),
            route.status,
            {"cache-control": "no-store"},
            media_type="application/json",
        )

    return endpoint


def read_query(kind: type[msgspec.Struct], request: Request) -> Any:
    """The query as its type; lists come several times, or with commas.

    Raises:
        HTTPException: 400, which says what is wrong.
    """
    hints = get_type_hints(kind)
    given: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if get_origin(hints.get(name)) is list:
            given.setdefault(name, []).extend(part for part in value.split(",") if part)
        elif name in given:
            raise refused(400, f"{name} is given twice.")
        else:
            given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as exc:
        raise refused(400, f"{exc}.") from exc


async def _body(kind: type[msgspec.Struct], request: Request) -> Any:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise refused(415, "Send JSON, with Content-Type: application/json.")
    raw = bytearray()
    try:
        async for part in request.stream():
            raw += part
            if len(raw) > BODY_BYTES_MAX:
                raise refused(413, f"More than {BODY_BYTES_MAX} bytes.")
    except ClientDisconnect as exc:
        raise refused(400, "The request ended before its end.") from exc
    try:
        return msgspec.json.decode(bytes(raw), type=kind)
    except UNREADABLE as exc:
        raise refused(400, f"{exc}.") from exc


async def _problem(request: Request, exc: Exception) -> Response:
    if not isinstance(exc, HTTPException):
        raise exc
    _log(request, exc.status_code)
    return _problem_response(exc.status_code, exc.detail, dict(exc.headers or {}))


async def _unavailable(request: Request, exc: Exception) -> Response:
    """Kafka or Redis is away; what exactly, and where, is for the log."""
    log.warning("cannot answer", path=request.scope["path"], error=str(exc))
    _log(request, 503)
    return _problem_response(
        503, "Kafka or Redis does not answer now. The log says more.", {"retry-after": "2"}
    )


def _problem_response(status: int, detail: str, headers: dict[str, str]) -> Response:
    title = {401: "Not signed in", 403: "Not allowed", 404: "Not there", 503: "Away"}.get(status, "Refused")
    return Response(
        msgspec.json.encode(Problem(title, status, detail)),
        status,
        {"cache-control": "no-store", **headers},
        media_type="application/problem+json",
    )


def _log(request: Request, status: int) -> None:
    """Who looked at what; never a query, which may hold a token."""
    who: Viewer | None = request.scope.get("viewer")
    if request.scope["path"].startswith(openapi_document.PREFIX):
        log.info(
            "access",
            who=who.name if who else None,
            role=who.role if who else None,
            method=request.method,
            path=request.scope["path"],
            status=status,
        )


def _others(live: Live) -> list[Any]:
    async def health(request: Request) -> Response:
        status, text = live.health.answer(request.scope["path"])
        return Response(text, status, media_type="text/plain")

    async def no_page(_request: Request) -> Response:
        return HTMLResponse(_NO_PAGE)

    page = (
        Mount("/", StaticFiles(directory=PAGE, html=True))
        if (PAGE / "index.html").is_file()
        else PathRoute("/", no_page)
    )
    return [
        PathRoute("/healthz", health),
        PathRoute("/readyz", health),
        page,
    ]


class _WithHeaders:
    """Adds what tells browsers to trust nothing but this."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            await send(message)

        await self._app(scope, receive, with_headers)
