"""A day of Debian's own cron, speeded up: 1,440 ticks, half of them over each night on which the clocks are put.

I/O, root. cron runs the line that `plabctl cron install` writes, with a program in front that gives plabctl its clock.
Then come two schedulers at once, then the same error every minute, then no cron at all. Go on with `tests.lab.crond`.
"""

import datetime as dt
import itertools
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.e2e.site import PLABCTL, Site
from tests.lab.crond import Cron
from tests.lab.requirements import for_lab, program
from tests.lab.sshd import Sshd
from tests.lab.wait_until import wait_until
from tests.torture.finding import Finding
from tests.torture.options import TortureOptions

ZONE = "CET-1CEST,M3.5.0,M10.5.0/3"
MINUTE_S = 0.25
NODES = ("n1", "n2", "n3")
AN_HOUR = 60
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

    def start(self, at: float) -> None:
        """Start cron at an instant, with nodes, and plabctl in its crontab."""
        self.cron.start(at, ZONE)
        self.site.program = self.cron.behind(str(PLABCTL))
        self.site.configure(key=self.sshd.key, user=self.sshd.user, every="45m")
        self.site.add({name: dict(pair.split("=") for pair in self.sshd.variables()) for name in NODES})
        self.site.run("trust", "*", "--yes")
        self.site.run("cron", "install")
        line = self.cron.crontab().replace(str(PLABCTL), self.site.program)
        assert self.site.program in line
        self.cron.run([program("crontab"), "-"], text=line)

    def pass_minutes(self, count: int) -> None:
        """Wait until cron has run plabctl so many times more."""
        before = len(self.cron.runs("tick"))
        patience = _PATIENCE_S + 3 * count * MINUTE_S
        time.sleep(count * MINUTE_S)  # to look all the time would take from cron what it needs
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
            with Cron(options.folder / name, minute_s=MINUTE_S) as cron:
                scene = Scene(cron, Site(options.folder / f"{name}-site", inside=cron.inside()), sshd)
                findings += _night(scene, name, change, options.count(720, 20))
                if name == "autumn":
                    findings += _two_schedulers(scene, options.count(60, 5))
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
    # Each node once in about three quarters of an hour, however the clocks are put.
    wanted = len(NODES) * max(1, minutes // 60)
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
    before = len(scene.site.history())
    text = scene.site.run("cron", "print", "--cron-d", "--user", "root").replace(str(PLABCTL), scene.site.program)
    inside = "cat >/etc/cron.d/plabctl"
    scene.cron.run(["sh", "-c", inside], text=text)
    time.sleep(2 * MINUTE_S)  # cron looks for new files when a minute begins
    scene.pass_minutes(2 * minutes)
    said = scene.site.run("cron", "check", code=0)
    scene.cron.run(["rm", "/etc/cron.d/plabctl"])
    scene.settle()
    yield _no_mail("two schedulers at once: mails", scene.cron.mails())
    events = scene.site.history()[before:]
    probes = [(event["node"], event["at"]) for event in events if event["kind"] == "probe"]
    most = max((sum(node == each for node, _ in probes) for each in NODES), default=0)
    allowed = minutes // 45 + 2
    yield Finding(
        "two schedulers at once: tests of one node meanwhile, at most", str(most), f"<= {allowed}", most <= allowed
    )
    yield Finding(
        "two schedulers at once: `cron check` says so",
        str(said.count("2 times as often")),
        "1",
        "2 times as often" in said,
        "" if "2 times as often" in said else said,
    )


def _trouble(scene: Scene, minutes: int) -> Iterator[Finding]:
    """Break the configuration, mend it again, and count what cron mails."""
    sound = scene.site.config.read_text()
    began = len(scene.cron.runs("tick"))
    scene.site.config.write_text(f"{sound}\nwidnow = 3\n")
    assert wait_until(lambda: bool(scene.cron.mails()), within_s=_PATIENCE_S), "an error is mailed"
    first = sum(run.code == 78 for run in scene.cron.runs("tick")[began:])
    scene.pass_minutes(minutes)
    scene.site.config.write_text(sound)
    scene.settle()
    broken = sum(run.code == 78 for run in scene.cron.runs("tick")[began:])
    hourly = 1 + (broken - 1) // AN_HOUR
    mails = scene.cron.mails()
    yield Finding("the same error every minute: ticks until cron's first mail", str(max(1, first)), "1", first <= 3)
    told = sum("widnow" in mail and "well again" not in mail for mail in mails)
    yield Finding(f"mails of the same error in {broken} minutes", str(told), str(hourly), abs(told - hourly) <= 1)
    assert wait_until(lambda: len(scene.cron.mails()) > told, within_s=_PATIENCE_S), "the end of an error is mailed"
    scene.pass_minutes(10)
    rest = scene.cron.mails()[told:]
    ended = [mail for mail in rest if "all is well again" in mail]
    yield Finding("mails when it is over, in all", str(len(rest)), "1", len(rest) == len(ended) == 1, "".join(rest[1:]))


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
