"""A day of Debian's own cron, speeded up: 1,440 ticks, half of them over each night on which the clocks are put.

I/O, root. cron runs the line that `plabctl cron install` writes, with a program in front that gives plabctl its clock.
Then come two schedulers at once, then the same error every minute, then no cron at all. Go on with `tests.lab.crond`.
"""

import datetime as dt
import itertools
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plabctl.core.error_throttle import REPEAT_S
from plabctl.errors import ConfigError
from tests.e2e.site import PLABCTL, Site
from tests.lab.crond import Cron
from tests.lab.requirements import for_lab, program
from tests.lab.sshd import Sshd
from tests.lab.wait_until import wait_until
from tests.torture.finding import Finding
from tests.torture.options import TortureOptions

ZONE = "CET-1CEST,M3.5.0,M10.5.0/3"
MINUTE_S = 0.25
UNHURRIED_MINUTE_S = 1.0
"""For a few minutes beside other work: ticks of a busy machine would pile up, each with a clock of its own."""
NODES = ("n1", "n2", "n3")
_PATIENCE_S = 60.0
CRON_FORGETS_S = 300
_LATER = 8
"""How many ticks after those that are counted show how late the last of these began."""


SPRING = dt.datetime(2026, 3, 29, 1, tzinfo=dt.UTC).timestamp()
"""When two o'clock becomes three."""
AUTUMN = dt.datetime(2026, 10, 25, 1, tzinfo=dt.UTC).timestamp()
"""When three o'clock becomes two."""


def missing() -> str:
    """Return what keeps this from being run."""
    return for_lab()


@dataclass
class Scene:
    """A cron, an installation that it runs, and the sshd that stands for its nodes."""

    cron: Cron
    site: Site
    sshd: Sshd
    between_tests_min: int
    """How many minutes lie between two tests of a node."""

    def start(self, at: float) -> None:
        """Start cron at an instant, with nodes, and plabctl in its crontab."""
        self.cron.start(at, ZONE)
        self.site.program = self.cron.behind(str(PLABCTL))
        self.site.configure(key=self.sshd.key, user=self.sshd.user, every=f"{self.between_tests_min}m")
        self.site.add({name: dict(pair.split("=") for pair in self.sshd.variables()) for name in NODES})
        self.site.run("trust", "*", "--yes")
        with self.cron.stopped():  # it is not to run the line before the program in it is that of its clock
            self.site.run("cron", "install")
            line = self.cron.crontab().replace(str(PLABCTL), self.site.program)
            assert self.site.program in line
            self.cron.run([program("crontab"), "-"], text=line)

    def pass_minutes(self, count: int) -> None:
        """Wait until cron has run plabctl so many times more."""
        before = len(self.cron.runs("tick"))
        patience = _PATIENCE_S + 3 * count * self.cron.minute_s
        time.sleep(count * self.cron.minute_s)  # to look all the time would take from cron what it needs
        assert wait_until(lambda: len(self.cron.runs("tick")) >= before + count, within_s=patience), (
            "cron does not go on"
        )

    def settle(self) -> None:
        """Wait until every tick has ended that had begun by now."""
        begun = len(self.cron.runs("tick"))

        def has_settled() -> bool:
            return all(run.code is not None for run in self.cron.runs("tick")[:begun])

        assert wait_until(has_settled, within_s=_PATIENCE_S), "a tick does not end"


def run(options: TortureOptions) -> list[Finding]:
    """Return what a day of cron brought."""
    findings: list[Finding] = []
    with Sshd(options.folder / "sshd") as sshd:
        nights = [("spring", SPRING), ("autumn", AUTUMN)]
        for name, change in nights if options.whole else nights[1:]:
            minute_s = MINUTE_S if options.whole else UNHURRIED_MINUTE_S
            with Cron(options.folder / name, minute_s=minute_s) as cron:
                site = Site(options.folder / f"{name}-site", inside=cron.inside())
                scene = Scene(cron, site, sshd, options.count(45, 10))
                findings += _night(scene, name, change, options.count(720, 20))
                if name == "autumn":
                    findings += _two_schedulers(scene, options.count(60, 12))
                    findings += _trouble(scene, options.count(150, 10))
                    findings += _silence(scene)
    return findings


def _night(scene: Scene, name: str, change: float, minutes: int) -> Iterator[Finding]:
    """Let half of the minutes pass before the clocks are put, half of them after."""
    scene.start(change - minutes * 30)
    scene.pass_minutes(minutes + _LATER)
    scene.settle()
    runs = scene.cron.runs("tick")
    yield _none_missed(f"{name}: minutes of cron without a tick", [each.began_at for each in runs], minutes)
    runs = runs[:minutes]
    failed = [f"{each}" for each in runs if each.code]
    yield Finding(f"{name}: ticks that did not exit with 0", str(len(failed)), "0", not failed, "\n".join(failed[:3]))
    yield _no_mail(f"{name}: mails while all is well", scene.cron.mails())
    events = scene.site.history()
    tests = sum(event["kind"] == "probe" for event in events)
    # Each node once in so many minutes and a few more, however the clocks are put.
    wanted = len(NODES) * int(minutes / scene.between_tests_min / 1.3)
    pools = set(scene.site.pools().values())
    yield Finding(f"{name}: tests meanwhile, all of them passed", str(tests), f">= {wanted}", tests >= wanted)
    yield Finding(f"{name}: where the nodes are then", ", ".join(pools), "good", pools == {"good"})


