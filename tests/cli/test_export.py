"""`plabctl export`: which nodes are in it, what is told beside it, and that it only reads."""

import json
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from math import inf

import pytest

from plabctl.clock import SystemClock
from plabctl.core.state import Changes
from plabctl.store.store import Store
from plabctl.values import replace
from tests.cli.console import CONFIG, Desk
from tests.cli.test_imports import HEAVY, READING, find_loaded, libraries_in

BUSY = '\n[[occupancy]]\nkind = "command"\nname = "desk"\ncommand = ["echo", "pc1"]\n'
SSH = '\n[ssh]\nuser = "plab"\nkey = "key"\n'


def hosts_of(desk: Desk, group: str, *nodes: str) -> list[str]:
    found = json.loads(desk.ok("export", "ansible", *nodes))[group]["hosts"]
    assert isinstance(found, list)
    return found


def make_absent(desk: Desk, name: str) -> None:
    with Store(desk.folder / "state", SystemClock()).session() as session:
        member = session.member(name)
        assert member
        session.apply(Changes(members=(replace(member, absent_since_at=1.0),)))


def test_states_are_groups(used_desk: Desk) -> None:
    used_desk.config.write_text(CONFIG + BUSY)
    used_desk.ok("node", "add", "pc3")
    used_desk.ok("tick")
    used_desk.ok("hold", "pc3", "--reason", "disk", "-q")

    listing = json.loads(used_desk.ok("export", "ansible"))

    assert {name: each["hosts"] for name, each in listing.items() if each.get("hosts")} == {
        "plab_usable": ["pc1"],
        "plab_unusable": ["pc2", "pc3"],
        "plab_held": ["pc3"],
        "plab_busy": ["pc1"],
        "plab_pool_good": ["pc1", "pc3"],
        "plab_pool_bad": ["pc2"],
        "plab_site_north": ["pc1", "pc2"],
    }
    assert listing["_meta"]["hostvars"]["pc2"]["plab_why_not"] == "in bad"


def test_absent_nodes_are_left_out_but_where_they_are_named(used_desk: Desk) -> None:
    make_absent(used_desk, "pc1")

    assert hosts_of(used_desk, "plab_pool_good") == []
    assert hosts_of(used_desk, "plab_absent", "pc*") == ["pc1"]
    assert "Host pc1\n" not in used_desk.ok("export", "ssh-config")
    assert "Host pc1\n" in used_desk.ok("export", "ssh-config", "pc1")
    assert used_desk.ok("export", "nodeset", "--all") == "pc2\n"
    assert used_desk.ok("export", "csv") == "name,site\npc2,north\n"


@pytest.mark.parametrize("form", ["ansible", "ssh-config", "nodeset", "csv"])
def test_nodes_are_chosen_as_for_status(used_desk: Desk, form: str) -> None:
    shown = used_desk.ok("export", form, "@usable")

    assert "pc1" in shown
    assert "pc2" not in shown
    wrong = used_desk.run("export", form, "pc7")
    assert (wrong.code, wrong.out) == (1, "")
    assert "no node is named 'pc7'" in wrong.err


@pytest.mark.parametrize("form", ["ansible", "ssh-config", "nodeset", "csv"])
def test_it_reads_only_and_waits_for_nobody(used_desk: Desk, form: str) -> None:
    def list_files() -> dict[str, tuple[int, int]]:
        paths = sorted((used_desk.folder / "state").rglob("*"))
        return {str(path): ((found := path.stat()).st_mtime_ns, found.st_ino) for path in paths}

    with Store(used_desk.folder / "state", SystemClock()).session():
        before = list_files()
        used_desk.ok("export", form)

        assert list_files() == before


@pytest.mark.parametrize("form", ["ansible", "ssh-config", "nodeset", "csv"])
def test_without_nodes_there_is_an_empty_one(desk: Desk, form: str) -> None:
    said = desk.run("export", form)

    assert (said.code, said.err) == (0, "")
    assert "pc" not in said.out


@pytest.mark.parametrize("arguments", ["ansible", "ssh-config", "nodeset --list", "csv"])
def test_it_loads_few_libraries(used_desk: Desk, arguments: str) -> None:
    loaded = find_loaded(used_desk, "export", *arguments.split())

    assert libraries_in(loaded) & HEAVY <= READING | {"subprocess", "logging"}
    assert not libraries_in(loaded) & {"fabric", "paramiko", "sqlite3", "rich", "orjson", "tinydb"}
    assert "ClusterShell" not in {name.partition(".")[0] for name in loaded}


def test_one_node_is_told_of_and_no_other(used_desk: Desk) -> None:
    assert json.loads(used_desk.ok("export", "ansible", "--host", "PC1"))["ansible_host"] == "pc1"
    assert used_desk.run("export", "ansible", "--host", "pc7").code == 1


def test_for_people_who_log_in_as_themselves(used_desk: Desk) -> None:
    used_desk.config.write_text(CONFIG + SSH)
    used_desk.ok("node", "set", "pc1", "ssh_jump=plab@gate:23", "-q")

    own = json.loads(used_desk.ok("export", "ansible", "--host", "pc1", "--as-self"))
    blocks = used_desk.ok("export", "ssh-config", "--as-self", "pc1")

    assert {key for key in own if key.startswith("ansible")} == {
        "ansible_host",
        "ansible_port",
        "ansible_ssh_common_args",
    }
    assert own["ansible_ssh_common_args"] == "-o 'ProxyCommand=ssh -p 23 -W '\"'\"'[%h]:%p'\"'\"' gate'"
    assert blocks.splitlines()[2:] == [
        "Host plabctl-jump-gate",
        "    HostName gate",
        "    Port 23",
        "    ProxyJump none",
        "",
        "Host pc1",
        "    HostName pc1",
        "    Port 22",
        "    ProxyJump plabctl-jump-gate",
    ]


