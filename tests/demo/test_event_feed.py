"""What is news and what is not."""

from plabctl.core.model import Event
from plabctl.demo.event_feed import EventFeed
from tests.builders import NOW


def probe(token: str, outcome: str, cause: str | None = None, node: str = "n1") -> Event:
    return Event(f"{token}-probe", NOW, "probe", node, "plabctl", {"outcome": outcome, "cause": cause, "reason": "r"})


def move(token: str, kind: str = "transition") -> Event:
    return Event(f"{token}-{kind}", NOW, kind, "n1", "plabctl", {"from": "bad", "to": "good", "cause": "passed"})


def told(news: EventFeed, *events: Event) -> list[str]:
    return [cells[-1].text for cells in news.format_events(events)]


def test_the_same_verdict_again_is_no_news() -> None:
    news = EventFeed()

    assert len(told(news, probe("a", "fail", "setup"))) == 1
    assert told(news, probe("b", "fail", "setup")) == []
    assert len(told(news, probe("c", "fail", "connect"))) == 1
    assert len(told(news, probe("d", "pass"))) == 1


def test_a_test_that_was_broken_off_is_no_news_and_changes_nothing() -> None:
    news = EventFeed()
    told(news, probe("a", "pass"))

    assert told(news, probe("b", "unknown", "interrupted"), probe("c", "pass")) == []


def test_verdicts_are_remembered_for_each_node() -> None:
    assert len(told(EventFeed(), probe("a", "pass"), probe("b", "pass", node="n2"))) == 2


def test_a_move_is_told_in_place_of_the_verdict_that_led_to_it() -> None:
    assert told(EventFeed(), probe("a", "pass"), move("a")) == ["bad -> good"]


def test_a_verdict_told_by_a_move_is_known_afterwards() -> None:
    news = EventFeed()
    told(news, probe("a", "pass"), move("a"))

    assert told(news, probe("b", "pass")) == []


def test_the_names_given_line_up() -> None:
    cells = next(EventFeed(["n1", "a-long-name"]).format_events([probe("a", "pass")]))

    assert cells[1].text == "n1         "


def test_looks_at_vnodes_are_no_news_but_what_becomes_of_them_is() -> None:
    of_web = {"experiment": "web", "vnode": "v"}
    events = [
        Event("a-vnode-probe", NOW, "vnode-probe", "n1", "plabctl", {**of_web, "outcome": "pass"}),
        Event("a-vnode-up", NOW, "vnode-up", "n1", "plabctl", of_web),
    ]

    assert told(EventFeed(), *events) == ["web: vnode up"]
