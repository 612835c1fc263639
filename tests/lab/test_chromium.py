"""The browser of the laboratory is real: it runs scripts or not, sees colours, tells what went wrong, and ends."""

import base64
import hashlib
import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.lab.chromium import Browser
from tests.lab.wait_until import wait_until

pytestmark = pytest.mark.chromium

_PAGE = """<!doctype html><meta charset="utf-8"><title>t</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'sha256-{hash}'; img-src http:">
<p id="p">text</p><script>{script}</script>{more}"""
_SCRIPT = 'document.getElementById("p").textContent = "script"'


def write(folder: Path, more: str = "") -> Path:
    page = folder / "page.html"
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    page.write_text(_PAGE.format(hash=digest, script=_SCRIPT, more=more))
    return page


def test_a_page_is_run_with_and_without_its_script_and_nothing_is_told(tmp_path: Path, chromium: Browser) -> None:
    page = write(tmp_path)

    with chromium.open(page) as opened:
        assert opened.evaluate("document.getElementById('p').textContent") == "script"
        assert opened.requests == [page.as_uri()]
        assert opened.errors == []
    with chromium.open(page, script=False) as opened:
        assert opened.evaluate("document.getElementById('p').textContent") == "text"


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ("<script>document.title = 'x'</script>", "Content Security Policy"),
        ("<p style='color:red'>", "Content Security Policy"),
        ("<img src='http://127.0.0.1:9/x.png'>", "ERR_"),
    ],
)
def test_what_goes_wrong_is_told(tmp_path: Path, chromium: Browser, more: str, word: str) -> None:
    with chromium.open(write(tmp_path, more)) as opened:
        assert word in " ".join(opened.errors)
        assert len(opened.requests) == 1 + ("img" in more)


def test_width_and_scheme_are_what_was_asked_for_and_pictures_are_as_large(tmp_path: Path, chromium: Browser) -> None:
    with chromium.open(write(tmp_path), width=400, height=300, dark=True, now=77.5) as opened:
        assert opened.evaluate("Date.now()") == 77500
        assert opened.evaluate("[innerWidth, matchMedia('(prefers-color-scheme:dark)').matches]") == [400, True]
        assert struct.unpack(">II", opened.take_picture(whole=False)[16:24]) == (400, 300)
        assert opened.print_pdf().startswith(b"%PDF")
    with chromium.open(write(tmp_path)) as opened:
        assert opened.evaluate("matchMedia('(prefers-color-scheme:dark)').matches") is False
        assert abs(opened.evaluate("Date.now() / 1000") - time.time()) < 600
        with pytest.raises(RuntimeError, match="nothing is not defined"):
            opened.evaluate("nothing")


def test_it_ends_with_tests_that_are_killed() -> None:
    code = (
        "import os, signal\n"
        "from tests.lab.chromium import run_chromium\n"
        "with run_chromium() as browser:\n"
        "    print(browser._process.pid, flush=True)\n"
        "    browser.call('Browser.getVersion')\n"
        "    print('ready', flush=True)\n"
        "    input()\n"
    )
    folder = tempfile.TemporaryDirectory(prefix="plabctl-")  # the name of a socket in it is short enough
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": folder.name},
    )
    try:
        assert process.stdout
        pid = int(process.stdout.readline())
        assert process.stdout.readline() == b"ready\n"
        process.kill()
        assert wait_until(lambda: not _is_running(pid))
    finally:
        process.kill()
        process.communicate()
        folder.cleanup()


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False
