"""The OpenAPI document: valid, in step with the committed file, and of every route."""

import json
import re
from pathlib import Path

from workers.live import openapi_document
from workers.live.openapi_document import FILE_NAME, PREFIX, ROUTES

ROOT = Path(__file__).parents[4]
DOCUMENT = openapi_document.document()


def test_the_committed_file_is_in_step() -> None:
    assert json.loads((ROOT / "docs/schemas" / FILE_NAME).read_text()) == json.loads(json.dumps(DOCUMENT)), (
        "run `mien schemas --out docs/schemas`"
    )


def test_every_route_is_told_with_its_parameters() -> None:
    told = {
        (method.upper(), path.removeprefix(PREFIX)): operation
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }

    assert set(told) == {(route.method, route.path) for route in ROUTES}
    names = [parameter["name"] for parameter in told["GET", "/events"]["parameters"]]
    assert {"camera", "group", "kinds", "emotion", "min_confidence"} <= set(names)
    assert len({operation["operationId"] for operation in told.values()}) == len(ROUTES)
    for operation in told.values():
        assert "application/problem+json" in operation["responses"]["default"]["content"]


def test_every_reference_leads_somewhere() -> None:
    def references(part: object) -> set[str]:
        if isinstance(part, dict):
            own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
            return own.union(*map(references, part.values()))
        return set().union(*map(references, part)) if isinstance(part, list) else set()

    found = references(DOCUMENT)
    assert found
    assert {ref.rpartition("/")[2] for ref in found} <= set(DOCUMENT["components"]["schemas"])


def test_the_docs_table_has_every_route() -> None:
    text = (ROOT / "docs/live.md").read_text()

    for route in ROUTES:
        path = re.sub(r"{\w+}", "{id}", route.path)
        assert f"{route.method} {path}`" in text
