"""An event of each kind, made by what makes it in the program, and the page of docs/ that shows them.

I/O: sets the time zone while it describes them. Go on with `tests.docs.pages`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import Any

from plabctl.app.sink_report import build_drop_events
from plabctl.app.sink_runs import Round
from plabctl.app.sync_results import EndedSync, add_sync_results
from plabctl.core import enrolment, node_orders
from plabctl.core.absences import mark_absent, mark_back, rename_nodes
from plabctl.core.event_kinds import EVENT_KINDS
from plabctl.core.events import build_probe_event, build_void_event
from plabctl.core.fault_events import tell_faults
from plabctl.core.model import Event, Node, StageRun
from plabctl.core.pools.base import build_pools
from plabctl.core.settings import ANYWHERE, FlapSettings, SinkSettings
from plabctl.core.settle import settle
from plabctl.core.source_note import SourceNote, make_source_note
from plabctl.core.state import Changes
from plabctl.core.tick_errors import find_inventory_problems
from plabctl.history.sink_queues import QueueSpec
from plabctl.render.event_table import describe_event
from plabctl.sinks.base import SinkContext, SyncResult
from plabctl.sinks.event_json import build_object
from plabctl.sinks.slurm import SlurmOptions
from plabctl.sinks.tell import Drop
from tests.builders import NOW, make_claim, make_inventory, make_member, make_order, make_report, make_settings
from tests.core.experiments.virtual_testbed import VirtualTestbed, wanted
from tests.core.guard.test_evaluate import all_names, stepped, world
from tests.core.second_opinions import TwoVantages, make_opinionated, waiting
from tests.memory_state import MemoryState

SETTINGS = make_settings()
CONTEXT = SinkContext(
    "/nowhere", ANYWHERE, {"pc1": {"site": "north", "rack": "7", "ssh_host": "192.0.2.7"}}, describe_event
)


def build_examples() -> dict[str, Event]:
    """Return an event of each kind."""
    found: dict[str, Event] = {}
    for source in (_orders, _tests, _strikes, _guard, _ways, _inventories, _experiments, _drops, _names, _faults):
        for event in source():
            found.setdefault(event.kind, event)
    return {kind: found[kind] for kind in EVENT_KINDS}


def _make_state(pool: str = "good") -> MemoryState:
    return MemoryState(Changes(nodes=(Node("pc1", {"site": "north"}),), members=(make_member("pc1", pool),)))


def _orders() -> Iterable[Event]:
    state = MemoryState()
    order = make_order()
    decisions: tuple[Callable[[], Changes], ...] = (
        lambda: enrolment.add_nodes(state, SETTINGS, [Node("pc1", {"site": "north"})], order),
        lambda: node_orders.hold(state, SETTINGS, ["pc1"], order, NOW + 86_400),
        lambda: node_orders.release(state, ["pc1"], order),
        lambda: node_orders.retest(state, ["pc1"], order),
        lambda: enrolment.remove_nodes(state, ["pc1"], order),
    )
    for decide in decisions:
        changes = decide()
        state.apply(changes)
        yield from changes.events


def _tests() -> Iterable[Event]:
    """Yield what comes of a node that fails, is back, fails again and stays away."""
    state = _make_state()
    stages = (StageRun("setup", 0.4, 0, "ready\n"), StageRun("check", 1.6, 2, "no space left on device\n"))
    for outcome, seconds in (("fail", 0), ("pass", 2), ("fail", 4), ("fail", 6)):
        state.apply(Changes(claims=(make_claim("pc1", token=f"{seconds:016x}"),)))
        report = make_report("pc1", outcome, token=f"{seconds:016x}", stages=stages if outcome == "fail" else ())
        if outcome == "fail":
            report = replace(report, reason="no space left on device")
        changes = settle(state, [report], build_pools(SETTINGS), NOW + seconds, Random(1))
        state.apply(changes)
        yield from changes.events
    yield build_probe_event(make_report("pc1"), "good", NOW, late=True)
    yield build_void_event(make_claim("pc1"), "its tick is gone", NOW)


def _strikes() -> Iterable[Event]:
    state = _make_state()
    settings = make_settings(flap=FlapSettings(strikes=3))
    for number, outcome in enumerate(["fail", "fail", "pass", "pass", "pass", "pass"] * 3 + ["fail", "fail"]):
        state.apply(Changes(claims=(make_claim("pc1", token=f"{number:016x}"),)))
        report = replace(make_report("pc1", outcome, token=f"{number:016x}"), reason="no space left on device")
        changes = settle(state, [report], build_pools(settings), NOW + number, Random(1))
        state.apply(changes)
        yield from (event for event in changes.events if event.kind == "stuck")


def _guard() -> Iterable[Event]:
    state = world(40)
    names = all_names(state)
    stepped(state, dict.fromkeys(names[:20], "pass"), NOW - 60)
    stepped(state, dict.fromkeys(names[:1], "fail"), NOW)
    stepped(state, dict.fromkeys(names[20:35], "fail"), NOW + 1)
    stepped(state, dict.fromkeys(names, "pass"), NOW + 2)
    stepped(state, dict.fromkeys(names, "pass"), NOW + 3)
    guards = [event for event in state.outbox if event.kind.startswith("guard")]
    return [replace(event, node=event.node and "pc1") for event in guards]


def _ways() -> Iterable[Event]:
    """Yield what comes of a node that one of two vantages does not reach for an hour."""
    testbed = TwoVantages(
        make_opinionated(), lambda _node, where, _now: "fail" if where == "north" else "pass", waiting("pc1")
    )
    found = testbed.run(3600.0)
    testbed.sight = lambda *_: "pass"
    return [event for event in (*found, *testbed.run(7200.0)) if event.kind.startswith("path")]


def _inventories() -> Iterable[Event]:
    state, order = _make_state(), make_order(actor="file:nodes.txt", reason="")
    decisions: tuple[Callable[[], Changes], ...] = (
        lambda: mark_absent(state, ["pc1"], order, 86_400),
        lambda: mark_back(state, ["pc1"], order),
        lambda: enrolment.add_nodes(state, SETTINGS, [Node("pc1", {"site": "south"})], order, replacing=True),
        lambda: rename_nodes(state, {"pc1": Node("pc1.lab.example.org", {"site": "north"})}, order),
    )
    for decide in decisions:
        changes = decide()
        state.apply(changes)
        yield from changes.events


def _experiments() -> Iterable[Event]:
    bed = VirtualTestbed("pc1", "pc2")
    bed.swap_in(wanted("web", count=1))
    bed.work()
    (name,) = bed.states("web")
    bed.placement[name].clear()
    bed.wait(bed.vnode(name, "web").interval_s)
    bed.work()
    bed.put(name, "bad")
    bed.reconcile()
    bed.wait(bed.settings.experiment.grace_s)
    bed.work()
    bed.swap_out("web")
    bed.work()
    return bed.events


def _drops() -> Iterable[Event]:
    spec = QueueSpec("5f1c", "hook 'notify.sh'", "command", "", ())
    return build_drop_events(Round(removed=[(spec, Drop(3, 120, NOW, "it failed for a day"))]), [], NOW + 86_400)


def _names() -> Iterable[Event]:
    sink = SinkSettings("slurm", options=SlurmOptions())
    ended = EndedSync("sync slurm", sink, SyncResult(remark="pc9 not in Slurm; n7, n8 not in plabctl"))
    return add_sync_results(Changes(), MemoryState(), make_settings(), [ended], NOW, Random(1)).events


def _faults() -> Iterable[Event]:
    state = MemoryState()
    source = replace(make_inventory("file"), name="lab")
    fault = "1 row left out: nodes.txt:7: 'pc 3!' is neither a host name nor an address"
    for note, now in ((SourceNote(fault, NOW), NOW), (None, NOW + 3600.0)):
        state.apply(Changes(notes=make_source_note(source.name).write(note)))
        problems = find_inventory_problems(state, make_settings(inventories=(source,)))
        changes = tell_faults(state, problems, now, Random(now))
        state.apply(changes)
        yield from changes.events


def build_page() -> str:
    """Return docs/events.md."""
    with _in_utc():
        examples = {kind: build_object(event, CONTEXT) for kind, event in build_examples().items()}
    rows = [f"| `{kind}` | {_escape(told['text'])} | {_format_keys(told)} |" for kind, told in examples.items()]
    return "\n".join([_HEAD.format(example=json.dumps(examples["transition"], indent=2)), *rows, ""])


@contextmanager
def _in_utc() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ")
        os.environ.update({} if before is None else {"TZ": before})
        time.tzset()


def _escape(text: object) -> str:
    return str(text).replace("|", "\\|")


def _format_keys(told: Mapping[str, Any]) -> str:
    return ", ".join(f"`{key}`" for key in told["data"])


_HEAD = """\
# Events

