"""Odd commands and odd output, on a real sshd."""

import resource
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from plabctl.clock import SystemClock
from plabctl.core.model import Cause, Outcome, Report
from plabctl.core.recipe import Recipe, Stage
from plabctl.core.settings import SshSettings
from plabctl.executors.threads import ThreadExecutor
from plabctl.probes import script
from plabctl.probes.prober import Prober
from plabctl.probes.script import KILL_GRACE_S
from tests.probes.jobs import make_assignment, make_recipe, probe
from tests.probes.openssh import Sshd, make_key, needs_sshd

pytestmark = needs_sshd


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def await_end(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not is_running(pid)


def test_a_long_output_that_ends_is_kept_in_part_and_fails_nobody(sshd: Sshd) -> None:
    report = probe(sshd.settings(output_limit=1000), make_recipe(check="yes 0123456789 | head -n 20000; echo the end"))

    stage = report.stages[-1]
    assert report.outcome is Outcome.PASS
    assert stage.truncated
    assert stage.output.startswith("0123456789\n")
    assert stage.output.endswith("the end")
    assert len(stage.output) < 1200


def test_the_reason_is_the_last_line_of_a_long_output(sshd: Sshd) -> None:
    report = probe(sshd.settings(output_limit=100), make_recipe(check="yes | head -n 5000; echo disk full; exit 1"))

    assert report.reason == "disk full"


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_flood_is_cut_off_within_bounds(sshd: Sshd, stream: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = probe(sshd.settings(), make_recipe(check=f"yes flood | head -c 200000000 >&{stream}", teardown="true"))

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.CHECK)
    assert "endlessly" in report.reason
    assert report.stages[1].truncated
    assert report.left == ()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024
    assert report.seconds < 10


def test_output_without_sense_becomes_text(sshd: Sshd) -> None:
    report = probe(
        sshd.settings(),
        make_recipe(check=r"printf '\377\376\033]0;title\007\033[2Jok \342\200\256\000end\r\n'; exit 1"),
    )

    assert report.stages[-1].output == "\N{REPLACEMENT CHARACTER}" * 2 + "ok end\n"
    assert report.reason == "\N{REPLACEMENT CHARACTER}" * 2 + "ok end"


def test_a_command_that_reads_finds_its_input_closed(sshd: Sshd) -> None:
    report = probe(sshd.settings(), make_recipe(check="cat; echo at the end; exit 1"))

    assert report.reason == "at the end"


def test_a_child_left_in_the_background_keeps_nobody_waiting(sshd: Sshd) -> None:
    report = probe(sshd.settings(), make_recipe(check=Stage(run="sleep 5 & echo done", timeout_s=60)))

    assert (report.outcome, report.stages[-1].output) == (Outcome.PASS, "done\n")
    assert report.seconds < 5


def test_a_command_that_ignores_term_is_gone_after_the_grace(sshd: Sshd, tmp_path: Path) -> None:
    run = f"trap '' TERM HUP; echo $$ >{tmp_path}/pid; while :; do sleep 1; done"
    report = probe(sshd.settings(), make_recipe(setup=Stage(run=run, timeout_s=1)))

    assert report.cause is Cause.DEADLINE
    assert await_end(int((tmp_path / "pid").read_text()), KILL_GRACE_S + 3)


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "])
def test_a_node_without_timeout_bounds_a_command_with_sh_alone(sshd: Sshd, tmp_path: Path, trap: str) -> None:
    run = f"{trap}echo $$ >{tmp_path}/pid; while :; do /bin/sleep 1; done"
    prober = Prober(sshd.settings(), SystemClock())
    prober.prepare()
    form = script._BOUNDED
    script._BOUNDED = "/no/such/" + form
    try:
        late = prober.probe(make_assignment(make_recipe(setup=Stage(run=run, timeout_s=1))))
        codes = [prober.probe(make_assignment(make_recipe(check=f"echo x; exit {code}"))) for code in (0, 3)]
    finally:
        script._BOUNDED = form

    assert late.cause is Cause.DEADLINE
    assert await_end(int((tmp_path / "pid").read_text()), KILL_GRACE_S + 3)
    assert [(report.outcome, report.stages[-1].exit_code) for report in codes] == [
        (Outcome.PASS, 0),
        (Outcome.FAIL, 3),
    ]


READER = 'read -r _ _ _ reader _ <"/proc/$PPID/stat"; echo $reader'
"""Prints the process that reads the stages: the parent of the `timeout` around this one."""


def test_all_stages_go_to_one_shell_on_the_node(sshd: Sshd) -> None:
    report = probe(sshd.settings(), make_recipe(setup=READER, up=READER, check=READER, teardown=READER))

    assert report.outcome is Outcome.PASS
    readers = [run.output for run in report.stages[1:]]
    assert len(readers) == 4
    assert len(set(readers)) == 1
    assert await_end(int(readers[0]), 5)


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("end", ["exec sleep 60", "yes", "kill -9 $reader; sleep 60"])
def test_after_a_stage_that_was_cut_off_there_is_another_shell(sshd: Sshd, end: str) -> None:
    setup = Stage(run=f"{READER}; {end}", timeout_s=2)
    report = probe(sshd.settings(), make_recipe(setup=setup, teardown=Stage(READER, timeout_s=60)))

    assert report.outcome is Outcome.FAIL
    assert report.left == ()
    first, second = (run.output.split()[0] for run in report.stages[1:])
    assert first != second
    assert await_end(int(first), KILL_GRACE_S + 3)


def test_what_a_stage_leaves_in_the_background_may_print_on(sshd: Sshd) -> None:
    chatty = "(n=0; while [ $n -lt 30 ]; do echo noise; sleep 0.02; n=$((n+1)); done) & echo begun"
    report = probe(sshd.settings(), make_recipe(setup=chatty, check="sleep 0.2; echo checked", teardown="exit 0"))

    assert report.outcome is Outcome.PASS
    setup, check = report.stages[1:3]
    assert "begun" in setup.output
    assert "checked" in check.output.splitlines()


def test_a_script_file_is_sent_whatever_its_size(sshd: Sshd, tmp_path: Path) -> None:
    small, large = tmp_path / "small.sh", tmp_path / "large.sh"
    small.write_text("cat <<'END'\n{node} $HOME 'quoted' \\ %s !\nEND\necho \"$PLABCTL_NODE\"\n")
    large.write_text("# " + "x" * 300_000 + "\ncat\necho large\n")
    recipe = make_recipe(setup=Stage(script=str(small)), check=Stage(script=str(large)))

    report = probe(sshd.settings(), recipe)

    assert report.outcome is Outcome.PASS
    assert report.stages[1].output == f"{{node}} $HOME 'quoted' \\ %s !\n{report.node}\n"
    assert report.stages[2].output == "large\n"


def test_a_script_that_is_not_there_is_our_fault(sshd: Sshd) -> None:
    report = probe(sshd.settings(), make_recipe(setup=Stage(script="/no/such/script")))

    assert (report.outcome, report.cause) == (Outcome.UNKNOWN, Cause.LOCAL)


@pytest.mark.parametrize("content", ["", " \n\t\n"])
def test_an_empty_script_passes_no_node(sshd: Sshd, tmp_path: Path, content: str) -> None:
    script = tmp_path / "setup.sh"
    script.write_text(content)

    report = probe(sshd.settings(), make_recipe(setup=Stage(script=str(script))))

    assert (report.outcome, report.cause) == (Outcome.UNKNOWN, Cause.LOCAL)
    assert report.reason == f"the script '{script}' is empty"


@pytest.mark.parametrize(("said", "code"), [("This account is currently not available.", 1), ("hello", 0)])
def test_a_node_that_runs_something_else_does_not_pass(tmp_path: Path, said: str, code: int) -> None:
    server = Sshd(tmp_path / "sshd", f"ForceCommand echo '{said}'; exit {code}")
    try:
        report = probe(server.settings(), make_recipe(check="true"))
    finally:
        server.stop()

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.CHECK)
    assert said in report.reason


