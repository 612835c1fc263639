"""Each surrounding is what it says it is, seen from a command that runs in it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.lab import surroundings
from tests.lab.surroundings import ODD_NAME, SURROUNDINGS, USER_NAME, Place, main

pytestmark = pytest.mark.lab

UPTIME = "import time; print(int(time.clock_gettime(time.CLOCK_BOOTTIME)), int(time.monotonic()))"
SHELL_SEES = {
    "ordinary-user": ('id -un; basename "$PWD"; touch here "$HOME/x" "$TMPDIR/x"', f"{USER_NAME}\n{ODD_NAME}\n"),
    "odd-path": ('id -u; basename "$PWD"; test -e pyproject.toml', f"0\n{ODD_NAME}\n"),
    "noexec-tmpdir": (
        'printf "#!/bin/sh\\n" >"$TMPDIR/x"; chmod +x "$TMPDIR/x"; "$TMPDIR/x" 2>/dev/null || echo $?',
        "126\n",
    ),
    "no-home": ("echo ${HOME-none}", "none\n"),
    "read-only": ("touch x 2>/dev/null || echo no; id -u", "no\n0\n"),
    "c-locale": ('echo "$LC_ALL ${LANG-none}"', "C none\n"),
    "nohup": ("kill -HUP $$; echo lives", "lives\n"),
    "one-core": ("nproc", "1\n"),
    "no-ipv6": ("cat /proc/net/if_inet6; ip -br link | cut -c1-2", "lo\n"),
    "no-capabilities": ("id -u; grep -c 'Cap[EP].*0000000000000000' /proc/self/status", "0\n2\n"),
}
UP_FOR_S = {"just-booted": 5, "minutes-up": 300, "years-up": 3 * 365 * 86400}


def made(name: str, folder: Path) -> Place:
    if reason := surroundings.missing():
        pytest.skip(reason)
    return SURROUNDINGS[name].make(folder)


def test_every_surrounding_is_looked_at() -> None:
    assert SHELL_SEES.keys() | UP_FOR_S.keys() == SURROUNDINGS.keys()


@pytest.mark.parametrize("name", SHELL_SEES)
def test_a_command_sees_what_the_surrounding_says(name: str) -> None:
    script, expected = SHELL_SEES[name]

    with tempfile.TemporaryDirectory() as folder:  # not below tmp_path, which another user cannot enter
        done = made(name, Path(folder)).run(["sh", "-c", script], timeout_s=60, stdout=subprocess.PIPE)

    assert done.stdout == expected


@pytest.mark.parametrize("name", UP_FOR_S)
def test_the_machine_has_been_up_for_that_long(tmp_path: Path, name: str) -> None:
    done = made(name, tmp_path).run([sys.executable, "-c", UPTIME], timeout_s=60, stdout=subprocess.PIPE)

    for seen in map(int, done.stdout.split()):
        assert UP_FOR_S[name] - 2 <= seen <= UP_FOR_S[name] + 60


def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    place = made("no-home", tmp_path)
    mark = str(os.getpid() * 1000 + 321)

    with pytest.raises(subprocess.TimeoutExpired):
        place.run(["sh", "-c", f"setsid sleep {mark} & sleep {mark}; wait"], timeout_s=1, stdout=subprocess.PIPE)

    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert not [line for line in lines if line.startswith(f"sleep {mark}")]


def test_a_selection_is_played_and_what_fails_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if reason := surroundings.missing():
        pytest.skip(reason)
    inner = tmp_path / "test_inner.py"
    inner.write_text("import os\n\ndef test_home():\n    assert 'HOME' not in os.environ\n")

    code = main(["no-home", "nohup", "--minutes", "2", "--", "-n0", "-pno:cacheprovider", str(inner)])

    said = capfd.readouterr().out
    assert code == 1
    assert "no-home          ok     1 passed" in said
    assert "nohup            FAILED 1 failed" in said
    assert "FAILED" in said
    assert "test_home" in said


def test_an_interpreter_that_an_ordinary_user_cannot_run_is_not_taken() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = made("ordinary-user", Path(folder))
        private = Path(folder, "private")
        private.mkdir(mode=0o700)
        (private / "true").write_text("#!/bin/sh\n")
        (private / "true").chmod(0o755)

        assert surroundings._succeeds(place, ["true"])
        assert not surroundings._succeeds(place, [str(private / "true")])
