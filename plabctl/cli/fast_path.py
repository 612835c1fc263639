"""The calls that cron and scripts make all day, without click: an idle `tick`, `status`, and a gate that is open.

I/O. Whatever is not exactly one of these, be it a typing error, is left to click, which says it properly. What is done
here is done by the same functions of `plabctl.app` as there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

_FORMS = frozenset({"json", "tsv", "name"})
_GATE_OPTIONS = {
    "--wait": "wait",
    "-w": "wait",
    "--busy": "busy",
    "--quiet": "quiet",
    "-q": "quiet",
    "--fresh": "fresh",
    "--timeout": "timeout",
    "--config": "config",
    "-c": "config",
}


def run(arguments: Sequence[str]) -> int | None:
    """Do what `arguments` ask for and return the exit code, or return None when it is none of our calls."""
    match parse_call(arguments):
        case ("tick", config, _):
            return _tick(config)
        case ("status", config, form):
            return _status(config, form)
        case _:
            return _open_gate(arguments)


def parse_call(arguments: Sequence[str]) -> tuple[str, str | None, str | None] | None:
    """Return command, config path and form, or None when there is anything else in `arguments`."""
    if not arguments or arguments[0] not in {"tick", "status"}:
        return None
    config = form = None
    rest = list(arguments[1:])
    while rest:
        word = rest.pop(0)
        if word in {"--config", "-c"} and rest and config is None:
            config = rest.pop(0)
        elif word.startswith("--config=") and config is None:
            config = word.removeprefix("--config=")
        elif word in {"-o", "--output"} and rest and form is None and arguments[0] == "status":
            form = rest.pop(0)
        elif word.startswith("-o") and word[2:] in _FORMS and form is None and arguments[0] == "status":
            form = word[2:]
        else:
            return None
    if config == "" or (form is not None and form not in _FORMS):
        return None
    return arguments[0], config, form


def _tick(config: str | None) -> int | None:
    # Imported here: each of the two calls has its own needs.
    from plabctl.app.invocation import end_idle

    return 0 if end_idle(config) else None


def _status(config: str | None, form: str | None) -> int:
    from plabctl.app.queries import read_context
    from plabctl.cli.output import choose_form, show_listing
    from plabctl.core.names import sort_names
    from plabctl.render import status_table

    context = read_context(config)
    names = sort_names(context.state.names())
    how = choose_form(form)
    if how.is_for_people:
        show_listing(status_table.build_listing(context, names), how)
    else:
        show_listing(status_table.build_data_listing(context, names, how.name), how)
    return 0


def _open_gate(arguments: Sequence[str]) -> int | None:
    """Let nodes through that need no test and say nothing, as `retest --wait --fresh` in a pipe does then."""
    call = parse_gate(arguments)
    if call is None or sys.stdout.isatty():
        return None
    from plabctl.app.ask_gate import ask_gate
    from plabctl.app.context import open_app
    from plabctl.durations import parse_duration

    names, config, fresh, timeout = call
    if any("[" in name or "," in name for name in names):
        from plabctl.nodesets import expand_nodelist

        names = expand_nodelist(names) or []
    if not names:
        return None
    try:
        fresh_s = parse_duration(fresh)
        parse_duration(timeout)
    except ValueError:
        return None
    return 0 if ask_gate(open_app(config), names, fresh_s).is_open else None


def parse_gate(arguments: Sequence[str]) -> tuple[list[str], str | None, str, str] | None:
    """Return names, config path, age and time-out of `retest NAME... --wait --fresh AGE`, or None for anything else.

    Words that are more than the name of a node are left to click as well: there is no node of such a name.
    """
    names: list[str] = []
    found: dict[str, str] = {}
    rest = list(arguments[1:]) if arguments[:1] == ["retest"] else []
    while rest:
        word = rest.pop(0)
        key, has_value, value = word.partition("=")
        key = _GATE_OPTIONS.get(key, "") if word.startswith("-") else "name"
        if key == "name":
            names.append(word)
        elif key in {"wait", "quiet", "busy"} and not has_value:
            found[key] = word
        elif key and key not in found and (value or (rest and not has_value)):
            found[key] = value or rest.pop(0)
        else:
            return None
    if not names or "wait" not in found or "fresh" not in found:
        return None
    return names, found.get("config"), found["fresh"], found.get("timeout", "0")