def test_noise_of_start_up_files_is_not_output(tmp_path: Path) -> None:
    server = Sshd(tmp_path / "sshd", 'ForceCommand echo noise; sh -c "$SSH_ORIGINAL_COMMAND"')
    try:
        report = probe(server.settings(), make_recipe(check="echo signal"))
    finally:
        server.stop()

    assert (report.outcome, report.stages[-1].output) == (Outcome.PASS, "signal\n")


def test_a_connection_lost_in_mid_stage_says_so(own_sshd: Sshd, tmp_path: Path) -> None:
    job = make_assignment(make_recipe(setup=f"touch {tmp_path}/begun; exec sleep 20", teardown="true"))

    def kill() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        own_sshd.kill_sessions()

    prober = Prober(own_sshd.settings(), SystemClock())
    prober.prepare()
    threading.Thread(target=kill, daemon=True).start()
    report = prober.probe(job)

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.CONNECT)
    assert "lost its connection" in report.reason
    assert report.left == (job.vnode,)
    assert report.seconds < 10


def test_connections_closed_before_the_banner_are_tried_twice(tmp_path: Path) -> None:

    make_key(tmp_path / "key")
    accepted = []

    def slam(listener: socket.socket) -> None:
        with suppress(OSError):  # it is shut down at the end
            while True:
                sock, _ = listener.accept()
                accepted.append(1)
                sock.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        slamming = threading.Thread(target=slam, args=(listener,))
        slamming.start()
        try:
            settings = SshSettings("any", listener.getsockname()[1], str(tmp_path / "key"), str(tmp_path / "known"))
            report = probe(settings, make_recipe(check="true"))
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            slamming.join()

    assert (report.outcome, report.cause) == (Outcome.FAIL, Cause.PROTOCOL)
    assert report.reason == "connection closed before the SSH banner, 2 times"
    assert len(accepted) == 2


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def run_all(prober: Prober, recipe: Recipe, count: int, at_once: int) -> list[Report]:
    runner = ThreadExecutor(prober, SystemClock())
    reports: list[Report] = []
    for number in range(count):
        while runner.running >= at_once:
            reports += runner.wait(60)
        runner.start(make_assignment(recipe, site=f"site{number}"))
    while runner.running:
        reports += runner.wait(60)
    return reports


def test_hundreds_of_probes_side_by_side_lose_none_and_leave_nothing_behind(sshd: Sshd) -> None:
    prober = Prober(sshd.settings(connect_timeout_s=60.0), SystemClock())
    prober.prepare()
    recipe = make_recipe(check="true")
    assert {report.outcome for report in run_all(prober, recipe, 40, 20)} == {Outcome.PASS}
    descriptors, threads = open_descriptors(), threading.active_count()

    reports = run_all(prober, recipe, 300, 20)

    assert {(report.outcome, report.reason) for report in reports} == {(Outcome.PASS, "")}
    assert len({report.token for report in reports}) == 300
    assert open_descriptors() <= descriptors
    # Each runner keeps its idle workers, which end with the process.
    assert threading.active_count() <= threads + 20