def test_what_ssh_cannot_do_is_told(used_desk: Desk) -> None:
    (used_desk.folder / "ca.pub").write_text("")
    used_desk.config.write_text(f'{CONFIG}{SSH}host_ca = ["ca.pub"]\n')

    said = used_desk.run("export", "ssh-config")

    assert said.err.startswith("plabctl: ssh does not read the files of [ssh] host_ca: ")
    assert said.code == 0


def test_names_of_groups_that_collide_are_told(used_desk: Desk) -> None:
    used_desk.ok("node", "set", "pc1", "site=north-1", "-q")
    used_desk.ok("node", "set", "pc2", "site=north 1", "-q")

    said = used_desk.run("export", "ansible")

    assert said.err.startswith("plabctl: several groups would be called plab_site_north_1: ")
    assert said.code == 0
    assert "plab_site_north_1" not in json.loads(said.out)


def test_the_wrapper_calls_with_the_same_nodes_and_options(used_desk: Desk) -> None:
    used_desk.ok("export", "ansible", "--wrapper", "nodes", "--by", "site", "!pc2", "--as-self")

    path = used_desk.folder / "nodes"
    done = subprocess.run(
        [path, "--list"], env=used_desk.environ, cwd="/", capture_output=True, text=True, check=True, timeout=60
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert done.stdout == used_desk.ok("export", "ansible", "--by", "site", "!pc2", "--as-self")
    if checker := shutil.which("shellcheck"):
        subprocess.run([checker, path], check=True, timeout=60)


def test_the_wrapper_is_written_over_nothing(used_desk: Desk) -> None:
    (used_desk.folder / "nodes").write_text("mine")

    said = used_desk.run("export", "ansible", "--wrapper", "nodes")
    missing = used_desk.run("export", "ansible", "--wrapper", "no/nodes")
    assert used_desk.run("export", "ansible", "--wrapper", "").err == "plabctl: --wrapper names no file: ''\n"

    assert (said.code, "nodes exists already" in said.err) == (1, True)
    assert (used_desk.folder / "nodes").read_text() == "mine"
    assert (missing.code, missing.err.splitlines()[0]) == (
        1,
        "plabctl: no/nodes cannot be written: no such file or directory",
    )


def test_clustershell_asks_one_thing_at_a_time(used_desk: Desk) -> None:
    assert used_desk.ok("export", "nodeset", "--group", "usable") == "pc1\n"
    assert used_desk.ok("export", "nodeset", "--group", "held") == ""
    assert used_desk.ok("export", "nodeset", "--groups-of", "pc1").split() == ["usable", "good", "site=north"]
    assert {"all", "usable", "good", "bad", "site=north"} <= set(used_desk.ok("export", "nodeset", "--list").split())
    assert used_desk.run("export", "nodeset", "--group", "no").code == 1
    assert used_desk.run("export", "nodeset", "--all", "--list").code == 2


def test_groups_come_from_a_status_file_too(used_desk: Desk) -> None:
    (used_desk.folder / "status.json").write_text(used_desk.ok("status", "-o", "json"))
    shown, section = (
        used_desk.ok("export", "nodeset"),
        used_desk.ok("export", "nodeset", "--source", "--from", "status.json"),
    )
    used_desk.config.unlink()

    assert used_desk.ok("export", "nodeset", "--from", "status.json") == shown
    assert f"export nodeset --from {used_desk.folder}/status.json --ignore-failed-read --all\n" in section


def test_csv_is_an_inventory(used_desk: Desk) -> None:
    used_desk.ok("node", "set", "pc1", "ssh_host=10.0.0.1", "note==SUM(A1)", "-q")
    before = used_desk.ok("export", "csv")
    (used_desk.folder / "nodes.csv").write_text(before)
    used_desk.ok("node", "rm", "pc*", "--yes", "-q")

    used_desk.ok("node", "import", "nodes.csv", "-q")

    assert before.splitlines()[1] == "pc1,north,10.0.0.1,'=SUM(A1)"
    assert used_desk.ok("export", "csv") == before


MOST_STARTS = 16


def test_a_thousand_nodes_take_a_fifth_of_a_second(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """A start of Python takes 12.5 ms of CPU where one of these takes 0.2 s: 16 times that."""
    desk.config.write_text(f'{CONFIG}{SSH}jump = ["plab@gate"]\n')
    rows = [f"pc{at}.lab ssh_host=10.0.{at // 250}.{at % 250} site=s{at % 20} rack=r{at % 50}" for at in range(1000)]
    desk.ok("node", "import", "-", "-q", stdin="\n".join(rows))
    start = [sys.executable, "-c", "pass"]
    ratios = dict.fromkeys(("ansible --by rack", "ssh-config", "nodeset", "csv"), inf)

    for _ in range(6):  # the least counts: what else the machine does only ever adds
        for words in [each for each, ratio in ratios.items() if ratio >= MOST_STARTS]:
            # Each beside starts of Python of its own, as the machine is busy now and idle then.
            starts_s = (measure_cpu(desk, start) + measure_cpu(desk, start)) / 2
            took_s = measure_cpu(desk, desk.command("export", *words.split()))
            ratios[words] = min(ratios[words], took_s / starts_s)

    with capsys.disabled():
        print("\n", ", ".join(f"{words}: {ratio:.1f}" for words, ratio in ratios.items()))
    assert max(ratios.values()) < MOST_STARTS


def measure_cpu(desk: Desk, call: Sequence[str]) -> float:
    """Return the seconds of CPU that a command takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(call, cwd=desk.folder, env=desk.environ, stdout=subprocess.DEVNULL, check=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
