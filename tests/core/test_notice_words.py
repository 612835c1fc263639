"""Notices in words: grouped by site and cause, folded, short, and harmless whatever a node says."""

import pytest

from plabctl.core.notice_words import SUBJECT, TEXT, explain_template, fill_template, fold, list_lines, summarize
from plabctl.core.notices import Alarm, Ended, Notice, Topic
from tests.builders import NOW


def make_node(node: str, what: str = "connect", site: str = "north", **fields: object) -> Alarm:
    return Alarm(Topic.NODES, what, NOW - 60, node, site)._replace(**fields)  # type: ignore[arg-type]  # any field


NORTH = tuple(make_node(f"pc{n}.lab", detail="connection refused") for n in range(1, 7))


def end(*alarms: Alarm, after_s: float = 10_800.0, is_lost: bool = False) -> tuple[Ended, ...]:
    return tuple(Ended(alarm, alarm.since_at + after_s, is_lost) for alarm in alarms)


def test_nodes_are_counted_by_site_with_the_cause() -> None:
    notice = Notice(NORTH, end(make_node("a1"), make_node("a2")), ())
    assert summarize(notice) == "6 nodes bad at north: connect; 2 back after 3h"
    assert list_lines(notice, NOW) == [
        "6 nodes bad at north: pc[1-6].lab: connect: connection refused",
        "2 nodes back after 3h: a[1-2]",
    ]


def test_one_node_is_named() -> None:
    assert summarize(Notice(NORTH[:1], (), ())) == "pc1.lab bad at north: connect"
    assert summarize(Notice((), end(make_node("a1")), ())) == "a1 back after 3h"
    assert summarize(Notice((), end(make_node("a1"), is_lost=True), ())) == "a1 no longer listed"
    assert summarize(Notice((make_node("a1", site=""),), (), ())) == "a1 bad: connect"


def test_several_sites_and_causes() -> None:
    mixed = (*NORTH, make_node("s1", "dns", "south"), make_node("s2", "auth", "south"), make_node("s3", "dns", "south"))
    assert summarize(Notice(mixed, (), ())) == "6 nodes bad at north: connect; 3 nodes bad at south: dns, auth"
    assert list_lines(Notice(mixed, (), ()), NOW)[1:] == [
        "2 nodes bad at south: s[1,3]: dns",
        "1 node bad at south: s2: auth",
    ]
    many = tuple(make_node(f"n{n}", site=f"site{n % 7}") for n in range(70))
    assert summarize(Notice(many, (), ())).endswith("; 40 bad at 4 other sites")


def test_what_lasts_says_for_how_long() -> None:
    still = (make_node("a1", since_at=NOW - 3600), make_node("a2", since_at=NOW - 28_800))
    notice = Notice((), (), (*still, Alarm(Topic.POOLS, "good", NOW - 7200, detail="3 usable, at least 4 wanted")))
    assert summarize(notice) == "2 nodes still bad at north: connect; still: pool good: 3 usable, at least 4 wanted"
    assert list_lines(notice, NOW) == [
        "2 nodes still bad at north for 1h to 8h: a[1-2]: connect",
        "still, for 2h: pool good: 3 usable, at least 4 wanted",
    ]


def test_all_else_is_a_sentence() -> None:
    pool = Alarm(Topic.POOLS, "good", NOW - 60, detail="3 usable, at least 4 wanted")
    guard = Alarm(Topic.GUARD, "site north", NOW - 60, detail="8 of 10 failed")
    fault = Alarm(Topic.FAULTS, "inventory", NOW - 60, detail="inventory: racks cannot be read")
    new = Notice((pool, guard, fault), (), ())
    assert summarize(new) == "; ".join(list_lines(new, NOW))
    assert list_lines(new, NOW) == [
        "pool good: 3 usable, at least 4 wanted",
        "guard on for site north: 8 of 10 failed",
        "inventory: racks cannot be read",
    ]
    assert list_lines(Notice((), end(pool, guard, fault, after_s=60.0), ()), NOW) == [
        "pool good has enough usable nodes again after 1m",
        "guard off for site north after 1m",
        "over after 1m: inventory: racks cannot be read",
    ]


def test_a_storm_is_short() -> None:
    names = [f"{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}-{n * n}x.lab.example.org" for n in range(1000)]
    storm = Notice(tuple(make_node(name, site=f"s{n % 100}") for n, name in enumerate(names)), (), ())
    assert len(summarize(storm)) <= 200
    lines = list_lines(storm, NOW)
    assert len(lines) == 41
    assert lines[-1] == "and 60 more lines; see: plabctl status"
    assert max(map(len, lines)) < 400
    shown, more = fold(names).split(" and ")
    assert more == f"{1000 - len(shown.split(','))} more"


def test_what_a_node_says_stays_text() -> None:
    evil = make_node("n1", site="<!channel>", detail="<!here> @everyone [x](http://evil) `rm` *\n\x1b[31m|a|")
    for text in (summarize(Notice((evil,), (), ())), *list_lines(Notice((evil,), (), ()), NOW)):
        assert not set(text) & set("<>@[]`*|\n\x1b")


@pytest.mark.parametrize("text", [SUBJECT, TEXT, "no field at all", "{{braces}} {summary}", "{{{summary}"])
def test_templates_that_are_read(text: str) -> None:
    assert explain_template(text) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{sumary}", "there is no {sumary}"),
        ("{}", "there is no {}"),
        ("{0}", "there is no {0}"),
        ("{lines.__class__}", "there is no {lines.__class__}"),
        ("{summary!r}", "there is no {summary!r}"),
        ("{summary:>99999999}", "there is no {summary:>99999999}"),
        ("{summary", "a single {, write {{ for it"),
        ("a } b", "a single }, write }} for it"),
        ("{{{{summary}}}", "a single }, write }} for it"),
    ],
)
def test_templates_with_a_fault(text: str, why: str) -> None:
    assert explain_template(text) == why


def test_a_template_is_filled() -> None:
    assert fill_template("{{x}} {summary}, {usable}", {"summary": "{lines}", "usable": "3"}) == "{x} {lines}, 3"
