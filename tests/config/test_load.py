from dataclasses import replace
from pathlib import Path

import pytest

from plabctl.config.load import load
from plabctl.config.locate import MAX_BYTES
from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.base import Backoff
from plabctl.core.backoffs.exponential import EXPONENTIAL
from plabctl.core.pools.bad import BAD
from plabctl.core.pools.good import GOOD, GoodOptions
from plabctl.core.recipe import Become, Recipe, Stage, Transport
from plabctl.core.settings import (
    FlapSettings,
    GuardSettings,
    GuardThen,
    HostKeys,
    PoolSettings,
    SshSettings,
)
from plabctl.errors import ConfigError
from plabctl.kinds import Builtin, find_builtin
from tests.builders import make_hook, make_inventory
from tests.config.loading import ENVIRON, faults_of, load_text


def bad_files() -> list[tuple[str, list[str]]]:
    """The cases of bad_files.txt: the text of a config file, and the faults it must be told."""
    cases = (Path(__file__).parent / "bad_files.txt").read_text().split("\n\n")[1:]
    return [
        (text + "\n", ["plabctl.toml" + (fault if fault[0] == ":" else f": {fault}") for fault in faults])
        for text, *faults in (case.strip().split("\n--> ") for case in cases if case.strip())
    ]


FULL = """
state_dir = "state"
window = 7
max_load = 2.5
entry_pool = "down"

[ssh]
user = "probe"
port = 2222
key = "keys/id"
known_hosts = "/etc/hosts.known"
host_keys = "first-use"
connect_timeout = "1m30s"
not_ready_for = "1h"
output_limit = "1MiB"
use_ssh_config = true

[pool.up]
kind = "good"
on_fail = "down"
recipe = "shell"
backoff = { kind = "exponential", base = "1m", step = 0, max = "2h", jitter = "500ms" }
confirm = 2
[pool.down]
kind = "bad"
on_pass = "up"

[recipe.shell]
transport = "local"
setup = { run = "true", timeout = "5s" }
up = { script = "bin/up.sh", every = "2s" }
check = { run = "false" }
teardown = { run = "rm -rf {vnode}" }
teardown_required = true

[flap]
half_life = "1d"
max_passes = 3
apart = "10s"

[guard]
max_ratio = 0.5
min_tested = 4
within = "5m"
site_label = "rack"
canary = ["gw:22", "[::1]:22"]
max_age = "10m"
then = "leave"

[[inventory]]
kind = "file"
path = "nodes.txt"
[[inventory]]
kind = "command"
command = ["./list", "--all"]
every = "1h"
timeout = "3s"

[[hook]]
on = ["transition", "hold"]
command = ["logger", "-t", "a/b"]
timeout = "1s"
"""


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    settings = load_text(tmp_path, "")

    assert settings.pools == {
        "good": PoolSettings("good", GOOD, "bad", options=GoodOptions()),
        "bad": PoolSettings("bad", BAD, "good"),
    }
    assert settings.recipes == Builtin("recipe")
    assert (settings.window, settings.max_load, settings.entry_pool) == (40, 0.0, "bad")
    assert (settings.flap, settings.guard) == (FlapSettings(), GuardSettings())
    assert (settings.inventories, settings.hooks) == ((), ())
    assert settings.path == str(tmp_path / "plabctl.toml")
    assert replace(settings.ssh, known_hosts="") == SshSettings()
    assert settings.ssh.known_hosts == f"{settings.state_dir}/known_hosts"


def test_every_key_arrives_where_it_belongs(tmp_path: Path) -> None:
    settings = load_text(tmp_path, FULL)

    assert settings.state_dir == f"{tmp_path}/state"
    assert (settings.window, settings.max_load, settings.entry_pool) == (7, 2.5, "down")
    assert settings.ssh == SshSettings(
        "probe",
        2222,
        f"{tmp_path}/keys/id",
        "/etc/hosts.known",
        HostKeys.FIRST_USE,
        90.0,
        1024**2,
        use_ssh_config=True,
        not_ready_for_s=3600.0,
    )
    assert settings.pools == {
        "up": PoolSettings(
            "up", GOOD, "down", "shell", Backoff(EXPONENTIAL, 60.0, 0.0, 7200.0, 0.5), options=GoodOptions(confirm=2)
        ),
        "down": PoolSettings("down", BAD, "up"),
    }
    assert settings.recipes["shell"] == Recipe(
        "shell",
        Transport.LOCAL,
        setup=Stage(run="true", timeout_s=5.0),
        up=Stage(script=f"{tmp_path}/bin/up.sh", timeout_s=600.0, every_s=2.0),
        check=Stage(run="false", timeout_s=60.0),
        teardown=Stage(run="rm -rf {vnode}", timeout_s=300.0),
        teardown_required=True,
    )
    assert settings.flap == FlapSettings(86400.0, 3, 10.0)
    assert settings.guard == GuardSettings(0.5, 4, 300.0, "rack", ("gw:22", "[::1]:22"), 600.0, GuardThen.LEAVE)
    assert settings.inventories == (
        replace(
            make_inventory("file", path=f"{tmp_path}/nodes.txt"),
            name="file:nodes.txt",
            aliases=(f"file:{tmp_path}/nodes.txt",),
        ),
        replace(
            make_inventory("command", command=(f"{tmp_path}/list", "--all"), every_s=3600.0, timeout_s=3.0),
            name="command:list",
            aliases=(f"command:{tmp_path}/list --all",),
        ),
    )
    assert settings.hooks == (make_hook(("transition", "hold"), ("logger", "-t", "a/b"), 1.0),)


