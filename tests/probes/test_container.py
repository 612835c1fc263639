"""The recipes for namespaces and containers, really run on a node of the test's own and looked up there."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from plabctl.clock import SystemClock
from plabctl.config.load import load
from plabctl.core.assignment import Assignment
from plabctl.core.model import Cause, Goal, Outcome, Report
from plabctl.core.recipe import Become, Recipe, Stage, fill_placeholders
from plabctl.executors.threads import ThreadExecutor
from plabctl.kinds import Builtin
from plabctl.probes.prober import Prober
from plabctl.probes.recipe_snippets import LIFE_S
from tests.cli.console import Desk
from tests.lab import sudo_users
from tests.lab.container_node import ContainerNode, sweep_control_groups
from tests.probes.jobs import make_assignment
from tests.probes.openssh import Sshd

PASSED = (Outcome.PASS, None, "", ())
SUBSTRATES = ("netns", "podman", "docker", "nspawn")
LONG = "plabctl-web_shop-" + "0123456789" * 8
SEEN = {
    "netns": "ip netns list | cut -d ' ' -f 1",
    "podman": "podman ps -a --format '{{.Names}}'",
    "docker": "podman ps -a --format '{{.Names}}'",
    "nspawn": "ls /run | grep ^plabctl- | sed s/^plabctl-//; pgrep -x systemd-nspawn >/dev/null && echo runs || true",
    "process": "ls /tmp | grep ^plabctl- | sed s/^plabctl-//",
}
"""How to see on the node which vnodes are there."""
KILLS = {
    "netns": "kill -9 $(ip netns pids {vnode})",
    "podman": "podman kill {vnode}",
    "docker": "podman kill {vnode}",
    "nspawn": "pkill -9 -x systemd-nspawn",
    "process": "kill -9 $(cat /tmp/plabctl-{vnode}/pid)",
}
"""How a vnode dies there."""
TRIALS = {
    "netns": "ip netns add trial && ip link add trial type veth peer name eth0 netns trial && ip netns del trial",
    "podman": "tar -C /tmp/room -c . | podman import - localhost/plabctl && "
    "podman run --rm --network=none --pull=never $0 localhost/plabctl /bin/sh -c 'exit 0'",
    "nspawn": "systemd-nspawn --quiet --register=no --keep-unit --machine=trial --directory=/ --volatile=yes "
    "--as-pid2 --private-network --console=pipe /bin/sh -c 'exit 0' </dev/null",
}
"""The least that each needs of the kernel, without anything of ours."""


class Ground:
    """The node, and a prober that reaches it."""

    def __init__(self, node: ContainerNode) -> None:
        self.node = node
        self.prober = Prober(node.ssh, SystemClock())
        self.prober.prepare()
        self._missing: dict[str, str] = {}

    def missing(self, name: str) -> str:
        """Return what keeps a substrate from being run here at all; empty when nothing does."""
        trial = "podman" if name == "docker" else name
        if trial not in TRIALS:
            return ""
        if trial not in self._missing:
            argv = [*self.node.within(), "sh", "-c", TRIALS[trial], self.node.variables["podman_options"]]
            text = TRIALS[trial].replace("$0", self.node.variables["podman_options"])
            done = subprocess.run(
                [*argv[:-2], text], check=False, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
            )
            said = (done.stdout + done.stderr).strip().splitlines() or [f"exit code {done.returncode}"]
            self._missing[trial] = f"{trial} does not run here: {said[-1]}" if done.returncode else ""
        return self._missing[trial]

    def job(self, name: str, goal: Goal, vnode: str, **more: str) -> Assignment:
        experiment = "" if goal is Goal.TEST else "ex"
        variables = {**self.node.variables, **more}
        return make_assignment(Builtin("recipe")[name], goal=goal, vnode=vnode, experiment=experiment, **variables)  # type: ignore[arg-type]  # variables are strings

    def probe(self, name: str, goal: Goal, vnode: str = "plabctl-1", **more: str) -> Report:
        return self.prober.probe(self.job(name, goal, vnode, **more))

    def all_at_once(self, jobs: list[Assignment]) -> list[Report]:
        runner = ThreadExecutor(self.prober, SystemClock())
        for job in jobs:
            runner.start(job)
        reports: list[Report] = []
        while runner.running:
            reports += runner.wait(60)
        return reports

    def seen(self, name: str) -> set[str]:
        return set(self.node.run(f"{{ {SEEN[name]}; }} || true").split())

    def links(self) -> list[str]:
        return re.findall(r"plab\d+", self.node.run("ip -o link"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ContainerNode(tmp_path_factory.mktemp("workshop")) as node:
        yield Ground(node)
    sweep_control_groups()


@pytest.fixture(params=[*SUBSTRATES, "process"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ground(shared: Ground, name: str) -> Iterator[Ground]:
    if why := shared.missing(name):
        pytest.skip(why)
    yield shared
    shared.node.await_logouts()
    assert shared.seen(name) == set()
    assert shared.links() == []
    assert "plabctl" not in shared.node.run("ls /run /tmp")


def verdict(report: Report) -> tuple[Outcome, Cause | None, str, tuple[str, ...]]:
    return report.outcome, report.cause, report.reason, report.left


pytestmark = [pytest.mark.xdist_group("workshop")]


@pytest.mark.lab
class TestOnANode:
    def test_a_test_passes_and_leaves_nothing(self, ground: Ground, name: str) -> None:
        report = ground.probe(name, Goal.TEST)

        assert (*verdict(report), report.note) == (*PASSED, "")

    def test_a_vnode_is_set_up_checked_and_torn_down_twice(self, ground: Ground, name: str) -> None:
        assert verdict(ground.probe(name, Goal.SETUP)) == PASSED
        assert "plabctl-1" in ground.seen(name)
        assert verdict(ground.probe(name, Goal.CHECK)) == PASSED
        assert [verdict(ground.probe(name, Goal.TEARDOWN)) for _ in range(2)] == [PASSED, PASSED]

    def test_a_dead_vnode_is_noticed_and_what_is_left_of_it_goes(self, ground: Ground, name: str) -> None:
        ground.probe(name, Goal.SETUP)
        ground.node.run(fill_placeholders(KILLS[name], {"vnode": "plabctl-1"}) + "; sleep 0.5")
        dead = ground.probe(name, Goal.CHECK)

        assert (dead.outcome, dead.cause) == (Outcome.FAIL, Cause.CHECK)
        assert dead.reason
        assert verdict(ground.probe(name, Goal.TEARDOWN)) == PASSED

    def test_a_vnode_of_a_test_ends_itself_and_one_of_an_experiment_stays(self, ground: Ground, name: str) -> None:
        # Its life is the last word of the command line of the process that is the vnode.
        lives = r"for f in /proc/[0-9]*/cmdline; do tr '\0' '\n' <$f | tail -n 1; done | grep -Ex '0|3600' | sort -u"
        ground.probe(name, Goal.SETUP)
        stays = ground.node.run(lives).split()
        ground.probe(name, Goal.TEARDOWN)
        setup = Builtin("recipe")[name].setup
        assert setup
        begin = Recipe("begin", setup=Stage(run=setup.run))
        job = make_assignment(begin, vnode="plabctl-1", **ground.node.variables)  # type: ignore[arg-type]  # variables are strings
        assert verdict(ground.prober.probe(job)) == PASSED
        ends = ground.node.run(f"sleep 0.3; {lives}").split()
        ground.probe(name, Goal.TEARDOWN)

        assert (stays, ends) == (["0"], [str(LIFE_S)])

    def test_a_test_and_three_experiments_share_one_node(self, ground: Ground, name: str) -> None:
        vnodes = [f"plabctl-ex{number}" for number in range(3)]
        jobs = [ground.job(name, Goal.SETUP, vnode) for vnode in vnodes]
        made = ground.all_at_once([ground.job(name, Goal.TEST, "plabctl-test"), *jobs])

        assert [verdict(report) for report in made] == [PASSED] * 4
        assert ground.seen(name) - {"runs"} == set(vnodes)
        if name == "netns":
            addresses = ground.node.run(f"for n in {' '.join(vnodes)}; do ip -n $n -o -4 addr show dev eth0; done")
            assert len(set(re.findall(r"198\.[\d.]+", addresses))) == 3
        # Each of them is there, and a test beside them disturbs none.
        again = [ground.job(name, Goal.TEST, "plabctl-test2"), *(ground.job(name, Goal.CHECK, v) for v in vnodes)]
        assert [verdict(report) for report in ground.all_at_once(again)] == [PASSED] * 4
        gone = ground.all_at_once([ground.job(name, Goal.TEARDOWN, vnode) for vnode in vnodes])
        assert [verdict(report) for report in gone] == [PASSED] * 3

    def test_a_name_of_any_length_and_with_any_letter_of_ours_fits(self, ground: Ground, name: str) -> None:
        twin = LONG + "-twin"
        assert [verdict(ground.probe(name, Goal.SETUP, vnode)) for vnode in (LONG, twin)] == [PASSED] * 2
        assert [verdict(ground.probe(name, Goal.TEARDOWN, LONG)), verdict(ground.probe(name, Goal.CHECK, twin))] == [
            PASSED,
            PASSED,
        ]
        assert verdict(ground.probe(name, Goal.TEARDOWN, twin)) == PASSED


@pytest.mark.lab
@pytest.mark.parametrize("name", SUBSTRATES, indirect=True)
class TestRemains:
    def test_setting_up_again_begins_anew(self, ground: Ground, name: str) -> None:
        assert [verdict(ground.probe(name, Goal.SETUP)) for _ in range(2)] == [PASSED] * 2
        ground.node.run(fill_placeholders(KILLS[name], {"vnode": "plabctl-1"}) + "; sleep 0.5")
        assert verdict(ground.probe(name, Goal.SETUP)) == PASSED
        assert verdict(ground.probe(name, Goal.TEARDOWN)) == PASSED

    def test_only_what_is_named_after_the_vnode_is_touched(self, ground: Ground, name: str) -> None:
        ground.probe(name, Goal.SETUP, "plabctl-10")
        assert verdict(ground.probe(name, Goal.TEARDOWN, "plabctl-1")) == PASSED
        assert verdict(ground.probe(name, Goal.CHECK, "plabctl-10")) == PASSED
        assert verdict(ground.probe(name, Goal.TEARDOWN, "plabctl-10")) == PASSED


@pytest.mark.lab
@pytest.mark.parametrize("name", SUBSTRATES, indirect=True)
def test_with_sudo_it_runs_for_a_user_who_is_not_root(ground: Ground, name: str) -> None:
    if reason := sudo_users.missing():
        pytest.skip(reason)
    node = ground.node
    if not (node.folder / "sudoers").exists():
        sudo_users.write(node.folder)
        node.run(f"chmod 755 /mnt; {sudo_users.BIND}")
        config = node.folder / "sshd_config"
        config.write_text("\n".join([config.read_text(), *sudo_users.CONFIG, ""]))
    recipe = replace(Builtin("recipe")[name], become=Become.SUDO)
    job = make_assignment(recipe, **node.variables, ssh_user=sudo_users.FREE)  # type: ignore[arg-type]  # variables are strings

    assert verdict(ground.prober.probe(job)) == PASSED


@pytest.mark.lab
class TestWhatIsMissing:
    @pytest.mark.parametrize("name", ["podman", "docker"], indirect=True)
    def test_an_image_that_is_not_there_is_named_and_never_fetched(self, ground: Ground, name: str) -> None:
        report = ground.probe(name, Goal.SETUP, image="registry.invalid/none:1")

        assert (report.outcome, report.cause, report.left) == (Outcome.FAIL, Cause.SETUP, ())
        assert report.reason.startswith("no container of image registry.invalid/none:1 can be started: ")
        assert report.seconds < 10

    @pytest.mark.parametrize("name", ["docker"], indirect=True)
    def test_without_its_engine_nothing_is_left_that_was_not_made(self, ground: Ground, name: str) -> None:
        ground.probe(name, Goal.SETUP, "plabctl-made")
        ground.node.run(
            "mv /run/bin/docker /run/docker; printf '#!/bin/sh\\necho no engine; exit 1\\n' >/run/bin/docker"
        )
        ground.node.run("chmod 755 /run/bin/docker")
        try:
            report = ground.probe(name, Goal.TEST)
            made = ground.probe(name, Goal.TEARDOWN, "plabctl-made")
        finally:
            ground.node.run("mv /run/docker /run/bin/docker")

        assert (report.outcome, report.cause, report.left) == (Outcome.FAIL, Cause.SETUP, ())
        assert report.reason.endswith("no engine")
        assert (made.outcome, made.cause, made.left) == (Outcome.FAIL, Cause.TEARDOWN, ("plabctl-made",))
        assert verdict(ground.probe(name, Goal.TEARDOWN, "plabctl-made")) == PASSED

    @pytest.mark.parametrize("name", ["nspawn"], indirect=True)
    def test_a_tree_of_ones_own_is_run_and_one_that_is_no_tree_is_refused(self, ground: Ground, name: str) -> None:
        assert verdict(ground.probe(name, Goal.TEST, nspawn_root="/tmp/room")) == PASSED
        report = ground.probe(name, Goal.TEST, nspawn_root="/tmp/none")
        assert (report.outcome, report.cause, report.left) == (Outcome.FAIL, Cause.SETUP, ())
        assert "/tmp/none" in report.reason

    @pytest.mark.parametrize("name", SUBSTRATES)
    def test_a_node_without_the_tool_says_so_and_has_nothing_to_tear_down(self, tmp_path: Path, name: str) -> None:
        for tool in ("sh", "id", "grep", "tr", "cut", "cksum", "rm", "rmdir", "sleep"):
            (tmp_path / tool).symlink_to(shutil.which(tool) or "/nowhere")

        setup, teardown = Builtin("recipe")[name].setup, Builtin("recipe")[name].teardown
        assert setup
        assert teardown
        results = [_run_here(stage, path=str(tmp_path)) for stage in (setup, teardown)]
        assert results[0][0] == 1
        assert "is not installed" in results[0][1]
        assert results[1] == (0, "")

    @pytest.mark.parametrize("name", SUBSTRATES)
    def test_without_root_it_says_so(self, name: str) -> None:
        setup = Builtin("recipe")[name].setup
        assert setup
        assert _run_here(setup, user=65534) == (1, "this recipe needs root on the node\n")


def _run_here(stage: Stage, *, path: str = "/usr/bin:/bin", user: int | None = None) -> tuple[int, str]:
    text = fill_placeholders(stage.run, {"vnode": "plabctl-none", "experiment": ""})
    # The directories of the system are added by the recipes themselves; here they must not be.
    text = text.replace("PATH=$PATH:/usr/sbin:/sbin; export PATH", "")
    done = subprocess.run(
        ["/bin/sh", "-c", text],
        env={"PATH": path},
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
        user=user,
        cwd="/",
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.lab
def test_docker_itself_where_there_is_an_engine(tmp_path: Path, own_sshd: Sshd) -> None:
    docker = shutil.which("docker")
    if not docker:
        pytest.skip("docker is not installed")
    done = subprocess.run([docker, "info"], check=False, capture_output=True, text=True, timeout=30)
    if done.returncode:
        pytest.skip(f"no docker engine answers here: {done.stderr.strip().splitlines()[-1:]}")
    with (
        ContainerNode(tmp_path / "room") as room,
        subprocess.Popen([*room.within(), "tar", "-C", "/tmp/room", "-c", "."], stdout=subprocess.PIPE) as tar,
    ):
        subprocess.run([docker, "import", "-", "plabctl-test"], stdin=tar.stdout, check=True, timeout=60)
    try:
        prober = Prober(own_sshd.settings(), SystemClock())
        assert verdict(prober.probe(make_assignment(Builtin("recipe")["docker"], image="plabctl-test"))) == PASSED
    finally:
        subprocess.run([docker, "rmi", "plabctl-test"], check=False, timeout=60)


class TestText:
    @pytest.mark.parametrize("recipe", Builtin("recipe").values(), ids=lambda recipe: recipe.name)
    def test_every_shell_can_read_it(self, recipe: Recipe) -> None:
        shells = [path for shell in ("sh", "dash", "bash", "ksh", "zsh") if (path := shutil.which(shell))]
        for stage in recipe.stages.values():
            for shell in shells:
                text = fill_placeholders(stage.run, {"vnode": "v", "experiment": ""})
                done = subprocess.run([shell, "-n"], input=text, text=True, capture_output=True, check=False)
                assert (done.returncode, done.stderr) == (0, "")

    @pytest.mark.parametrize("recipe", Builtin("recipe").values(), ids=lambda recipe: recipe.name)
    def test_shellcheck_has_nothing_against_it(self, recipe: Recipe) -> None:
        shellcheck = shutil.which("shellcheck")
        if not shellcheck:
            pytest.skip("needs shellcheck")
        for stage in recipe.stages.values():
            text = fill_placeholders(stage.run, {"vnode": "v", "experiment": ""})
            done = subprocess.run(
                [shellcheck, "-s", "sh", "-S", "warning", "-"], input=text, text=True, capture_output=True, check=False
            )
            assert (done.returncode, done.stdout) == (0, "")

    @pytest.mark.parametrize(
        ("name", "tools"),
        [
            ("podman", [["podman", word] for word in ("run", "inspect", "exec", "ps", "rm")]),
            ("docker", [["docker", word] for word in ("run", "inspect", "exec", "ps", "rm")]),
            ("nspawn", [["systemd-nspawn"], ["nsenter"]]),
        ],
    )
    def test_the_tools_have_every_option_that_it_uses(self, name: str, tools: list[list[str]]) -> None:
        for tool, *_ in tools:
            if not shutil.which(tool):
                pytest.skip(f"needs {tool}")
        known = "".join(
            subprocess.run([*tool, "--help"], check=True, capture_output=True, text=True, timeout=20).stdout
            for tool in tools
        )
        text = "".join(stage.run for stage in Builtin("recipe")[name].stages.values())
        used = set(re.findall(r"(?<![\w*-])--[a-z][a-z0-9-]+", text)) - {"--ppid"}  # that is an option of ps

        assert used
        assert {option for option in used if not re.search(rf"{option}\b", known)} == set()


@pytest.mark.sshd
def test_three_scripts_of_ones_own_are_a_recipe(sshd: Sshd, tmp_path: Path) -> None:
    scripts: dict[str, str] = {
        "make.sh": f'mkdir "{tmp_path}/$PLABCTL_VNODE" && echo "made for $PLABCTL_EXPERIMENT"\n',
        "look.sh": f'[ -d "{tmp_path}/$PLABCTL_VNODE" ] || {{ echo "{{vnode}} is not there"; exit 1; }}\n',
        "end.sh": f'rm -rf "{tmp_path}/$PLABCTL_VNODE"\n',
    }
    for file, text in scripts.items():
        (tmp_path / file).write_text(text)
    (tmp_path / "plabctl.toml").write_text(
        "[recipe.mine]\n"
        'setup = { script = "make.sh" }\n'
        'check = { script = "look.sh" }\n'
        'teardown = { script = "end.sh" }\n'
    )
    recipe = load(str(tmp_path / "plabctl.toml")).recipes["mine"]
    prober = Prober(sshd.settings(), SystemClock())

    def probe(goal: Goal) -> Report:
        return prober.probe(make_assignment(recipe, goal=goal, vnode="v", experiment="ex"))

    assert verdict(probe(Goal.TEST)) == PASSED
    made = probe(Goal.SETUP)
    assert verdict(made) == PASSED
    assert made.stages[1].output == "made for ex\n"
    assert (tmp_path / "v").is_dir()
    assert verdict(probe(Goal.CHECK)) == PASSED
    assert verdict(probe(Goal.TEARDOWN)) == PASSED
    # In a script no braces are replaced.
    assert probe(Goal.CHECK).reason == "{vnode} is not there"


@pytest.mark.lab
@pytest.mark.parametrize("name", SUBSTRATES, indirect=True)
def test_a_person_sees_each_stage_its_time_and_its_output(ground: Ground, name: str, tmp_path: Path) -> None:
    ssh = ground.node.ssh
    desk = Desk(tmp_path)
    desk.config.write_text(
        f'state_dir = "state"\n[ssh]\nuser = "root"\nport = {ssh.port}\n'
        f'key = "{ssh.key}"\nknown_hosts = "{ssh.known_hosts}"\n'
    )
    given = [word for key, value in ground.node.variables.items() for word in ("--set", f"{key}={value}")]
    desk.ok("node", "add", "pc1", *given)
    shown = [line.split() for line in desk.ok("test", "pc1", "--recipe", name).splitlines()]
    image = desk.run("node", "add", "pc2", *given, "--set", "image=localhost/none", "--set", "nspawn_root=/tmp/none")

    assert " ".join(shown[0]) == f"testing pc1 with recipe {name} over ssh; nothing is recorded"
    stages = [line for line in shown[1:] if line[0] != "│"]  # what a stage says stands below it
    names = [name for name, _ in groupby(line[0] for line in stages)]  # `up` once for each look that differs
    assert names == ["connect", "setup", "up", "check", "teardown", "passed"], shown
    assert all(re.fullmatch(r"\d+\.\d\d", line[1]) for line in stages[:-1])
    assert image.code == 0
    if name != "netns":
        failed = desk.run("test", "pc2", "--recipe", name)
        lines = [line.strip() for line in failed.out.splitlines()]
        assert failed.code == 1
        assert [line.split()[0] for line in lines[1:] if not line.startswith("│")] == [
            "connect", "setup", "teardown", "failed", "look",
        ]  # fmt: skip
        assert any(line.startswith("│ ") for line in lines)
        assert lines[-2].startswith("failed (setup) in ")
