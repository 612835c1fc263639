import os
from fnmatch import fnmatch
from pathlib import Path

import pytest

from plabctl.app import diagnose
from plabctl.app.context import open_app
from plabctl.app.findings import Level
from plabctl.core.model import Member, Node
from plabctl.core.state import Changes
from plabctl.errors import Refused


def make_config(folder: Path, text: str = "") -> str:
    path = folder / "plabctl.toml"
    path.write_text(f'state_dir = "state"\n{text}')
    return str(path)


def add(config: str, name: str) -> None:
    app = open_app(config)
    with app.store.session() as session:
        session.apply(Changes(nodes=(Node(name),), members=(Member(name, "bad", 0.0, 0.0),)))


@pytest.mark.root
def test_who_else_may_write_the_configuration_is_told(tmp_path: Path) -> None:
    config = Path(make_config(tmp_path))
    config.chmod(0o664)
    os.chown(config, 65533, 65533)

    said = "\n".join(map(str, diagnose.diagnose(str(config))))

    assert f"warn  config: '{config}' belongs to user 65533" in said
    assert f"warn  config: the group 65533 may write '{config}'" in said


def test_every_fault_of_the_configuration_is_a_line(tmp_path: Path) -> None:
    findings = list(diagnose.diagnose(make_config(tmp_path, "widnow = 3\nmax_laod = 2\n")))

    assert [finding.level for finding in findings] == [Level.FAIL, Level.FAIL]
    assert "widnow" in findings[0].text


def test_all_that_is_looked_at_is_told(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    add(config, "n1")

    topics = [finding.topic for finding in diagnose.diagnose(config)]

    assert topics[:6] == ["config", "state directory", "disk", "state", "lock", "slots"]
    assert {"key", "known hosts", "history", "ticks"} <= set(topics)


def test_before_the_first_tick_cron_is_no_failure(tmp_path: Path) -> None:
    config = make_config(tmp_path)

    assert [str(each) for each in diagnose.diagnose(config) if each.topic == "cron" and each.level is Level.FAIL] == []


def test_the_state_before_the_damage_comes_back(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    add(config, "n1")
    add(config, "n2")
    path = tmp_path / "state" / "state.json"
    damaged = path.read_bytes()[:-9]
    path.write_bytes(damaged)

    done = diagnose.restore(open_app(config))

    assert done.node_count == 2, "nothing is lost: the journal of the previous generation goes on from it"
    assert done.kept
    assert Path(done.kept).read_bytes() == damaged
    assert list(open_app(config).store.snapshot().names()) == ["n1", "n2"]
    with pytest.raises(Refused, match="nothing to restore"):
        diagnose.restore(open_app(config))


def test_every_file_that_is_written_is_listed(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    add(config, "n1")
    add(config, "n2")
    app = open_app(config)
    app.store.beat()
    listed = [path for path, _ in diagnose.list_written_paths(app)]

    written = [str(path) for path in (tmp_path / "state").iterdir()]
    assert [path for path in written if not any(fnmatch(path, own) for own in listed)] == []