Whatever happens to a node, an experiment or the guard is an event. The history keeps all of them (`plabctl history`);
a `[[hook]]` or `[[sink]]` is told of the kinds that its `on` names. This page is about what it gets, and when.

`make docs` generates this page from the program; a test compares the two.

## What a hook gets

A command without a shell, with one JSON object on one line of standard input. [events.schema.json](events.schema.json)
describes it as JSON Schema. `text` is a line for people; `site` and `labels` are those that the node has when it is
told, and labels called like a password are masked; what `data` has of `experiment`, `pool`, `from`, `to`, `outcome`,
`cause`, `reason`, `since_at` and `until_at` stands beside it as well. Instants are UTC with whole seconds, as jq's
`fromdate` reads them. What is unknown is missing, or null for `node` and `site`. New keys may be added.

```json
{example}
```

The environment has `PLABCTL_EVENT` (the kind), `PLABCTL_NODE`, `PLABCTL_EXPERIMENT` and `PLABCTL_EVENT_ID`. What
stages printed is in `data.stages` only with `output = true`.

With `batch = true` the command is run once for all events that wait, at the end of a tick or when one of them has
waited for a minute. It gets a list of such objects, oldest first, at most 1,000 and about 8 MiB; `PLABCTL_EVENT_COUNT`
says how many.

