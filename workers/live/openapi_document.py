"""The API as an OpenAPI 3.1 document, made from its routes and types; `mien schemas` writes it too."""

import re
from typing import Any, Final

import msgspec

from streams.messages.emotion_event import EmotionEvent
from workers.live import (
    api_access,
    api_activity,
    api_cameras,
    api_pictures,
    api_review,
    api_stream,
    api_subjects,
)
from workers.live.api_types import PATH_PATTERNS, JpegPicture, Problem, Route
from workers.live_feed.event_stream import EventStream

FILE_NAME: Final = "live-openapi.json"
PREFIX: Final = "/api/v1"
ROUTES: Final = (
    *api_access.ROUTES,
    *api_cameras.ROUTES,
    *api_activity.ROUTES,
    *api_pictures.ROUTES,
    *api_subjects.ROUTES,
    *api_stream.ROUTES,
    *api_review.ROUTES,
)
_REFERENCE: Final = "#/components/schemas/{name}"


def document() -> dict[str, Any]:
    """https://spec.openapis.org/oas/v3.1.1"""
    types = _types()
    found, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    schemas = dict(zip(map(repr, types), found, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(
            route, schemas, components
        )
    queries = {route.query.__name__ for route in ROUTES}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Mien live", "version": "1", "description": "docs/live.md says what it means."},
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": {name: schema for name, schema in components.items() if name not in queries},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "mien_session"},
            },
        },
    }


def _types() -> list[Any]:
    found: list[Any] = [Problem, EmotionEvent]
    for route in ROUTES:
        found += [route.query, *([route.body] if route.body else [])]
        if route.reply not in (None, EventStream, JpegPicture):
            found.append(route.reply)
    return list({repr(kind): kind for kind in found}.values())


def _operation(route: Route, schemas: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    if route.reply is None:
        content = None
    elif route.reply is EventStream:
        content = {"text/event-stream": {"schema": {"type": "string"}}}
    elif route.reply is JpegPicture:
        content = {"image/jpeg": {}}
    else:
        content = {"application/json": {"schema": schemas[repr(route.reply)]}}
    good = {"description": route.summary} | ({"content": content} if content else {})
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "description": f"For the role {route.role}." if not route.public else "For everybody.",
        "parameters": [*_path_parameters(route), *_query_parameters(components[route.query.__name__])],
        "responses": {
            str(route.status): good,
            **({"204": {"description": "None yet: ask again"}} if route.reply is JpegPicture else {}),
            "default": {
                "description": "Why not",
                "content": {"application/problem+json": {"schema": schemas[repr(Problem)]}},
            },
        },
    }
    if route.body:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schemas[repr(route.body)]}},
        }
    if route.public:
        operation["security"] = []
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": f"^{PATH_PATTERNS[name].pattern}$"},
        }
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _query_parameters(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", ())
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            "schema": {key: value for key, value in of_field.items() if key != "description"},
            **({"description": of_field["description"]} if "description" in of_field else {}),
        }
        for name, of_field in schema["properties"].items()
    ]