@pytest.mark.parametrize(("text", "faults"), bad_files())
def test_each_fault_is_told_with_its_place_and_what_is_allowed(tmp_path: Path, text: str, faults: list[str]) -> None:
    assert faults_of(tmp_path, text) == faults


def test_a_recipe_of_the_file_replaces_the_built_in_one_whole(tmp_path: Path) -> None:
    settings = load_text(tmp_path, '[recipe.process]\ncheck = { run = "uptime" }')

    assert settings.recipes["process"] == Recipe("process", check=Stage(run="uptime", timeout_s=60.0))
    assert settings.recipes["command"] == find_builtin("recipe", "command")


def test_a_table_that_only_says_as_whom_keeps_the_stages_of_the_recipe_of_that_name(tmp_path: Path) -> None:
    settings = load_text(tmp_path, '[recipe.netns]\nbecome = "sudo"\nteardown_required = true')

    netns = find_builtin("recipe", "netns")
    assert settings.recipes["netns"] == replace(netns, become=Become.SUDO, teardown_required=True)
    assert netns.become is Become.NONE


def test_a_back_off_may_begin_at_its_cap(tmp_path: Path) -> None:
    settings = load_text(tmp_path, '[pool.good]\nbackoff = { base = "1h" }\n[pool.bad]')

    assert settings.pools["good"].backoff == Backoff(ADDITIVE, base_s=3600.0)


def test_pools_of_other_names_need_no_more_than_their_kind(tmp_path: Path) -> None:
    settings = load_text(tmp_path, '[pool.prod]\nkind = "good"\n[pool.hwdown]\nkind = "bad"')

    assert settings.pools["prod"].goes_to == "hwdown"
    assert settings.pools["hwdown"].goes_to == "prod"
    assert settings.entry_pool == "hwdown"


def test_keys_of_a_kind_that_the_name_of_the_pool_stands_for_are_taken(tmp_path: Path) -> None:
    pools = load_text(
        tmp_path,
        '[pool.good]\nconfirm = 2\non_fail = "worn"\n[pool.bad]\non_pass = "good"\n[pool.worn]\nkind = "bad"\n',
    ).pools

    assert pools["good"].options == GoodOptions(confirm=2)
    assert {name: pool.goes_to for name, pool in pools.items()} == {"good": "worn", "bad": "good", "worn": "good"}


def test_the_digest_tells_one_content_from_another(tmp_path: Path) -> None:
    first = load_text(tmp_path, "window = 3").digest

    assert load_text(tmp_path, "window = 4").digest != first
    assert load_text(tmp_path, "window = 3").digest == first


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "plabctl.toml"
    path.write_bytes(b"\xef\xbb\xbfwindow = 3\r\n[ssh]\r\nport = 23\r\n")

    settings = load(str(path), ENVIRON)

    assert (settings.window, settings.ssh.port) == (3, 23)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"window = 3\n# caf\xe9\n", "{path}:2: not UTF-8"),
        (b"window = 3\n\0\n", "{path}:2: not TOML: invalid statement (column 1)"),
        (b"a = " + b"[" * 20_000, "{path}: not TOML: nested too deeply"),
        (b" " * (MAX_BYTES + 1), "{path}: more than 1 MiB is not a config file"),
    ],
    ids=["latin1", "nul", "deep", "huge"],
)
def test_a_file_that_is_no_text_of_ours_is_refused_in_one_line(tmp_path: Path, raw: bytes, fault: str) -> None:
    path = tmp_path / "plabctl.toml"
    path.write_bytes(raw)

    with pytest.raises(ConfigError) as caught:
        load(str(path), ENVIRON)

    assert caught.value.faults == (fault.format(path=path),)


def test_a_folder_is_no_config_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory, not a config file"):
        load(str(tmp_path), ENVIRON)


def test_loading_changes_nothing(tmp_path: Path) -> None:
    load_text(tmp_path, FULL)

    assert [path.name for path in tmp_path.iterdir()] == ["plabctl.toml"]


def test_a_source_of_nodes_has_a_name_that_does_not_change_when_it_moves(tmp_path: Path) -> None:
    text = """
        [[inventory]]
        kind = "file"
        path = "a/nodes.txt"
        [[inventory]]
        kind = "file"
        path = "b/nodes.txt"
        [[inventory]]
        kind = "file"
        path = "c/racks.txt"
        [[inventory]]
        kind = "file"
        path = "d/more.txt"
        name = "more"
        """
    (tmp_path / "plabctl.toml").write_text(text)

    found = load(str(tmp_path / "plabctl.toml"), {}).inventories

    assert [each.name.replace(str(tmp_path), "") for each in found] == [
        "file:/a/nodes.txt",  # two would have the same name
        "file:/b/nodes.txt",
        "file:racks.txt",
        "more",
    ]
    assert found[3].aliases == ("file:more.txt", f"file:{tmp_path}/d/more.txt")
