"""What all tests share: tests that need a machine of a certain kind say so by a mark, and are skipped with a reason."""

import gc
import os
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.database import InMemoryExampleDatabase

from tests.lab import leftover_processes, requirements
from tests.lab.chromium import Browser, run_chromium
from tests.lab.executables import executable_folder
from tests.lab.slurm import Slurm

# A slow machine is no fault of the code: how long an example takes decides nothing.
# Nor is a checkout that cannot be written to: examples that failed are then not remembered.
DATABASE = settings().database if os.access(Path(__file__).parents[1], os.W_OK) else InMemoryExampleDatabase()
settings.register_profile("plabctl", deadline=None, database=DATABASE)
settings.load_profile("plabctl")

# Whoever runs the tests in the background of a script lets them ignore Ctrl-C, and what they start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_trace_on_this_machine() -> Iterator[None]:
    """Keep what plabctl writes by default, such as which error it told last, out of the machine's own places."""
    before = os.environ.get("PLABCTL_STATE_DIR")
    with tempfile.TemporaryDirectory(prefix="plabctl-tests-") as folder:
        os.environ["PLABCTL_STATE_DIR"] = f"{folder}/state"
        yield
    os.environ.pop("PLABCTL_STATE_DIR")
    if before is not None:
        os.environ["PLABCTL_STATE_DIR"] = before


_ERROR = pytest.StashKey[BaseException]()


class _SharedProcesses:
    """Notes the processes of fixtures that live longer than one test.

    A plug-in of its own: pytest asks the conftest.py of a folder about no fixture of the whole session.
    """

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
        if fixturedef.scope == "function":
            return (yield)
        before = leftover_processes.running()
        value = yield
        # A test may ask for it as late as in its body, where its processes look like those of the test.
        leftover_processes.SHARED.update(leftover_processes.running() - before)
        return value


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_SharedProcesses())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.excinfo and report.failed:
        item.stash[_ERROR] = call.excinfo.value
    return report


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """End what the test left running, and fail it for that unless it has failed anyway."""
    before = leftover_processes.running()
    yield
    left = leftover_processes.running() - before - leftover_processes.SHARED
    left -= leftover_processes.reap_adopted(left)
    names = ", ".join(leftover_processes.described(pid) for pid in sorted(left))
    leftover_processes.end(left)
    error = request.node.stash.get(_ERROR, None)
    leftover_processes.forget_locals(error)
    if left and error is None:
        pytest.fail(f"the test left processes: {names}")


@pytest.fixture
def programs() -> Iterator[Path]:
    """A folder for programs that the test writes and runs."""
    with executable_folder() as folder:
        yield folder


@pytest.fixture
def yard() -> Iterator[Path]:
    """A folder in /tmp that other users can reach, which a test's own folder is not."""
    with tempfile.TemporaryDirectory(prefix="plabctl-yard-") as name:
        Path(name).chmod(0o755)
        yield Path(name).resolve()


@pytest.fixture(scope="session")
def slurm_cluster() -> Iterator[Slurm]:
    """A real Slurm cluster, one for all tests of a run."""
    with tempfile.TemporaryDirectory(prefix="plabctl-slurm-") as folder:
        Path(folder).chmod(0o755)  # munged insists that nobody else can write here
        with Slurm(Path(folder)) as cluster:
            yield cluster


@pytest.fixture
def slurm(slurm_cluster: Slurm) -> Slurm:
    """The cluster, with all nodes idle and no job."""
    slurm_cluster.make_idle()
    return slurm_cluster


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A real Chromium, one for all tests of a run."""
    with run_chromium() as browser:
        yield browser


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Any:
    """Hand the tests out by file or group: what a module sets up for all its tests is set up in one process."""
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadGroupScheduling

    scheduler = LoadGroupScheduling(config, log)
    find_group = scheduler._split_scope
    scheduler._split_scope = lambda nodeid: find_group(nodeid).partition("::")[0]
    return scheduler


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a case after the beginning of a long text: a name goes to all processes, and to the environment."""
    return f"{ascii(val[:_LONG_TEXT])[1:-1]}..." if isinstance(val, str) and len(val) > _LONG_TEXT else None


_LONG_TEXT = 500
# What has tests of ten seconds and more comes first: none of them begins when all else is done.
_LONG = (
    "tests/e2e/",
    "tests/torture/",
    "tests/benchmarks/",
    "tests/docs/test_readme.py",
    "tests/executors/dask/",
    "tests/plugins/",
)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the collector of garbage from walking through what is collected, here and in all tests: it stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        if "slurm" in marks:
            item.add_marker(pytest.mark.xdist_group("slurm"))  # one cluster for all
        if "chromium" in marks:
            item.add_marker(pytest.mark.xdist_group("chromium"))  # one browser for all
        for mark, missing in (
            ("lab", requirements.for_lab),
            ("root", requirements.for_root),
            ("sshd", requirements.for_sshd),
            ("slurm", requirements.for_slurm),
            ("chromium", requirements.for_chromium),
            ("prometheus", requirements.for_prometheus),
        ):
            if mark in marks and (reason := missing()):
                item.add_marker(pytest.mark.skip(reason=reason))
