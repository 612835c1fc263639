"""Hostile outputs and hostile names, each through every input and every view: inert, in shape, and nothing is run.

I/O: installations in folders, hooks, shells and terminals. Most is drawn in this process, by what the commands call;
of each batch some is seen through real commands on a terminal, real hooks and real shells. Go on with
`hostile_outputs`, `hostile_views` and `hostile_input`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from plabctl.core.model import Event
from plabctl.core.recipe import fill_placeholders
from plabctl.core.settings import ANYWHERE
from plabctl.inventories.node_list import find_variables_fault
from plabctl.probes.frame import MARK, build_end_mark
from plabctl.probes.script import PROLOGUE, SHELL, build_environment, wrap_stage
from plabctl.render.event_table import describe_event
from plabctl.render.nagios import Health, format_line
from plabctl.sinks.base import SinkContext
from plabctl.sinks.command import COMMAND, build_variables
from plabctl.sinks.event_json import build_message
from tests.builders import make_hook
from tests.lab.harmless_text import find_active, without_styles
from tests.lab.hostile_texts import CANARY, outputs, words
from tests.lab.terminal import run_on_terminal
from tests.torture import hostile_input, hostile_views
from tests.torture.finding import Finding, none_of
from tests.torture.hostile_outputs import Batch, take_in
from tests.torture.options import TortureOptions

_SIZE = 1000
_CONFIG = 'state_dir = "state"\n'
_COMMANDS = (
    "status", "status -o wide", "show n00007", "explain n00008", "history -n 300", "node list", "experiment show web",
    "experiment list", "pool list", "rank", "tick --dry-run", "status -o json", "show n00009 -o tsv", "check",
    "show n00001 --color never", "explain nobody", "history -o csv -n 300", "export ansible --by l",
    "export ssh-config", "export nodeset", "export csv",
)  # fmt: skip
_PER_HOOK = 3
_SHELL = 'printf "%s" {l} >"$OUT"; printf "|%s" "$PLABCTL_L" >>"$OUT"'


def run(options: TortureOptions) -> list[Finding]:
    """Take all of it in and show all of it; return what was found."""
    count = options.count(100_000, 140)
    tasks = [
        (options.folder / f"{start:06d}", options.seed, start, min(_SIZE, count - start))
        for start in range(0, count, _SIZE)
    ]
    jobs = 2 if options.whole else 1
    if jobs == 1:
        found = [_of_batch(task) for task in tasks]
    else:
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
            found = list(pool.map(_of_batch, tasks))
    seen, ran, names = ([fault for each in found for fault in each[place]] for place in range(3))
    commands = list(_of_commands(options))
    canaries = [str(path) for path in options.folder.rglob(f"*{CANARY}*")]
    return [
        none_of("outputs that acted or broke the shape of a view, in a hook or on a terminal", seen, f"{2 * count}"),
        none_of("labels that a shell or a hook got otherwise than they were given", ran, f"{count}"),
        none_of(
            "names, labels and values that an input took or refused wrongly, or repeated as they are", names, f"{count}"
        ),
        none_of("words that a command or a configuration took wrongly", commands, f"{options.count(3300, 60)}"),
        none_of("commands run by a text", canaries, "all of it"),
    ]


def _of_batch(task: tuple[Path, int, int, int]) -> tuple[list[str], list[str], list[str]]:
    folder, seed, start, count = task
    options = TortureOptions(folder, seed)
    folder.mkdir()
    os.environ["COLUMNS"] = "100"
    said = list(outputs(options.dice(f"outputs {start}"), count))
    given = list(words(options.dice(f"words {start}"), count))
    labels = [_labels(word, number) for number, word in enumerate(given)]
    batch = take_in(folder, said, labels)
    seen = [
        *hostile_views.faults_of(batch),
        *_of_messages(batch.events),
        *_of_plugin(labels),
        *_of_terminal(folder, start, count),
    ]
    return seen, [*_of_shells(labels, folder), *_of_hooks(batch)], list(hostile_input.faults_of_words(given))


def _labels(word: str, number: int) -> Mapping[str, str]:
    labels = {"site" if number % 3 else "l": word}
    return {} if find_variables_fault(labels) else labels


def _of_messages(events: Iterable[Event]) -> Iterator[str]:
    """Yield what is wrong with what hooks get on standard input and in their environment."""
    for event in events:
        told = build_message([event], SinkContext("/nowhere", ANYWHERE, describe=describe_event))
        if not told.isascii() or found_in(told.decode().rstrip("\n")) or told.count(b"\n") != 1:
            yield f"told to hooks: {told!r}"
        json.loads(told)
        yield from (f"environment of hooks: {value!r}" for value in build_variables(event).values() if found_in(value))


def found_in(text: str) -> str:
    """Return what acts in a text of one line."""
    return find_active(text, "")


def _of_plugin(labels: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Yield what is wrong with the line of the plug-in: a site's name gets there by way of the guard."""
    for label in labels:
        for word in label.values():
            said = format_line(Health.WARNING, f"guard on for site {word}", "'bad'=1;;;0;2")
            if said.count("|") != 1 or said.partition(" | ")[2] != "'bad'=1;;;0;2" or found_in(said):
                yield f"check: {said!r}"


