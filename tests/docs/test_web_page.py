"""The configuration and the web server of docs/page.md are put in place as they stand there, and the page is served."""

import re
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

from tests.cli.console import CONFIG, Desk
from tests.docs.pages import DOCS

TEXT = (DOCS / "page.md").read_text()
PLACE = "/var/lib/plabctl-page"


def find_block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def fetch(url: str) -> tuple[str, str]:
    """The type and the text of what is there; the server may take a moment to listen."""
    end = time.monotonic() + 60
    while True:
        try:
            with urlopen(url, timeout=60) as answer:
                return answer.headers.get_content_type(), answer.read().decode()
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_the_tick_writes_the_page_and_the_server_of_the_page_serves_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.config.write_text(CONFIG + find_block("toml").replace(PLACE, "page"))
    desk.ok("node", "add", "pc1")
    desk.ok("tick")
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    command = find_block("sh").replace(PLACE, f"{tmp_path}/page").replace("8000", str(port))
    words = [sys.executable, *shlex.split(command)[1:]]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            kind, text = fetch(f"http://127.0.0.1:{port}/")
            assert kind == "text/html"
            assert "<h1><bdi>North lab</bdi></h1>" in text
            assert "pc1" in fetch(f"http://127.0.0.1:{port}/node/pc1.html")[1]
            assert fetch(f"http://127.0.0.1:{port}/badge/good.svg")[0] == "image/svg+xml"
        finally:
            server.kill()
