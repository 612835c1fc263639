"""`plabctl export --from SOURCE`: the nodes of several monitors for other tools."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.console import CONFIG, Desk
from tests.cli.monitors import BOTH, WITH_MONITORS, alter, document, iso

pytestmark = WITH_MONITORS
SSH = '\n[ssh]\nuser = "{user}"\nkey = "/k/{user}"\njump = ["plab@gate"]\n'


@pytest.fixture
def own(sites: Path, tmp_path: Path) -> Desk:
    """A machine with both installations, each of which has a key and a user of its own."""
    (tmp_path / "own").mkdir()
    desk = Desk(tmp_path / "own")
    desk.config.unlink()
    for name in ("lyon", "nancy"):
        shutil.copytree(sites / name, desk.folder / name, ignore=shutil.ignore_patterns("page"))
        (desk.folder / name / "plabctl.toml").write_text(CONFIG + SSH.format(user=name))
    return desk


INSTALLED = ("--from", "lyon=lyon/plabctl.toml", "--from", "nancy=nancy/state")


def read_groups(desk: Desk, *arguments: str) -> dict[str, list[str]]:
    """The nodes of each group of Ansible that has any."""
    listing = json.loads(desk.run("export", "ansible", *arguments).out)
    return {name: each["hosts"] for name, each in listing.items() if each.get("hosts")}


def test_groups_are_over_all_and_each_monitor_is_one(far: Desk) -> None:
    groups = read_groups(far, *BOTH, "--by", "rack")

    assert groups["plab_usable"] == groups["plab_pool_good"] == ["a1", "pc1"]
    assert groups["plab_unusable"] == groups["plab_pool_bad"] == ["a2", "pc2"]
    assert groups["plab_monitor_lyon"] == groups["plab_site_lyon"] == ["pc1", "pc2"]
    assert groups["plab_label_rack_r1"] == ["a1", "a2", "pc1", "pc2"]
    assert far.ok("export", "nodeset", *BOTH, "--group", "usable") == "a1,pc1\n"
    assert far.ok("export", "nodeset", *BOTH, "--group", "monitor=nancy") == "a[1-2]\n"
    assert far.ok("export", "nodeset", *BOTH, "--groups-of", "A2").split() == [
        "unusable", "bad", "site=nancy", "monitor=nancy",
    ]  # fmt: skip


def test_one_without_a_name_is_as_on_its_machine(sites: Path, far: Desk, own: Desk) -> None:
    here = Desk(sites / "lyon")

    assert far.ok("export", "nodeset", "--from", "lyon") == here.ok("export", "nodeset")
    assert far.run("export", "csv", "--from", "lyon").out == here.ok("export", "csv")
    assert far.ok("export", "csv", "--from", f"{sites}/lyon/state") == here.ok("export", "csv")
    config = ("--config", "lyon/plabctl.toml")
    for form in ("ansible", "ssh-config"):
        assert own.ok("export", form, "--from", "lyon/plabctl.toml") == own.ok("export", form, *config)


def test_the_way_is_that_of_each_installation(own: Desk) -> None:
    hosts = json.loads(own.ok("export", "ansible", *INSTALLED))["_meta"]["hostvars"]
    blocks = own.ok("export", "ssh-config", *INSTALLED, "@usable").split("\n\n")

    assert [(hosts[name]["ansible_user"], hosts[name]["plab_monitor"]) for name in ("pc1", "a1")] == [
        ("lyon", "lyon"), ("nancy", "nancy"),
    ]  # fmt: skip
    assert hosts["a1"]["ansible_ssh_private_key_file"] == "/k/nancy"
    assert [block.splitlines()[0] for block in blocks[1:]] == [
        "Host plabctl-jump-gate", "Host plabctl-jump-gate-2", "Host a1", "Host pc1",
    ]  # fmt: skip
    by_name = {block.splitlines()[0]: block for block in blocks[1:]}
    for name, user in (("a1", "nancy"), ("pc1", "lyon")):
        block = by_name[f"Host {name}"]
        assert f"    User {user}\n" in block
        assert f"{own.folder}/{user}/state/known_hosts" in block
        jump = next(line for line in block.splitlines() if "ProxyJump" in line).split()[-1]
        assert f"{own.folder}/{user}/state/known_hosts" in by_name[f"Host {jump}"], "each trusts its own host keys"
    assert own.ok("export", "csv", *INSTALLED).splitlines()[:2] == ["name,site,monitor,rack", "a1,nancy,nancy,r1"]
    assert json.loads(own.ok("export", "ansible", *INSTALLED, "--host", "A1"))["ansible_user"] == "nancy"


def test_a_status_does_not_say_how_its_nodes_are_reached(far: Desk, own: Desk) -> None:
    shutil.copytree(far.folder / "nancy", own.folder / "page", dirs_exist_ok=True)
    mixed = ("--from", "lyon=lyon/plabctl.toml", "--from", "page")
    words = "plabctl: page: its status does not say how its nodes are reached\n"

    inventory, blocks, alone = (
        own.run("export", *arguments)
        for arguments in (("ansible", *mixed), ("ssh-config", *mixed), ("ssh-config", "--from", "page"))
    )

    assert (inventory.code, inventory.err) == (0, words), "the groups are there all the same"
    assert json.loads(inventory.out)["_meta"]["hostvars"]["a1"] == {
        "plab_labels": {"rack": "r1"}, "plab_monitor": "page", "plab_pool": "good", "plab_site": "nancy",
        "plab_usable": True,
    }  # fmt: skip
    assert (blocks.code, blocks.err) == (1, words)
    assert ("Host pc1\n" in blocks.out, "Host a1\n" in blocks.out) == (True, False)
    assert (alone.code, alone.out) == (74, "")
    assert alone.err.startswith("plabctl: its status does not say how its nodes are reached\n")
    assert own.run("export", "csv", *mixed).err == words
    assert own.run("export", "nodeset", *mixed).err == ""


def test_a_node_that_two_claim_is_usable_only_if_both_say_so(far: Desk) -> None:
    lyon, nancy = document(far, "lyon")["nodes"], document(far, "nancy")["nodes"]
    alter(far, "nancy", nodes=[*nancy, {**nancy[1], "name": "PC1"}, {**nancy[0], "name": "pc2"}])
    gone = {**nancy[1], "name": "pc1", "absent_since_at": nancy[1]["since_at"]}

    said = far.run("export", "nodeset", *BOTH)
    groups = read_groups(far, *BOTH)

    assert said.code == 0
    assert said.err == "plabctl: 2 nodes are claimed by lyon and nancy: PC1,pc2\n"
    assert (groups["plab_usable"], groups["plab_unusable"]) == (["a1"], ["PC1", "a2", "pc2"])
    assert (groups["plab_monitor_lyon"], groups["plab_monitor_nancy"]) == (["pc2"], ["PC1", "a1", "a2"])
    alter(far, "nancy", nodes=[*nancy, gone])
    said = far.run("export", "nodeset", *BOTH, "pc1", "--group", "usable")
    assert (said.out, said.err) == ("pc1\n", ""), "one that is absent has left"
    assert len(lyon) == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["@usable"], "a1"),
        (["@bad"], "PC1,a2,pc2"),
        (["!@bad"], "a1"),
        (["pc1"], "PC1"),
        (["site=lyon"], "pc2"),
    ],
)
def test_a_node_that_two_claim_is_selected_as_it_is_there(far: Desk, words: list[str], expected: str) -> None:
    nancy = document(far, "nancy")["nodes"]
    both = document(far, "lyon")["nodes"][1]
    alter(far, "nancy", nodes=[*nancy, {**nancy[1], "name": "PC1"}, {**both, "site": "nancy"}])

    assert far.ok("export", "nodeset", *BOTH, *words, "--all") == f"{expected}\n"


def test_a_node_that_two_reach_differently_has_no_way(own: Desk) -> None:
    for name, host in (("lyon", "10.0.0.1"), ("nancy", "10.9.9.9")):
        ways = ("--set", f"ssh_host={host}", "--set", f"rack={name}")
        own.ok("node", "add", "both", *ways, "-q", "--config", f"{name}/plabctl.toml")
        own.ok("node", "add", "same", "-q", "--config", f"{name}/plabctl.toml")

    said = own.run("export", "ssh-config", *INSTALLED)

    assert said.code == 0
    assert said.err.splitlines() == [
        "plabctl: 2 nodes are claimed by lyon and nancy: both,same",
        "plabctl: both: monitors reach it differently, so it is not said how",
    ]
    assert "Host same\n" in said.out
    assert "Host both\n" not in said.out
    assert "Host both\n" not in own.ok("export", "ssh-config", *INSTALLED, "rack=lyon")
    assert "ansible_host" not in json.loads(own.ok("export", "ansible", *INSTALLED, "--host", "both"))


@pytest.mark.parametrize("form", ["ansible", "nodeset", "csv"])
def test_a_name_that_no_node_may_have_reaches_no_tool(far: Desk, form: str) -> None:
    rows = document(far, "nancy")["nodes"]
    odd = ["-oProxyCommand=reboot", "a b", "$(reboot)", "=cmd|x"]
    alter(far, "nancy", nodes=[*rows, *({**rows[0], "name": name} for name in odd)])

    for sources in (BOTH, ("--from", "nancy")):
        said = far.run("export", form, *sources)
        assert said.code == 0
        assert [name for name in ("reboot", "a b", "cmd") if name in said.out] == []
        assert "a1" in said.out or "a[1-2]" in said.out
        assert "4 nodes left out: nothing may be called " in said.err


@pytest.mark.parametrize("form", ["ansible", "nodeset", "csv"])
def test_what_cannot_be_read_or_is_old_hides_no_other(far: Desk, form: str) -> None:
    alter(far, "nancy", generated_at=iso(1e9))
    asked = ("export", form, "--from", "gone", *BOTH)

    said, lenient, lost = far.run(*asked), far.run(*asked, "--ignore-failed-read"), far.run("export", form, *asked[2:4])
    one = far.run("export", form, "--from", "nancy")

    assert [words for words in ("pc1", "a1") if words not in said.out] == []
    assert said.err.startswith("plabctl: gone: cannot read 'gone': No such file or directory; is plabctl to write it?")
    assert "\nplabctl: nancy: the status is " in said.err
    assert (said.code, lenient.code, lost.code, one.code) == (1, 0, 74, 0)
    assert (lenient.out, lenient.err) == (said.out, said.err)
    assert (lost.out, "cannot read 'gone'" in lost.err) == ("", True)
    assert one.err.startswith("plabctl: the status is ")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["zz"], 1, "no node is named 'zz'"),
        (["@ugly"], 1, "no pool is named 'ugly'"),
        (["--from", "lyon"], 2, "a source is named twice"),
    ],
)
def test_what_none_has_is_refused(far: Desk, arguments: list[str], code: int, words: str) -> None:
    said = far.run("export", "ansible", *BOTH, *arguments)

    assert (said.code, said.out) == (code, "")
    assert words in said.err


def test_programs_that_ask_are_told_by_all_that_can_be_read(far: Desk, tmp_path: Path) -> None:
    """Ansible and ClusterShell take nothing from a program that fails."""
    asked = ("--from", "*y*", "--from", "gone", "@usable", "--by", "rack")

    far.ok("export", "ansible", "--wrapper", "plab", *asked)
    section = far.ok("export", "nodeset", "--source", *asked)
    shutil.rmtree(tmp_path / "nancy")

    call = section.partition("map: ")[2].partition("\n")[0].replace("$GROUP", "usable")
    for command, expected in (([str(tmp_path / "plab"), "--list"], '"pc1"'), (["sh", "-c", call], "pc1\n")):
        done: Any = subprocess.run(
            command, env=far.environ, cwd="/", capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, expected in done.stdout) == (0, True), done
        assert "plabctl: gone: cannot read '" in done.stderr
