import shlex
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plabctl.app.cron_line import CronJob, add_line, has_unescaped_percent, is_tick_line, parse_command, remove_line

JOB = CronJob(("/usr/bin/plabctl",), "/etc/plabctl/config.toml", names_config=False)
OTHER = CronJob(("/usr/bin/plabctl",), "/srv/lab/plabctl.toml", names_config=True)
paths = st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r", exclude_categories=["Cs"]), min_size=1).map(
    lambda text: "/" + text
)


def test_the_line_is_one_that_people_would_write() -> None:
    assert JOB.line.startswith("* * * * * /usr/bin/plabctl tick # ")
    assert OTHER.line.startswith("* * * * * /usr/bin/plabctl tick --config /srv/lab/plabctl.toml # ")
    assert JOB.file("plab") == "MAILTO=root\n* * * * * plab /usr/bin/plabctl tick\n"


def test_variables_that_cron_does_not_have_stand_in_the_line() -> None:
    job = CronJob(("/usr/bin/plabctl",), "/a.toml", names_config=True, variables=(("PLABCTL_STATE_DIR", "/my state"),))

    assert job.command == "PLABCTL_STATE_DIR='/my state' /usr/bin/plabctl tick --config /a.toml"


@given(paths)
@example("/50% off/it's/$(touch x)/`id`/#")
def test_what_cron_hands_to_the_shell_is_what_was_meant(path: str) -> None:
    job = CronJob((sys.executable, "-c", "import sys; print(ascii(sys.argv[2:]))"), path, names_config=True)
    command = parse_command(job.line, has_user=False)

    assert not has_unescaped_percent(command)
    assert shlex.split(command.replace("\\%", "%"), comments=True) == list(job.argv)


def test_the_shell_sees_the_mark_as_a_remark() -> None:
    path = "/it's 100% $(exit 3)/x.toml"
    job = CronJob((sys.executable, "-c", "import sys; print(ascii(sys.argv[1:]))"), path, names_config=True)

    command = parse_command(job.line, has_user=False).replace("\\%", "%")

    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == ascii(["tick", "--config", path]) + "\n"


@given(st.binary().filter(lambda text: b"plabctl" not in text))
@example(b"")
@example(b"# mine\n0 5 * * * backup")
@example(b"MAILTO=me\r\n0 5 * * * backup\r\n\n")
def test_what_was_put_in_is_taken_out_and_nothing_else_changes(crontab: bytes) -> None:
    once = add_line(crontab, JOB)

    assert once.splitlines().count(JOB.line.encode()) == 1
    assert add_line(once, JOB) == once
    assert remove_line(once, JOB) == crontab
    assert remove_line(crontab, JOB) == crontab


@given(st.binary().filter(lambda text: b"plabctl" not in text))
def test_two_installations_do_not_touch_each_other(crontab: bytes) -> None:
    both = add_line(add_line(crontab, JOB), OTHER)

    assert remove_line(remove_line(both, JOB), OTHER) == crontab
    assert remove_line(both, OTHER) == add_line(crontab, JOB)


def test_an_older_line_is_replaced_where_it_stands() -> None:
    old = CronJob(("/old/venv/bin/plabctl",), JOB.config, names_config=True)
    crontab = b"# above\n" + old.line.encode() + b"\n# below\n" + old.line.encode() + b"\n"

    assert add_line(crontab, JOB) == b"# above\n" + JOB.line.encode() + b"\n# below\n"


def test_a_line_that_somebody_put_out_of_use_stays() -> None:
    crontab = b"#" + JOB.line.encode() + b"\n"

    assert remove_line(crontab, JOB) == crontab
    assert add_line(crontab, JOB) == crontab + JOB.line.encode() + b"\n"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (JOB.line, True),
        ("* * * * * plab timeout 300 /opt/plabctl/bin/plabctl tick", True),
        ("@hourly plabctl -c x tick", True),
        ("# * * * * * plabctl tick", False),
        ("* * * * * plabctl status | mail me", False),
        ("* * * * * plabctl history | grep ticket", False),
    ],
)
def test_a_line_that_runs_ticks_is_known(line: str, *, answer: bool) -> None:
    assert is_tick_line(line) is answer
