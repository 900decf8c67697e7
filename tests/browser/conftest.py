"""Chromium, and the site that it looks at.

Both end with their module: Playwright keeps an event loop running, beside which no asynchronous test could.
"""

import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

sys.path += [
    str(Path(__file__).parent),
    str(Path(__file__).parents[1] / "integration"),
]  # tests are no package
from harness import command
from page_site import TOKENS, Open, Site, running_site

WAIT_MS = 45_000.0
"""How long a page may take for what must come; generous, because the processors are shared."""
NOT_SIGNED_IN = "status of 401"
"""What browsers say of the answer that makes the page ask for a token."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        expect.set_options(timeout=WAIT_MS)
        started = playwright.chromium.launch(executable_path=command("chromium"), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def open_page(site: Site, browser: Browser) -> Iterator[Open]:
    """Opens the page as somebody who has signed in. At the end nothing may be amiss in its console."""
    contexts: list[BrowserContext] = []
    amiss: list[str] = []
    expected = [NOT_SIGNED_IN]

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(text in message.text for text in expected):
            amiss.append(f"{message.text} {message.location}")

    def open_as(name: str, path: str = "", *, errors: tuple[str, ...] = (), **options: Any) -> Page:
        expected.extend(errors)
        context = browser.new_context(**{"viewport": {"width": 1100, "height": 800}} | options)
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.on("console", heard)
        page.on("pageerror", lambda error: amiss.append(str(error)))
        page.goto(site.address + path)
        page.get_by_label("Your token").fill(TOKENS[name])
        page.get_by_role("button", name="Sign in").click()
        page.get_by_text(f"{name} (").wait_for()
        return page

    yield open_as
    for context in contexts:
        context.close()
    assert amiss == []


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text()
