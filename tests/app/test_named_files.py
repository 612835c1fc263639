"""What a configuration names is run or believed only if no stranger could change it; commands run in its folder."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from plabctl.app import ssh_check
from plabctl.app.findings import Level
from plabctl.app.last_error import LastError
from plabctl.clock import SystemClock
from plabctl.core.model import Event
from plabctl.core.recipe import Recipe, Stage, Transport
from plabctl.core.settings import Origin, SshSettings
from plabctl.demo.folder import prepare_folder
from plabctl.demo.ticker import Ticker
from plabctl.errors import PlabctlError, Refused
from plabctl.inventories.fetch import fetch
from plabctl.probes.certificate_file import SUFFIX, read_certificate
from plabctl.probes.host_keys import KnownHosts, trust_keys
from plabctl.probes.identities import Identities
from plabctl.probes.known_hosts_lines import HostKey
from plabctl.probes.probe_error import ProbeError
from plabctl.probes.prober import Prober
from plabctl.sinks.base import SinkContext, TellResult
from plabctl.sinks.command import COMMAND
from tests.builders import NOW, make_hook, make_inventory, make_settings
from tests.cli.console import CONFIG
from tests.lab.second_user import SECOND_USER
from tests.probes.jobs import make_assignment

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files to another user")
EVENT = Event("e1", NOW, "transition", "n1", "tick", {})
HOST_KEY = HostKey("ssh-ed25519", b"key")

Use = Callable[[Path, Origin], str]
"""Use the file as a configuration from there does, and return what went wrong."""


def tell(command: tuple[str, ...], origin: Origin) -> TellResult:
    return COMMAND.tell(make_hook(("transition",), command), [EVENT], 30.0, SinkContext("/nowhere", origin))


def as_script(path: Path, origin: Origin) -> str:
    recipe = Recipe("r", transport=Transport.LOCAL, setup=Stage(script=str(path)))
    return Prober(SshSettings(), SystemClock(), None, origin).probe(make_assignment(recipe)).reason


def as_hook(path: Path, origin: Origin) -> str:
    return tell((str(path),), origin).error


def as_source_of_nodes(path: Path, origin: Origin) -> str:
    return fetch(make_inventory("command", command=(str(path),)), origin).fault


def as_ansible_inventory(path: Path, origin: Origin) -> str:
    return fetch(make_inventory("ansible", path=str(path)), origin).fault


def as_list_of_nodes(path: Path, origin: Origin) -> str:
    return fetch(make_inventory("file", path=str(path)), origin).fault


def as_token(path: Path, origin: Origin) -> str:
    own = make_inventory("netbox", url="http://127.0.0.1:1", filter=(("role", ("compute",)),), token_file=str(path))
    return fetch(own, origin).fault


def as_key(path: Path, origin: Origin) -> str:
    (finding,) = ssh_check.check(make_settings(ssh=SshSettings(key=str(path)), origin=origin, recipes=OVER_SSH), ())
    try:
        Identities(SshSettings(key=str(path)), SystemClock()).find()
    except ProbeError as probe_error:
        assert finding.level is Level.FAIL
        return probe_error.reason
    return ""


def as_certificate(path: Path, origin: Origin) -> str:
    """Use it as the certificate beside a key, which is in the same folder."""
    del origin
    beside = path.parent / f"key{SUFFIX}"
    beside.unlink(missing_ok=True)
    path.rename(beside)
    try:
        found = read_certificate(str(path.parent / "key"))
    finally:
        beside.rename(path)
    return found.fault if found else ""


def as_known_hosts(path: Path, origin: Origin) -> str:
    try:
        KnownHosts(path, origin.owners).load()
    except ProbeError as probe_error:
        return probe_error.reason
    return ""


OVER_SSH = {"process": Recipe("process", setup=Stage(run="true"))}
STRICT: list[Use] = [as_script, as_hook, as_source_of_nodes, as_ansible_inventory, as_known_hosts, as_token]
ALL: list[Use] = [*STRICT, as_list_of_nodes, as_key, as_certificate]


@pytest.fixture
def file(yard: Path) -> Path:
    """A file in a folder of its own, of which each use can make something or other."""
    path = yard / "folder/file"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n#\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("use", ALL)
def test_what_anybody_may_write_is_not_used(file: Path, use: Use) -> None:
    file.chmod(0o777)
    assert "any user may write it" in use(file, Origin())

    file.chmod(0o755)
    file.parent.chmod(0o777)
    assert f"any user may write in '{file.parent}'" in use(file, Origin())

    file.parent.chmod(0o755)
    assert "any user" not in use(file, Origin())


@needs_root
@pytest.mark.parametrize("use", STRICT)
def test_what_a_stranger_owns_or_leads_to_is_used_only_if_the_configuration_is_theirs_too(file: Path, use: Use) -> None:
    link = file.parent.parent / "links/link"
    link.parent.mkdir()
    link.symlink_to(file)

    for theirs in (file, file.parent, link.parent):
        os.chown(theirs, SECOND_USER, SECOND_USER)
        assert f"belongs to user {SECOND_USER}" in use(link, Origin()), theirs
        assert "belongs to" not in use(link, Origin(owners=frozenset({SECOND_USER}))), theirs
        os.chown(theirs, 0, 0)
    assert "belongs to" not in use(link, Origin())


@needs_root
@pytest.mark.parametrize("use", [as_list_of_nodes, as_key, as_certificate])
def test_a_list_of_nodes_a_key_and_its_certificate_may_be_in_the_care_of_somebody_else(file: Path, use: Use) -> None:
    os.chown(file, SECOND_USER, SECOND_USER)
    os.chown(file.parent, SECOND_USER, SECOND_USER)

    assert "belongs to" not in use(file, Origin())


@pytest.mark.timeout(20)
@pytest.mark.parametrize("use", [as_script, as_list_of_nodes, as_key, as_certificate, as_known_hosts])
def test_a_pipe_in_its_place_keeps_nobody_waiting(file: Path, use: Use) -> None:
    file.unlink()
    os.mkfifo(file)

    said = use(file, Origin())
    assert "no regular file" in said


def test_commands_run_in_the_folder_of_the_configuration(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, word in ((tmp_path, "elsewhere"), (programs, "here")):
        (folder / "say").write_text(f"#!/bin/sh\necho {word}\n")
        (folder / "say").chmod(0o755)
        (folder / "note").write_text(f"#!/bin/sh\necho {word} >{programs}/noted\n")
    origin = Origin(str(programs))
    recipe = Recipe("r", transport=Transport.LOCAL, setup=Stage(run="./say; exit 2"))

    assert Prober(SshSettings(), SystemClock(), None, origin).probe(make_assignment(recipe)).reason == "here"
    for command in (("./say",), ("sh", "say")):
        (node,) = fetch(make_inventory("command", command=command), origin).reading.nodes
        assert node.name == "here"
    assert tell(("sh", "note"), origin).ok
    assert (programs / "noted").read_text() == "here\n"


@needs_root
def test_host_keys_are_written_to_no_folder_of_a_stranger(yard: Path) -> None:
    (yard / "ours").mkdir()
    (yard / "link").symlink_to("ours")
    yard.chmod(0o1777)
    os.lchown(yard / "link", SECOND_USER, SECOND_USER)

    with pytest.raises(PlabctlError, match=f"belongs to user {SECOND_USER}"):
        trust_keys(yard / "link/known_hosts", "host", [HOST_KEY])
    with pytest.raises(ProbeError, match=f"belongs to user {SECOND_USER}"):
        KnownHosts(yard / "link/known_hosts").learn("host", HOST_KEY)

    assert list((yard / "ours").iterdir()) == []
    trust_keys(yard / "link/known_hosts", "host", [HOST_KEY], [SECOND_USER])
    assert (yard / "ours/known_hosts").exists()


@needs_root
@pytest.mark.parametrize("below", ["", "/below"])
def test_the_memory_of_errors_is_neither_kept_nor_removed_where_a_stranger_leads(yard: Path, below: str) -> None:
    (yard / "ours").mkdir(mode=0o700)
    yard.chmod(0o1777)
    assert LastError([f"{yard}/ours"], "x").record_failure("plabctl: no key", NOW) == "plabctl: no key"
    (kept,) = (yard / "ours").iterdir()
    before = kept.read_bytes()
    (yard / "link").symlink_to("ours")
    os.lchown(yard / "link", SECOND_USER, SECOND_USER)
    last_error = LastError([f"{yard}/link{below}"], "x")

    assert last_error.record_failure("plabctl: another", NOW + 60) == "plabctl: another"
    last_error.record_success(NOW + 120)

    assert [kept.read_bytes()] == [path.read_bytes() for path in (yard / "ours").iterdir()] == [before]


@needs_root
def test_the_demo_is_put_into_no_folder_that_a_stranger_can_change(yard: Path) -> None:
    yard.chmod(0o1777)
    (yard / "theirs").mkdir()
    (yard / "link").symlink_to("ours")
    for name in ("theirs", "link"):
        os.chown(yard / name, SECOND_USER, SECOND_USER, follow_symlinks=False)

    for name in ("theirs", "theirs/new", "link", "link/new"):
        with pytest.raises(Refused, match=f"belongs to user {SECOND_USER}"):
            prepare_folder(yard / name)

    assert sorted(path.name for path in yard.rglob("*")) == ["link", "theirs"]
    assert prepare_folder(yard / "ours").path == yard / "ours"


@pytest.mark.timeout(60)
def test_the_ticks_of_the_demo_take_no_module_from_the_current_folder(
    yard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("plabctl", "json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    config = yard / "plabctl.toml"
    config.write_text(CONFIG)

    with Ticker(config, yard / "state", every_s=60.0) as cron:
        cron.poll()
        while not (yard / "state/last_tick").exists() and not cron.read_output():
            time.sleep(0.05)

    assert cron.read_output() == ""
    assert not (tmp_path / "ran").exists()
