"""Which nodes the words on a command line mean: names, globs, `@pool`, several in one word between commas.

Pure. Names are compared without regard to case. `-` for standard input is read by `plabctl.cli.options` before it
comes here.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable, Sequence

from plabctl.core.names import fold_name
from plabctl.core.state import State
from plabctl.errors import NoSuchNode, NoSuchPool
from plabctl.values import dataclass

_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Selection:
    """The nodes that were meant, without doubles; `is_broad` when a glob or a pool stood for more than one."""

    names: tuple[str, ...]
    is_broad: bool = False


def select_nodes(words: Sequence[str], state: State, pools: Collection[str]) -> Selection:
    """Return the nodes that `words` mean, sorted by name.

    Raise NoSuchNode when a word means none, with the nearest name; raise NoSuchPool for an unknown `@pool`.
    """
    found: set[str] = set()
    is_broad = False
    for word in filter(None, (part.strip() for given in words for part in given.split(","))):
        matches = _expand_word(word, state, pools)
        is_broad = is_broad or (len(matches) > 1)
        found.update(matches)
    if not found:
        raise NoSuchNode("no node is named", hint="give names, globs such as 'pl*', or @POOL")
    return Selection(tuple(sorted(found)), is_broad)


def read_plain_names(words: Sequence[str]) -> tuple[str, ...] | None:
    """Return the names in `words`, sorted; None when it takes the state to tell what they mean."""
    names = {name for given in words for part in given.split(",") if (name := part.strip())}
    is_plain = names and not any(name.startswith("@") or _GLOB.search(name) for name in names)
    return tuple(sorted(names)) if is_plain else None


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
    """Return a hint for whoever typed `word`: the nearest of `names`, else `otherwise`."""
    like = find_nearest(word, names)
    return f"the nearest name is {like!r}" if like else otherwise


def _expand_word(word: str, state: State, pools: Collection[str]) -> list[str]:
    if word.startswith("@"):
        return _list_pool(word[1:], state, pools)
    if name := find_name(word, state):
        return [name]
    if _GLOB.search(word):
        found = _expand_glob(word, state)
        if found:
            return found
        raise NoSuchNode(f"no node matches {word!r}", hint="see: plabctl node list")
    raise build_unknown_node_error(word, state)


def build_unknown_node_error(name: str, state: State) -> NoSuchNode:
    """Return the error that no node has that name, with the nearest one there is."""
    hint = suggest_name(name, state.names(), "see: plabctl node list")
    return NoSuchNode(f"no node is named {name!r}", hint=hint)


def build_unknown_pool_error(name: str, pools: Collection[str]) -> NoSuchPool:
    """Return the error that no pool has that name, with the nearest one there is."""
    hint = suggest_name(name, pools, f"the pools are: {', '.join(pools)}")
    return NoSuchPool(f"no pool is named {name!r}", hint=hint)


def _expand_glob(word: str, state: State) -> list[str]:
    # Imported here: most calls name their nodes.
    matches = re.compile(fnmatch.translate(word), re.IGNORECASE).match
    return [name for name in state.names() if matches(name)]


def _list_pool(pool: str, state: State, pools: Collection[str]) -> list[str]:
    found = [member.node for member in state.members() if member.pool == pool]
    if found:
        return found
    if pool in pools:
        raise NoSuchNode(f"no node is in pool {pool!r}", hint="see: plabctl pool list")
    raise build_unknown_pool_error(pool, pools)
