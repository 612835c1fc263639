"""Which nodes the words on a command line mean: names, globs, `n[1-12]`, `@pool`, `label=value`.

Pure. `@usable`, `@stuck` and `@busy` are no pools. Several may stand in one word between commas, and `!` before one
leaves out what it means. Names are compared without regard to case. `-` for standard input is read by
`plabctl.cli.options` before it comes here.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable, Sequence

from plabctl.core.names import fold_name, is_label_name, sort_names, split_label
from plabctl.core.settings import Settings
from plabctl.core.state import State
from plabctl.core.usable import is_usable
from plabctl.errors import NoSuchNode, NoSuchPool
from plabctl.nodesets import expand_nodeset, fold_nodeset
from plabctl.values import dataclass

USABLE = "usable"
"""`@usable` stands for the nodes that are offered, unless a pool has that name."""
STUCK = "stuck"
"""`@stuck` stands for the nodes that do not return before a person releases them, unless a pool has that name."""
BUSY = "busy"
"""`@busy` stands for those that somebody uses, where an occupancy source is configured, unless a pool has that name."""
GLOB = re.compile(r"[*?]")
"""What makes a word a pattern."""
NOT_PLAIN = re.compile(r"[*?\[\]=]|^[@!]")
"""What no name of a node has."""
_PART = re.compile(r"(?:[^,\[]|\[[^\]]*\]?)+")
_SHOWN = 10
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Selection:
    """The nodes that were meant, without doubles; `is_broad` when one word stood for more than one."""

    names: tuple[str, ...]
    is_broad: bool = False


def select_nodes(words: Sequence[str], state: State, settings: Settings, now: float) -> Selection:
    """Return the nodes that `words` mean at `now`, sorted by name; where all begin with `!`, all other nodes.

    Raise NoSuchNode when a word means none, with the nearest name, or when none is left; raise NoSuchPool for an
    unknown `@pool`.
    """
    parts = split_words(words)
    if not parts:
        raise NoSuchNode("no node is named", hint="give names, patterns such as 'pl*' or 'n[1-12]', or @POOL")
    found: set[str] = set()
    left_out: set[str] = set()
    is_broad = False
    for word in parts:
        if word.startswith("!"):
            left_out.update(_expand_left_out(word[1:], state, settings, now))
            continue
        matches = expand_word(word, state, settings, now)
        found.update(matches)
        is_broad = is_broad or len(matches) > 1
    if not found:
        found.update(state.names())
        is_broad = True
    if not found - left_out:
        raise NoSuchNode("no node is left", hint="the words that begin with ! leave out all that the others mean")
    return Selection(tuple(sort_names(found - left_out)), is_broad)


def split_words(words: Sequence[str]) -> list[str]:
    """Return the words, split at commas that are not in brackets."""
    return [part for given in words for each in _PART.findall(given) if (part := each.strip())]


def read_plain_names(words: Sequence[str]) -> tuple[str, ...] | None:
    """Return the names in `words`, sorted, each once; None when it takes the state to tell what they mean."""
    names = {fold_name(word): word for word in split_words(words)}.values()
    is_plain = names and not any(NOT_PLAIN.search(name) for name in names)
    return tuple(sort_names(names)) if is_plain else None


def find_name(word: str, state: State) -> str | None:
    """Return the name of the node that `word` names, in whatever case; None when there is none."""
    if state.node(word) is not None:
        return word
    folded = fold_name(word)
    return next((name for name in state.names() if fold_name(name) == folded), None)


def find_names(words: Iterable[str], state: State) -> tuple[str, ...]:
    """Return the names of the nodes that `words` name, in whatever case, each once; a word that names none as it is."""
    return tuple(dict.fromkeys(find_name(word, state) or word for word in words))


def find_nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that is most like `word`, if any is like it at all."""
    # Imported here: only a typing error needs it.
    import difflib

    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return close[0] if close else None


def suggest_name(word: str, names: Iterable[str], otherwise: str) -> str:
    """Return a hint about the mistyped `word`: the nearest of `names`, else `otherwise`."""
    like = find_nearest(word, names)
    return f"the nearest name is {like!r}" if like else otherwise


def expand_word(word: str, state: State, settings: Settings, now: float) -> list[str]:
    """Return the nodes that a word without `!` means; raise NoSuchNode or NoSuchPool when that is none."""
    if word.startswith("@"):
        return _expand_group(word[1:], state, settings, now)
    if name := find_name(word, state):
        return [name]
    label, equals, value = word.partition("=")
    if equals and is_label_name(label):
        return _list_labelled(label, value, state)
    if "[" in word or "]" in word:
        return _expand_brackets(word, state)
    if GLOB.search(word):
        return _expand_glob(word, state)
    raise build_unknown_node_error(word, state, settings.pools)


def _expand_group(group: str, state: State, settings: Settings, now: float) -> list[str]:
    if group == USABLE and USABLE not in settings.pools:
        return _list_usable(state, settings, now)
    if group == STUCK and STUCK not in settings.pools:
        return _list_stuck(state)
    if group == BUSY and BUSY not in settings.pools and settings.occupancies:
        return _list_busy(state, settings, now)
    return _list_pool(group, state, settings.pools)