def _none_missed(what: str, began: list[float], count: int) -> Finding:
    """Compare the first `count` ticks with the minutes that passed by cron's own clock.

    A tick may begin late on a busy machine, and so seem to stand in the next minute: so they are counted, and the last
    of them stands in no later minute than those after it allow, of which each has a minute of its own. When this
    machine keeps cron itself waiting for five of its minutes, a second and a quarter of ours, it takes that for a clock
    that was set, by cron(8), and does not make up for them: they are none of those that had to be.
    """
    ends = began[count - 1 : count + _LATER]
    passed = min(round((at - began[0]) / 60) - later for later, at in enumerate(ends)) + 1
    began = began[:count]
    pauses = [later - former for former, later in itertools.pairwise(began)]
    forgotten = sum(round(pause / 60) - 1 for pause in pauses if pause > CRON_FORGETS_S)
    missed = max(0, passed - forgotten - len(began))
    example = f"{len(began)} ticks in {passed} minutes, the longest pause {max(pauses):.0f} s of cron's clock"
    return Finding(f"{what}, of {passed}", str(missed), "0", missed <= 0, example if missed else "")


def _no_mail(what: str, mails: list[str]) -> Finding:
    return Finding(what, str(len(mails)), "0", not mails, "".join(mails[:1]))


def _two_schedulers(scene: Scene, minutes: int) -> Iterator[Finding]:
    """Let a file of the system run the same ticks beside the crontab of the user."""
    text = scene.site.run("cron", "print", "--cron-d", "--user", "root").replace(str(PLABCTL), scene.site.program)
    inside = "cat >/etc/cron.d/plabctl"
    scene.cron.run(["sh", "-c", inside], text=text)
    time.sleep(2 * scene.cron.minute_s)  # cron looks for new files when a minute begins
    scene.pass_minutes(2 * minutes)
    said = scene.site.run("cron", "check", code=0)
    scene.cron.run(["rm", "/etc/cron.d/plabctl"])
    scene.settle()
    yield _no_mail("two schedulers at once: mails", scene.cron.mails())
    pauses = _list_pauses_s(scene.site.history())
    what = "two schedulers at once: minutes from one test of a good node to its next, at least"
    least = min(pauses) / 60
    yield Finding(what, f"{least:.1f}", f">= {scene.between_tests_min}", least >= scene.between_tests_min)
    yield Finding(
        "two schedulers at once: `cron check` says so",
        str(said.count("2 times as often")),
        "1",
        "2 times as often" in said,
        "" if "2 times as often" in said else said,
    )


def _list_pauses_s(events: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return how many seconds passed from each test of a good node to its next."""
    pauses = []
    for node in NODES:
        tests = [event for event in events if event["kind"] == "probe" and event["node"] == node]
        instants = [dt.datetime.fromisoformat(test["at"]) for test in tests if test["pool"] == "good"]
        pauses += [(later - former).total_seconds() for former, later in itertools.pairwise(instants)]
    return pauses


def _trouble(scene: Scene, minutes: int) -> Iterator[Finding]:
    """Break the configuration, mend it again, and count what cron mails."""
    sound = scene.site.config.read_text()
    scene.site.config.write_text(f"{sound}\nwidnow = 3\n")
    assert wait_until(lambda: bool(scene.cron.mails()), within_s=_PATIENCE_S), "an error is mailed"
    first = len(_list_broken(scene.cron))
    scene.pass_minutes(minutes)
    scene.site.config.write_text(sound)
    scene.settle()
    broken = _list_broken(scene.cron)
    hourly = _count_hours(broken)
    mails = scene.cron.mails()
    yield Finding("the same error every minute: ticks until cron's first mail", str(max(1, first)), "1", first <= 3)
    told = sum("widnow" in mail and "well again" not in mail for mail in mails)
    yield Finding(f"mails of the same error in {len(broken)} ticks", str(told), str(hourly), abs(told - hourly) <= 1)
    assert wait_until(lambda: len(scene.cron.mails()) > told, within_s=_PATIENCE_S), "the end of an error is mailed"
    scene.pass_minutes(10)
    rest = scene.cron.mails()[told:]
    ended = [mail for mail in rest if "all is well again" in mail]
    yield Finding("mails when it is over, in all", str(len(rest)), "1", len(rest) == len(ended) == 1, "".join(rest[1:]))


def _list_broken(cron: Cron) -> list[float]:
    """Return when the ticks began that found the configuration broken."""
    return [run.began_at for run in cron.runs("tick") if run.code == ConfigError.exit_code]


def _count_hours(instants: Sequence[float]) -> int:
    """Return how often one of `instants` is the first, or comes an hour after the last that was counted."""
    counted: list[float] = []
    for at in instants:
        if not counted or at - counted[-1] >= REPEAT_S:
            counted.append(at)
    return len(counted)


def _silence(scene: Scene) -> Iterator[Finding]:
    """Kill cron and ask as a monitoring system does.

    A command sees cron's clock of its beginning, and from there that of the machine, which is many times slower: a tick
    that began during it would lie far ahead. So the first look is when none begins any more, and with hours to spare.
    """
    scene.cron.stop()
    scene.settle()
    said = scene.site.run("check", "--max-age", "3h")
    last = scene.cron.runs("tick")[-1].began_at
    argv = scene.site.argv("check", "--max-age", "3m")
    health = at = 0.0
    while not health and at < last + 20 * 60:
        health = subprocess.run(argv, cwd=scene.site.folder, check=False, capture_output=True).returncode
        at = scene.cron.now()  # when it has ended: it looked at the clock at some time before that
    yield Finding("`plabctl check --max-age 3h` when cron has ended", said.split()[1], "OK", " OK " in said)
    minutes = (at - last) / 60
    what = "minutes from the last tick of a killed cron until it says CRITICAL"
    yield Finding(what, f"{minutes:.1f}", "3 to 5", health == 2 and minutes > 3)
