"""A real Chromium without a window, told over its DevTools pipe what to do: no driver, no library, no port.

I/O. It runs pages as a person's browser does, and says what nobody sees: errors on the console, and requests. It ends
when the pipe is closed, so also with tests that are killed. It starts in a second; `tests/conftest.py` keeps one for
all tests of a run.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.lab.requirements import program

_PATIENCE_S = 60.0
_OPTIONS = (
    "--headless",
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
)
_PLACE = 'exec {a}<&"$0" {b}>&"$1" 3<&"$a" 4>&"$b"; shift; exec "$@"'
"""For bash: it listens on descriptor 3 and answers on 4, whatever the numbers are that we have given it."""


@dataclass
class Page:
    """A page that was loaded, and what happened meanwhile."""

    browser: Browser
    session: str
    errors: list[str] = field(default_factory=list)
    """What stands on the console as an error or a warning: scripts that failed, what the policy of the page forbade."""
    requests: list[str] = field(default_factory=list)
    """All addresses that were asked for, the page itself first."""

    def call(self, method: str, **parameters: object) -> Any:
        """Return what DevTools answer; raise RuntimeError when they refuse."""
        return self.browser.call(method, self.session, **parameters)

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page, also where the page itself may run no script."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"].get("exception", {}).get("description", answer)))
        return answer["result"].get("value")

    def take_picture(self, *, whole: bool = True) -> bytes:
        """Return the page as PNG: all of it, or what is seen without scrolling."""
        clip = {}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **clip)
        return base64.b64decode(answer["data"])

    def print_pdf(self) -> bytes:
        """Return the page as it is printed."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=False)["data"])


class Browser:
    """A browser whose files lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._to = self._from = -1
        self._buffer = b""
        self._number = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._pages: dict[str, Page] = {}
        self._loaded: set[str] = set()

    def __enter__(self) -> Self:
        listened, self._to = os.pipe()
        self._from, answered = os.pipe()

        command = [program("chromium"), *_OPTIONS, f"--user-data-dir={self._folder}", "about:blank"]
        try:
            self._process = subprocess.Popen(
                ["bash", "-c", _PLACE, str(listened), str(answered), *command],
                env={**os.environ, "HOME": str(self._folder), "TZ": "UTC", "LANG": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(listened, answered),
            )
        except BaseException:
            self._close_pipes()
            raise
        finally:
            os.close(listened)
            os.close(answered)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._close_pipes()
        if self._process:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @contextmanager
    def open(
        self,
        address: str | Path,
        *,
        width: int = 1400,
        height: int = 1000,
        dark: bool = False,
        script: bool = True,
        now: float | None = None,
    ) -> Iterator[Page]:
        """Open a page, wait until it is loaded, and close it in the end; its scripts take `now` for the time."""
        url = address.absolute().as_uri() if isinstance(address, Path) else address
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        try:
            for domain in ("Page", "Runtime", "Log", "Network"):
                page.call(f"{domain}.enable")
            page.call(
                "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
            )
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            page.call("Emulation.setEmulatedMedia", media="", features=[scheme])
            page.call("Emulation.setScriptExecutionDisabled", value=not script)
            if now is not None:
                page.call("Page.addScriptToEvaluateOnNewDocument", source=f"Date.now = () => {now * 1000}")
            self._pages[session] = page
            answer = page.call("Page.navigate", url=url)
            assert "errorText" not in answer, f"{url}: {answer['errorText']}"
            self._wait(lambda: session in self._loaded, f"{url} to be loaded")
            yield page
        finally:
            self._pages.pop(session, None)
            self.call("Target.disposeBrowserContext", browserContextId=context)

    def call(self, method: str, session: str | None = None, **parameters: object) -> Any:
        """Return what DevTools answer; raise RuntimeError when they refuse."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        self._wait(lambda: number in self._answers, method)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error'].get('message')}")
        return answer["result"]

    def _wait(self, is_so: Any, what: str) -> None:
        """Read what the browser tells until `is_so`; raise TimeoutError when that takes too long."""
        until = time.monotonic() + _PATIENCE_S
        while not is_so():
            ready, _, _ = select.select([self._from], [], [], max(0.0, until - time.monotonic()))
            data = os.read(self._from, 65536) if ready else b""
            if not data:
                raise TimeoutError(f"chromium {'ended' if ready else 'was waited for too long'}: {what}")
            self._buffer += data
            *messages, self._buffer = self._buffer.split(b"\0")
            for message in messages:
                self._take(json.loads(message))

    def _take(self, message: Mapping[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = dict(message)
            return
        session, told = str(message.get("sessionId")), message["params"]
        if message["method"] == "Page.loadEventFired":
            self._loaded.add(session)
        if page := self._pages.get(session):
            match message["method"]:
                case "Network.requestWillBeSent":
                    page.requests.append(told["request"]["url"])
                case "Runtime.exceptionThrown":
                    page.errors.append(str(told["exceptionDetails"].get("exception", {}).get("description")))
                case "Runtime.consoleAPICalled" if told["type"] in {"error", "warning", "assert"}:
                    page.errors.append(" ".join(str(part.get("value")) for part in told["args"]))
                case "Log.entryAdded" if told["entry"]["level"] in {"error", "warning"}:
                    page.errors.append(told["entry"]["text"])

    def _close_pipes(self) -> None:
        for fd in (self._to, self._from):
            if fd >= 0:
                os.close(fd)
        self._to = self._from = -1


@contextmanager
def run_chromium() -> Iterator[Browser]:
    """Run a browser with a folder of its own."""
    folder = tempfile.mkdtemp(prefix="plabctl-chromium-")
    try:
        with Browser(Path(folder)) as browser:
            yield browser
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # what it still writes in its last moment does no harm