def _expand_left_out(word: str, state: State, settings: Settings, now: float) -> list[str]:
    """Return the nodes that `word` means; that a pool is empty, or no node usable, is no error here."""
    try:
        return expand_word(word, state, settings, now)
    except NoSuchNode:
        if word.startswith("@"):
            return []
        raise


def _list_usable(state: State, settings: Settings, now: float) -> list[str]:
    good_pools = settings.good_pools
    if found := [member.node for member in state.members() if is_usable(member, now, good_pools)]:
        return found
    raise NoSuchNode("no node is usable", hint="why_not in `plabctl status -o json` says why not")


def _list_stuck(state: State) -> list[str]:
    if found := [member.node for member in state.members() if member.stuck_since_at is not None]:
        return found
    raise NoSuchNode("no node is stuck", hint="no node failed so often that it needs a person")


def _list_busy(state: State, settings: Settings, now: float) -> list[str]:
    from plabctl.core.occupancy import find_busy

    busy = find_busy(state.notes, settings.occupancies, now)
    if found := [name for name in state.names() if name in busy]:
        return found
    raise NoSuchNode("no node is known to be busy")


def _list_labelled(label: str, value: str, state: State) -> list[str]:
    """Return the nodes whose label has this value, or has it between commas."""
    nodes = list(state.nodes())
    if found := [node.name for node in nodes if value in split_label(node.variables.get(label))]:
        return found
    values = sorted({node.variables[label] for node in nodes if label in node.variables})
    if not values:
        labels = {key for node in nodes for key in node.variables}
        raise NoSuchNode(f"no node has a label {label!r}", hint=suggest_name(label, labels, "see: plabctl node list"))
    shown = ", ".join(values[:_SHOWN]) + (", ..." if len(values) > _SHOWN else "")
    raise NoSuchNode(f"no node has {label}={value}", hint=suggest_name(value, values, f"its values are: {shown}"))


def _expand_brackets(word: str, state: State) -> list[str]:
    """Return the nodes that a pattern such as `n[1-12]` stands for, each of which must be there."""
    try:
        names = expand_nodeset(word)
    except ValueError as error:
        hint = "in brackets stand numbers and ranges, such as pc[1-3,7].lab"
        shown = word if len(word) <= _LONGEST else f"{word[:_LONGEST]}..."
        raise NoSuchNode(f"{shown!r} is not a set of nodes: {error}", hint=hint) from error
    if GLOB.search(word):
        return [name for glob in names for name in _expand_glob(glob, state)]
    known = {fold_name(name): name for name in state.names()}
    if missing := [name for name in names if fold_name(name) not in known]:
        part = f", of {word!r}" * (len(missing) < len(names))
        raise NoSuchNode(f"no node is named {fold_nodeset(missing)!r}{part}", hint="see: plabctl node list")
    return [known[fold_name(name)] for name in names]


def build_unknown_node_error(name: str, state: State, pools: Collection[str] = ()) -> NoSuchNode:
    """Return the error that no node has that name, with what may have been meant.

    That is a pool (one of `pools`, or one that a node is in), an experiment, the full name of which it is the
    beginning, or the nearest name.
    """
    if name == USABLE or name in pools or name in state.counts():
        hint = f"for the nodes that are usable: @{name}" if name == USABLE else f"for the nodes in that pool: @{name}"
    elif name in state.experiments:
        hint = f"for the nodes of that experiment: plabctl experiment show {name}"
    elif full := [each for each in state.names() if fold_name(each).startswith(f"{fold_name(name)}.")]:
        hint = (
            f"the full name is {full[0]!r}" if len(full) == 1 else f"is it one of {', '.join(sorted(full)[:_SHOWN])}?"
        )
    else:
        hint = suggest_name(name, state.names(), "see: plabctl node list")
    return NoSuchNode(f"no node is named {name!r}", hint=hint, word=name)


def build_unknown_pool_error(name: str, pools: Collection[str]) -> NoSuchPool:
    """Return the error that no pool has that name, with the nearest one there is."""
    hint = suggest_name(name, pools, f"the pools are: {', '.join(pools)}")
    return NoSuchPool(f"no pool is named {name!r}", hint=hint)


def _expand_glob(word: str, state: State) -> list[str]:
    # Imported here: most calls name their nodes.
    matches = re.compile(fnmatch.translate(word), re.IGNORECASE).match
    if found := [name for name in state.names() if matches(name)]:
        return found
    raise NoSuchNode(f"no node matches {word!r}", hint="see: plabctl node list")


def _list_pool(pool: str, state: State, pools: Collection[str]) -> list[str]:
    found = [member.node for member in state.members() if member.pool == pool]
    if found:
        return found
    if pool in pools:
        raise NoSuchNode(f"no node is in pool {pool!r}", hint="see: plabctl pool list")
    raise build_unknown_pool_error(pool, pools)