def _of_terminal(folder: Path, start: int, count: int) -> Iterator[str]:
    """Yield what real commands send to a real terminal that is more than letters and our own colours."""
    if start % (10 * _SIZE):
        return
    config = folder / "plabctl.toml"
    config.write_text(_CONFIG)
    environ = {
        **os.environ,
        "TERM": "xterm",
        "PAGER": "cat",
        "LANG": "C.UTF-8",
        "PLABCTL_STATE_DIR": str(folder / "unused"),
    }
    environ.pop("COLUMNS")
    for command in _COMMANDS if count == _SIZE else _COMMANDS[:4]:
        code, sent = run_on_terminal([sys.executable, "-m", "plabctl", *shlex.split(command)], folder, environ)
        text = without_styles(sent.decode("utf-8", "replace")).replace("\r\n", "\n")
        if found := find_active(text, "\n\t"):
            yield f"plabctl {command} on a terminal: {found}"
        if code not in {0, 1, 2} or "Traceback" in text or "bug" in text.rpartition("plabctl: ")[2][:20]:
            yield f"plabctl {command} on a terminal: exit {code}: {text[-300:]!r}"


def _of_shells(labels: Sequence[Mapping[str, str]], folder: Path) -> Iterator[str]:
    """Yield the labels that a stage's shell does not get as they are, quoted and exported, as it is sent to a node."""
    values = [label["l"] for label in labels if "l" in label]
    for value in values[:: max(1, len(values) // 30)]:
        out = folder / "out"
        out.write_bytes(b"")
        names = {"l": value, "out": str(out)}
        stage = wrap_stage(fill_placeholders(_SHELL, names), {**build_environment(names), "OUT": str(out)}, 10.0, 1)
        argv, told = ["sh", "-c", SHELL], PROLOGUE + stage
        done = subprocess.run(argv, cwd=folder, input=told, capture_output=True, check=False)
        got = out.read_bytes().decode()
        if got != f"{value}|{value}" or done.stdout != MARK + build_end_mark(1, 0):
            yield f"{value!r} came as {got!r}: {done}"


def _of_hooks(batch: Batch) -> Iterator[str]:
    """Yield what a real hook gets that it should not."""
    folder = batch.installation.folder
    events = [event for event in batch.events if event.kind == "probe"][:_PER_HOOK]
    code = f'env -0 >"{folder}/env"; cat >"{folder}/json"'
    for event in events:
        sink = make_hook(("probe",), ("/bin/sh", "-c", code), 20.0)
        done = COMMAND.tell(sink, [event], 20.0, SinkContext(str(folder), ANYWHERE))
        got = json.loads((folder / "json").read_bytes())
        shown = [pair for pair in (folder / "env").read_bytes().decode().split("\0") if pair.startswith("PLABCTL_")]
        if got["data"].get("reason") != event.data.get("reason") or not done.ok or any(map(found_in, shown)):
            yield f"a hook got {got} and {shown}: {done.error}"


def _of_commands(options: TortureOptions) -> Iterator[str]:
    folder = options.folder / "typed"
    folder.mkdir()
    config = folder / "plabctl.toml"
    config.write_text(_CONFIG)
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield from hostile_input.faults_of_commands(list(words(options.dice("typed"), options.count(3000, 54))), config)
        yield from hostile_input.faults_of_config(words(options.dice("config"), options.count(300, 6)), folder)
    finally:
        os.chdir(before)
