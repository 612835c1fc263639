"""What docs/prometheus.md says is done: with Debian's Prometheus and node exporter, promtool and systemd-analyze."""

import json
import re
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.cli.console import ROOT, Desk
from tests.cli.recording_server import record_requests
from tests.lab.requirements import program
from tests.lab.wait_until import wait_until

PAGE = ROOT / "docs" / "prometheus.md"
RULES = ROOT / "docs" / "prometheus-alerts.yml"


def read_blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def find_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def serve(*command: str, folder: Path) -> Iterator[None]:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def ask(port: int, query: str) -> list[dict[str, object]]:
    """What a Prometheus answers to a query; nothing while it is not there yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={quote(query)}", timeout=60) as answer:
            found: list[dict[str, object]] = json.load(answer)["data"]["result"]
    except OSError:
        return []
    return found


@pytest.mark.prometheus
def test_a_real_prometheus_scrapes_what_a_tick_wrote(used_desk: Desk) -> None:
    folder = used_desk.folder
    (folder / "texts").mkdir()
    [sink, per_node, _ping] = read_blocks("toml")
    assert "per_node = true" in per_node
    place = "/var/lib/prometheus/node-exporter/"
    own = f"{sink.replace(place, f'{folder}/texts/')}per_node = true\n"
    used_desk.config.write_text(used_desk.config.read_text() + own)
    used_desk.ok("tick")
    exporter, server = find_port(), find_port()
    [config] = read_blocks("yaml")
    config = config.replace("localhost:9100", f"127.0.0.1:{exporter}")
    config = config.replace("job_name: node", "job_name: node\n    scrape_interval: 1s")
    (folder / "prometheus.yml").write_text(config)
    shutil.copy(RULES, folder)
    texts = f"--collector.textfile.directory={folder}/texts"
    here = f"--web.listen-address=127.0.0.1:{exporter}"
    with (
        serve(
            program("prometheus-node-exporter"),
            "--collector.disable-defaults",
            "--collector.textfile",
            texts,
            here,
            folder=folder,
        ),
        serve(
            program("prometheus"),
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{server}",
            folder=folder,
        ),
    ):
        is_there = wait_until(lambda: bool(ask(server, "plabctl_window_size")), within_s=60.0, every_s=0.2)
        assert is_there, (folder / "log").read_text()
        [usable] = ask(server, 'sum(plabctl_nodes_usable{pool="good"})')
        [error] = ask(server, "node_textfile_scrape_error")
        [why] = ask(server, "plabctl_node_usable == 0 and on (node) plabctl_node_info{cause='setup'}")

    assert usable["value"][1] == "1"  # type: ignore[index]  # an instant and a value
    assert error["value"][1] == "0"  # type: ignore[index]
    assert why["metric"]["node"] == "pc2"  # type: ignore[index]


def test_the_ping_of_the_page_is_sent(used_desk: Desk) -> None:
    [*_, ping] = read_blocks("toml")
    file = used_desk.folder / "ping.url"
    with record_requests() as server:
        file.write_text(f"{server.url}/uuid\n")
        file.chmod(0o600)
        used_desk.config.write_text(used_desk.config.read_text() + ping.replace("/etc/plabctl/ping.url", str(file)))
        used_desk.ok("config", "check")
        used_desk.ok("tick")

    assert [path.partition("?")[0] for path in server.asked] == ["/uuid/start", "/uuid/0"]


@pytest.mark.prometheus
def test_each_alert_comes_when_it_should(tmp_path: Path) -> None:
    tests = (Path(__file__).parent / "prometheus_alerts_test.yml").read_text()
    (tmp_path / "tests.yml").write_text(tests.replace("[RULES]", f"[{RULES}]"))
    done = subprocess.run(
        ["promtool", "test", "rules", "tests.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    names = re.findall(r"- alert: (\w+)", RULES.read_text())
    assert [name for name in names if name not in tests] == []
    assert re.findall(r"^\| `(Plabctl\w+)` \|", PAGE.read_text(), re.MULTILINE) == names


def test_every_metric_is_explained(used_desk: Desk) -> None:
    text = PAGE.read_text()
    names = re.findall(r"^# TYPE (\w+) ", used_desk.ok("metrics", "--per-node"), re.MULTILINE)
    counted = {name: f"`{name.removeprefix('plabctl_nodes')}`" for name in names if name.startswith("plabctl_nodes_")}

    assert len(names) > 20
    assert [name for name in names if name not in text and counted.get(name, name) not in text] == []


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    told, failed = read_blocks("ini")
    service = (ROOT / "cron" / "plabctl@.service").read_text().replace("User=plab\n", "")
    units = {
        "plabctl@0.service": service,
        "plabctl@0.service.d/told.conf": told,
        "plabctl-failed@0.service": failed,
    }
    for name, text in units.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text.replace("/usr/bin/plabctl", "/bin/true"))
    names = [str(tmp_path / name) for name in units if name.endswith(".service")]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, [line for line in done.stderr.splitlines() if "plabctl" in line]) == (0, [])
