"""A real browser in front of the gateway: Debian's Chromium, driven by Playwright.

The headless shell renders the same pages as the browser with windows, in a quarter of its time.

Whatever a page writes to the console, what its policy blocks and what it fails
to load fails the test. `SCREENSHOTS=folder` keeps the pictures that tests take.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server
from werkzeug.wsgi import ClosingIterator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
# Root has no sandbox; the other arguments keep it from calling home.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
]
PHONE = {"width": 320, "height": 640}
DESK = {"width": 1280, "height": 900}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a Chromium; raises where none is installed."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise RuntimeError("No browser for the tests: apt-get install chromium-headless-shell")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


class Windows:
    """Opens windows of one browser, and records what goes wrong in them."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.wrong: list[str] = []
        self._contexts: list[Any] = []

    def open(self, size: dict[str, int] = DESK, **options: Any) -> Page:
        """Open a window with cookies of its own; the options are Playwright's for a new context."""
        context = self.browser.new_context(viewport=size, **options)  # type: ignore[arg-type]
        context.set_default_timeout(15_000)
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: self._note_console(said.type, said.text))
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("requestfailed", lambda sent: self._note_failure(sent.url, sent.failure))
        return page

    def _note_console(self, kind: str, text: str) -> None:
        # The console reports 4xx pages too; their contents are checked by the tests.
        if kind in ("error", "warning") and "server responded with a status of 4" not in text:
            self.wrong.append(f"{kind}: {text}")

    def _note_failure(self, url: str, why: str | None) -> None:
        # Leaving a page aborts what it was still loading.
        if why != "net::ERR_ABORTED":
            self.wrong.append(f"failed: {url} {why}")

    def close(self) -> None:
        """Close all windows; fail if anything went wrong in one."""
        for context in self._contexts:
            context.close()
        assert self.wrong == []


@contextmanager
def serve_app(app: Flask) -> Iterator[str]:
    """Serve an application to a browser, and yield its address."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        # werkzeug leaves the file of an answer open if the browser disconnects at its end.
        with closing(ClosingIterator(app(environ, start_response))) as parts:
            return [b"".join(parts)]

    server = make_server("127.0.0.1", 0, answer, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def save_picture(page: Page, name: str) -> None:
    """Keep a picture of the whole page, if SCREENSHOTS names a folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
