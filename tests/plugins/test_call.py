"""Whatever the code of a plug-in does, the call ends in time and only the plug-in's own process is changed."""

import os
import pickle
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.base import Backoff
from plabctl.core.model import Outcome, Report
from plabctl.core.pools.base import Reading
from plabctl.core.recipe import Transport
from plabctl.errors import PluginFault
from plabctl.plugins.call import CALL_S, LOAD_S, PluginHost, _Values
from plabctl.values import replace
from tests.builders import NOW, make_member, make_settings
from tests.plugins.packages import place

HEAD = """
import os, signal, subprocess, sys, threading, time

class Odd(BaseException):
    pass

class Hostile(Exception):
    def __str__(self):
        sys.exit(0)

class Foreign(float):
    def __reduce__(self):
        return os.system, ("touch foreign",)

def endless():
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

def recurse():
    return recurse()

def ignore_all():
    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_IGN)

def change_surroundings():
    os.umask(0o777), os.chdir("/"), os.environ.clear(), sys.path.clear()
    sys.stdout = sys.stderr = sys.stdin = None

def act():
    {act}
"""
BACKOFF = f"""{HEAD}
def it(backoff, streak, age_s):
    if streak == 7:
        found = act()
        return 2.0 if found is None else found
    return 1.0
"""
LATE = "did not answer within 1 s"
ACTS: dict[str, tuple[str, str]] = {
    "sleeps": ("time.sleep(60)", LATE),
    "sleeps whatever is raised": ("endless()", LATE),
    "computes for ever": ("while True: pass", LATE),
    "is stopped": ("os.kill(os.getpid(), signal.SIGSTOP)", LATE),
    "waits for its child": ("subprocess.run(['sleep', '60'])", LATE),
    "raises": ("raise KeyError('lost')", "KeyError: 'lost'"),
    "exits": ("sys.exit(0)", "SystemExit: 0"),
    "is interrupted": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "raises no Exception": ("raise Odd('no Exception')", "Odd: no Exception"),
    "exits when asked what it raised": ("raise Hostile", "Hostile"),
    "exits at once": ("os._exit(0)", "ended its process with exit code 0"),
    "aborts": ("os.abort()", "ended by signal 6"),
    "kills itself": ("os.kill(os.getpid(), signal.SIGKILL)", "ended by signal 9"),
    "kills its group": ("os.killpg(0, signal.SIGKILL)", "ended by signal 9"),
    "closes all files": ("os.closerange(0, 4096)", "ended its process with exit code"),
    "recurses for ever": ("recurse()", "RecursionError"),
    "reads standard input": ("input()", "EOFError"),
    "returns an object of its own": ("return Foreign(2.0)", ""),
    "prints": ("print('printed', flush=True); os.write(1, b'written'); os.system('echo echoed')", ""),
    "writes to standard error": ("print('printed', file=sys.stderr, flush=True); os.write(2, b'written')", ""),
    "ignores signals": ("ignore_all()", ""),
    "leaves a thread": ("threading.Thread(target=endless).start()", ""),
    "forks, and both return": ("os.fork()", ""),
    "leaves a child": ("os.fork() or endless()", ""),
    "changes its surroundings": ("change_surroundings()", ""),
}


@pytest.fixture(autouse=True)
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delenv("PLABCTL_DEBUG", raising=False)
    return tmp_path


@pytest.fixture
def host() -> Iterator[PluginHost]:
    host = PluginHost()
    yield host
    host.close()


def of_this_process() -> object:
    handlers = [signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)]
    umask = os.umask(0o22)
    os.umask(umask)
    return os.getcwd(), umask, handlers, dict(os.environ), list(sys.path)  # noqa: PTH109


