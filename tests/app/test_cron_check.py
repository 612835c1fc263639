from pathlib import Path

import pytest

from plabctl.app import cron_check, crontab
from plabctl.app.cron_line import CronJob, find_config
from plabctl.app.findings import Finding, Level

NOW = 1_800_000_000.0
JOB = CronJob(("/bin/true",), "/etc/plabctl/config.toml", names_config=False)
GOOD = "* * * * * root /bin/true --plabctl tick\n".replace("--plabctl", "/usr/bin/plabctl")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> cron_check.SystemPaths:
    (tmp_path / "cron.d").mkdir()
    (tmp_path / "proc" / "17").mkdir(parents=True)
    (tmp_path / "proc" / "17" / "comm").write_text("cron\n")
    set_crontab(monkeypatch, "")
    monkeypatch.setattr(cron_check, "_ROOT", tmp_path.stat().st_uid)
    return cron_check.SystemPaths(tmp_path / "cron.d", tmp_path / "crontab", tmp_path / "proc", (tmp_path / "systemd",))


def set_crontab(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(crontab, "read", text.encode)


def findings(places: cron_check.SystemPaths, last_tick_at: float | None = NOW - 30) -> list[Finding]:
    return cron_check.check(JOB, last_tick_at, NOW, places)


def faults(places: cron_check.SystemPaths) -> str:
    return "\n".join(str(finding) for finding in findings(places) if finding.level is not Level.OK)


def test_an_installed_line_a_running_cron_and_a_late_tick_are_all_well(
    places: cron_check.SystemPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_crontab(monkeypatch, "* * * * * /bin/true /x/plabctl tick\n")

    assert faults(places) == ""
    assert [finding.topic for finding in findings(places)] == ["your crontab", "cron", "ticks"]


@pytest.mark.parametrize("folder", ["100%", "it's", "a b", "#1", "%%\\%", 'say "x"', "plain"])
def test_the_line_that_plabctl_installs_is_all_well_wherever_the_configuration_is(
    places: cron_check.SystemPaths, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    job = CronJob(("/bin/true", "-m", "plabctl"), f"/srv/{folder}/plabctl.toml", names_config=True)
    set_crontab(monkeypatch, f"{job.line}\n")

    found = cron_check.check(job, NOW - 30, NOW, places)

    assert [finding.level for finding in found] == [Level.OK] * 3, found
    other = CronJob(job.program, "/srv/other.toml", names_config=True)
    assert "no line names '/srv/other.toml'" in str(cron_check.check(other, NOW - 30, NOW, places)[1])


@pytest.mark.parametrize("words", ["--config=/etc/x.toml", "-c /etc/x.toml", "--config '/etc/x.toml'"])
def test_a_line_names_its_configuration_in_any_form(words: str) -> None:
    assert find_config(f"* * * * * /bin/plabctl tick {words} # y", has_user=False) == "/etc/x.toml"
    assert find_config("@hourly root PLABCTL_CONFIG=/etc/y.toml /bin/plabctl tick", has_user=True) == "/etc/y.toml"
    assert find_config("* * * * * /bin/plabctl tick 'a", has_user=False) is None


def test_nothing_that_runs_ticks_is_a_failure(places: cron_check.SystemPaths) -> None:
    assert "FAIL  cron: no line runs `plabctl tick`; run: plabctl cron install" in faults(places)


def test_a_systemd_timer_is_as_good(places: cron_check.SystemPaths) -> None:
    places.timers[0].mkdir()
    (places.timers[0] / "plabctl@0.timer").touch()
    (places.proc / "17" / "comm").write_text("systemd\n")

    assert faults(places) == ""


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("plabctl.cron", GOOD, "a file whose name has more than"),
        ("plabctl", GOOD.rstrip("\n"), "its last line has no newline"),
        ("plabctl", GOOD.replace("tick", "tick --config /a%b"), "an unescaped % ends the command"),
        ("plabctl", GOOD.replace(" root ", " nobody-of-that-name "), "there is no user 'nobody-of-that-name'"),
        ("plabctl", GOOD.replace("/bin/true", "/no/such/program"), "'/no/such/program' does not exist"),
        ("plabctl", GOOD.replace("/bin/true /usr/bin/", ""), "'plabctl' is not an absolute path"),
        ("plabctl", GOOD.replace("tick", "tick >/dev/null 2>&1"), "its output is discarded"),
        ("plabctl", "* * * plabctl tick\n", "the line has too few fields"),
    ],
)
def test_what_keeps_cron_from_running_a_file_is_found(
    places: cron_check.SystemPaths, name: str, text: str, said: str
) -> None:
    path = places.cron_d / name
    path.write_text(text)
    path.chmod(0o644)

    assert said in faults(places)


def test_a_good_file_has_no_fault(places: cron_check.SystemPaths) -> None:
    path = places.cron_d / "plabctl"
    path.write_text(GOOD.replace("tick", r"tick --config /a\%b"))
    path.chmod(0o644)

    assert faults(places) == ""

    path.chmod(0o664)
    assert "others may write to it, so cron skips it" in faults(places)


def test_a_file_that_is_not_roots_is_found(places: cron_check.SystemPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    path = places.cron_d / "plabctl"
    path.write_text(GOOD)
    path.chmod(0o644)
    monkeypatch.setattr(cron_check, "_ROOT", path.stat().st_uid + 1)

    assert "it does not belong to root, so cron skips it" in faults(places)


def test_a_cron_that_does_not_run_is_a_failure(places: cron_check.SystemPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    set_crontab(monkeypatch, "* * * * * /bin/true /x/plabctl tick\n")
    (places.proc / "17" / "comm").write_text("acron\n")

    assert "no cron daemon is running" in faults(places)


def test_the_age_of_the_last_tick_decides(places: cron_check.SystemPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    set_crontab(monkeypatch, "* * * * * /bin/true /x/plabctl tick\n")

    assert findings(places, NOW - 170)[-1].level is Level.OK
    assert str(findings(places, NOW - 7200)[-1]).startswith("FAIL  ticks: no tick for 2h")
    assert findings(places, None)[-1].level is Level.WARN
    assert findings(places, NOW + 5)[-1].level is Level.OK


def test_two_schedulers_of_one_installation_are_named_and_those_of_two_are_not(
    places: cron_check.SystemPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_crontab(monkeypatch, f"* * * * * /bin/true /x/plabctl tick --config {JOB.config}\n")
    path = places.cron_d / "plabctl"
    path.write_text(GOOD.replace("tick", "tick --config /another.toml"))
    path.chmod(0o644)
    assert faults(places) == ""

    path.write_text(GOOD)

    assert f"ticks come 2 times as often as they need to: your crontab, {path}" in faults(places)