```toml
[[hook]]
on = ["transition", "guard-on", "guard-off"]
command = ["/usr/local/bin/notify"]
timeout = "30s"
batch = true
```

## When it gets it

Each sink has a queue of its own, which is the history: it is told of the events in their order, one run after the
other, and no sink waits for another. A tick that has nothing else to do waits half a second for its sinks, of all kinds
together, and ends. What takes longer goes on in a process that outlives it: for 30 seconds that begins to tell what
waits, lets what it began come to its end or time-out, and leaves the rest to the next tick. As one process at a time
tells a sink, there are at most as many of these as sinks. How it went, `check` says at once and the next tick.

`plabctl tick` on a terminal waits to the end and says what went wrong itself. So does one that is the first process of
a container or a child of that (`docker run --init`), or whose unit of systemd has no `KillMode=process`: there its end
would be that of all that it leaves. In other surroundings that end what is left, such as a script in a script in a
container, a sink that takes longer than half a second is killed with it and told again by the next tick.

- **At least once.** A command that exits with 0 took the event. One that was killed with its tick gets it again, with
  the same `id`.
- **A sink that fails** (another exit code, the `timeout`, a command that is not there) gets the same event again with
  the next tick, then after 1, 2, 4, ... 60 minutes. What comes later waits behind it. Ticks exit with 1 meanwhile, and
  `plabctl doctor` says since when and why.
- **After a day** events that a failing sink could not be told of are dropped, and so are the oldest when more than
  10,000 wait for one sink. An event `dropped` tells of both. The history has them all the same.
- **A sink that is new** is told of what happens from then on. One whose command or kinds are changed goes on where it
  was. The queue of one that is removed goes; if events waited, that is told by an event `dropped`.

## Faults of plabctl itself

A `fault` is what `plabctl check`, `doctor` and `status` say, in the same words: a source of nodes that cannot be read
or is not believed, its bad rows, a sink or a plug-in that fails, ticks that end with an error, a disk that is nearly
full, tests that find nothing out, no usable node. It is told once, however long it lasts, and `fault-over` tells when
it ends. A source is told again when other rows of it are bad.

A tick tells of a fault when it has something to do, or fails. One that cannot read its configuration can tell nobody:
the first that ends well tells both, and says from when to when ticks failed. `problem` is the `kind` in
`status -o json`. A hook gets faults only if its `on` names them: `on = ["transition", "fault", "fault-over"]`.

## The kinds

What is meant is in the [glossary](glossary.md#events). `text` of an example of each, and what else is in its `data`:

| kind | text | data |
|---|---|---|"""