def processes_of(group: int) -> list[int]:
    """Return the processes of a group that are no zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of_group) == group and state != "Z":
            found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize(("act", "fault"), ACTS.values(), ids=ACTS)
def test_whatever_it_does_in_use_ends_in_time(
    room: Path, host: PluginHost, act: str, fault: str, capfd: pytest.CaptureFixture[str]
) -> None:
    place(room / "site", "broken", BACKOFF.format(act=act), {"plabctl.backoffs broken": "it"})
    before = of_this_process()
    assert host.call("load", "backoff", "broken", limit_s=LOAD_S) == ("broken:it", None)
    group = host.pid
    assert processes_of(group) == [group]

    began = time.monotonic()
    if fault:
        with pytest.raises(PluginFault, match=fault):
            host.call("wait", Backoff(ADDITIVE), 7, 0.0)
    else:
        assert host.call("wait", Backoff(ADDITIVE), 7, 0.0) == 2.0
        assert host.call("wait", Backoff(ADDITIVE), 1, 0.0) == 1.0
    assert time.monotonic() - began < CALL_S + 3

    host.close()
    end = time.monotonic() + 5
    while processes_of(group) and time.monotonic() < end:
        time.sleep(0.02)
    assert processes_of(group) == []
    assert of_this_process() == before
    assert capfd.readouterr() == ("", "")
    assert not (room / "foreign").exists()


@pytest.mark.parametrize("place_of", ["import", "factory"])
@pytest.mark.parametrize("act", ["time.sleep(60)", "os._exit(0)", "sys.exit(0)", "endless()"])
def test_whatever_it_does_when_it_is_loaded_ends_in_time(room: Path, host: PluginHost, act: str, place_of: str) -> None:
    text = HEAD.format(act=act) + ("act()" if place_of == "import" else "def it():\n    act()\n")
    place(room / "site", "broken", text, {"plabctl.recipes broken": "it"})

    began = time.monotonic()
    with pytest.raises(PluginFault, match=r"did not answer within 2 s|exit code 0|SystemExit: 0"):
        host.call("load", "recipe", "broken", limit_s=2.0)
    assert time.monotonic() - began < 5


def test_a_secret_in_what_it_raises_is_not_shown(room: Path, host: PluginHost) -> None:
    text = HEAD.format(act="raise RuntimeError('no answer from https://me:geheim@site/ with token=geheim')") + "act()\n"
    place(room / "site", "broken", text, {"plabctl.recipes broken": "it"})

    with pytest.raises(PluginFault, match="RuntimeError: no answer") as caught:
        host.call("load", "recipe", "broken", limit_s=LOAD_S)
    assert "geheim" not in str(caught.value)


def test_a_plug_in_that_did_not_answer_is_not_asked_again(room: Path, host: PluginHost) -> None:
    place(room / "site", "broken", BACKOFF.format(act="time.sleep(60)"), {"plabctl.backoffs broken": "it"})
    host.call("load", "backoff", "broken", limit_s=LOAD_S)
    with pytest.raises(PluginFault, match=LATE):
        host.call("wait", Backoff(ADDITIVE), 7, 0.0)

    began = time.monotonic()
    with pytest.raises(PluginFault, match=LATE):
        host.call("wait", Backoff(ADDITIVE), 1, 0.0)
    assert time.monotonic() - began < 0.5


def test_many_slow_calls_together_take_no_longer_than_one_may(room: Path, host: PluginHost) -> None:
    place(room / "site", "slow", BACKOFF.format(act="time.sleep(0.4)"), {"plabctl.backoffs slow": "it"})
    host.call("load", "backoff", "slow", limit_s=LOAD_S)

    began = time.monotonic()
    answered = 0
    with suppress(PluginFault):
        for answered in range(40):  # noqa: B007 - it is looked at below
            host.call("wait", Backoff(ADDITIVE), 7, 0.0)
    assert 1 <= answered < 10
    assert time.monotonic() - began < 4


POOL = """
from dataclasses import replace
from plabctl.core.pools.base import Judgement, Move
from plabctl.core.pools.good import GoodPool

class it(GoodPool):
    def judge(self, member, reading):
        if reading.report.node == "trial":
            return super().judge(member, reading)
        return {answer}
"""
ANSWERS = {
    "due at no instant": "Judgement(replace(member, due_at='soon'))",
    "due never": "Judgement(replace(member, due_at=float('nan')))",
    "due after the end of time": "Judgement(replace(member, due_at=1e18))",
    "a count that is none": "Judgement(replace(member, ok_streak=None))",
    "a record of another kind": "Judgement(replace(member, hold=member))",
    "a tuple of anything": "Judgement(replace(member, flaps=(1, 2)))",
    "a move that is none": "Judgement(member, 'moved')",
    "a move without a cause": "Judgement(member, Move('transition', 'good', 'bad', 1.0, None, ''))",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_judgement_that_the_state_cannot_hold_is_none(room: Path, host: PluginHost, answer: str) -> None:
    place(room / "site", "broken", POOL.format(answer=answer), {"plabctl.pools broken": "it"})
    host.call("load", "pool", "broken", limit_s=LOAD_S)
    settings = make_settings()
    reading = Reading(Report("pc1", "t", Outcome.PASS, None, "", NOW, 1.0), NOW, 0.5)

    host.call("try_pool", "good", settings)
    with pytest.raises(PluginFault, match=r"TypeError|ValueError"):
        host.call("judge", "good", make_member(), reading)


def test_a_judgement_comes_back_as_it_was_made(room: Path, host: PluginHost) -> None:
    place(room / "site", "sound", POOL.format(answer="super().judge(member, reading)"), {"plabctl.pools sound": "it"})
    assert host.call("load", "pool", "sound", limit_s=LOAD_S) == ("sound:it", "good")
    settings = make_settings()
    host.call("try_pool", "good", settings)
    member: Any = make_member(ok_streak=3)
    reading = Reading(Report("pc1", "t", Outcome.PASS, None, "", NOW, 1.0), NOW, 0.5)

    from plabctl.core.pools.base import build_pools

    assert host.call("judge", "good", member, reading) == build_pools(settings)["good"].judge(member, reading)
    failed = replace(reading, report=replace(reading.report, outcome=Outcome.FAIL, reason="no"))
    assert host.call("judge", "good", member, failed) == build_pools(settings)["good"].judge(member, failed)


def test_the_process_ends_with_the_last_reference_to_its_host() -> None:
    host = PluginHost()
    with suppress(PluginFault):
        host.call("load", "nothing", "of", "this", limit_s=LOAD_S)
    pid = host.pid
    assert pid

    del host

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


class Reduced:
    """Is pickled as the call of a function."""

    def __init__(self, function: Any, *arguments: object) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        return self._call


def read_answer(answer: object) -> object:
    return _Values(BytesIO(pickle.dumps(answer))).load()


def test_a_member_of_an_enum_is_read_as_the_first_versions_of_python_3_11_write_it() -> None:
    assert read_answer(Reduced(getattr, Transport, "LOCAL")) is Transport.LOCAL
    assert read_answer(Outcome.PASS) is Outcome.PASS


@pytest.mark.parametrize(
    "answer", [Reduced(getattr, "text", "upper"), Reduced(getattr, Report, "key"), Reduced(setattr, "text", "a", "b")]
)
def test_no_other_attribute_is_read(answer: Reduced) -> None:
    with pytest.raises(pickle.UnpicklingError, match="is no value of plabctl"):
        read_answer(answer)
