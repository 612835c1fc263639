"""The configurations of docs/inventories.md for NetBox and PlanetLab are loaded as they stand there, and read nodes."""

import re
from pathlib import Path

import pytest

from tests.cli.console import CONFIG, Desk
from tests.docs.pages import DOCS
from tests.lab.netbox import TOKEN, make_device, make_netbox
from tests.lab.plc import PASSWORD, make_plc
from tests.lab.recording_server import serve

BLOCKS = re.findall(r"^```toml\n(.*?)^```", (DOCS / "inventories.md").read_text(), re.MULTILINE | re.DOTALL)
NETBOX = make_netbox([make_device(1), make_device(2, status={"value": "offline", "label": "Offline"})])


@pytest.mark.parametrize(
    ("kind", "answer", "nodes"),
    [("netbox", NETBOX, ["pc1"]), ("plcapi", make_plc(), ["planetlab1.cs.example.edu", "ple1.example.no"])],
)
def test_a_configuration_of_the_page_lists_nodes(tmp_path: Path, kind: str, answer: object, nodes: list[str]) -> None:
    (block,) = (each for each in BLOCKS if f'kind = "{kind}"' in each)
    desk = Desk(tmp_path)
    for name, secret in (("netbox.token", TOKEN), ("plc.password", PASSWORD)):
        (tmp_path / name).write_text(secret)
        (tmp_path / name).chmod(0o600)
    with serve(answer) as server:  # type: ignore[arg-type]
        desk.config.write_text(CONFIG + re.sub(r"https://[\w.-]+", server.url, block))
        desk.ok("inventory", "sync")

    assert desk.ok("status", "-o", "name").split() == nodes
