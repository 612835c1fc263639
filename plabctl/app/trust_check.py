"""Check who besides root and the current user may change the configuration and the files that it names.

I/O, reads only. Untrusted files are refused where they are used; this finds them before, and also those that are used
with a warning. See `plabctl.files` for the rules.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from plabctl.app.findings import Finding, fail, warn
from plabctl.core.settings import Settings
from plabctl.errors import Untrusted
from plabctl.files.trusted import open_trusted
from plabctl.kinds import find

_GROUP_ADVICE = "it determines what is run; consider: chmod g-w"


def check(settings: Settings) -> Iterator[Finding]:
    """Yield who else may write the configuration, and which of the files that it names are not used or not there."""
    yield from _check_writers(settings)
    for topic, path, is_strict in dict.fromkeys(_list_named_files(settings)):
        try:
            os.close(open_trusted(path, os.O_PATH, owners=settings.origin.owners, anyone=not is_strict).fd)
        except Untrusted as error:
            yield fail(topic, f"'{path}' is not used: {error}", error.hint or "chown it, or name another")
        except OSError as error:
            yield fail(topic, f"'{path}' cannot be used: {(error.strerror or str(error)).lower()}", "check its path")


def _check_writers(settings: Settings) -> Iterator[Finding]:
    path, own = settings.path, {0, os.geteuid()}
    found = Path(path).stat()
    if found.st_uid not in own:
        yield warn("config", f"'{path}' belongs to user {found.st_uid}, who says what is run here", "chown it")
    elif others := sorted(settings.origin.owners - own):
        yield warn("config", f"user {others[0]} may put another file in the place of '{path}'", "move it")
    if _is_a_groups(found):
        yield warn("config", f"the group {found.st_gid} may write '{path}'", _GROUP_ADVICE)
    folder = Path(settings.origin.folder)
    for each in (folder, *folder.parents):
        if _is_a_groups(each.stat()):
            text = f"the group {each.stat().st_gid} may put another file in the place of '{path}'"
            yield warn("config", text, f"it determines what is run; consider: chmod g-w '{each}'")


def _is_a_groups(found: os.stat_result) -> bool:
    return bool(found.st_mode & stat.S_IWGRP) and found.st_gid not in {0, os.getegid()}


def _list_named_files(settings: Settings) -> Iterator[tuple[str, str, bool]]:
    """Yield topic and path of each file that is named, and whether its owner matters."""
    for recipe in settings.recipes.values():
        for stage in recipe.stages.values():
            if stage.script:
                yield "recipe", stage.script, True
    named = [("inventory", each.kind, each.options) for each in settings.inventories]
    named += [("occupancy", each.kind, each.options) for each in settings.occupancies]
    named += [("sink", each.kind, each.options) for each in settings.sinks]
    named += [("hook", each.kind, each.options) for each in settings.hooks]
    for topic, kind, options in named:
        for path, is_strict in find("sink" if topic == "hook" else topic, kind).list_named_files(options):
            yield topic, path, is_strict
