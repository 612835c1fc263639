"""Which nodes of one of several states the words on a command line mean: a word need not mean any in each of them.

Pure. `plabctl.core.selection` says what the words are.
Tests: `tests/cli/test_from.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from plabctl.core.names import fold_name
from plabctl.core.selection import GLOB, NOT_PLAIN, expand_word, split_words
from plabctl.core.settings import Settings
from plabctl.core.state import State
from plabctl.errors import NoSuchNode, NoSuchPool, PlabctlError
from plabctl.nodesets import expand_nodeset

SEE_ALL = "see: plabctl status --from SOURCE"
"""What to do about a name that is unlike any there is."""


def select_part(
    words: Sequence[str], state: State, settings: Settings, now: float
) -> tuple[set[str], dict[str, PlabctlError]]:
    """Return the nodes of one of several states that `words` mean, and why it is that some mean none in this one."""
    parts = [name for word in split_words(words) for name in _split_brackets(word)]
    known = {fold_name(name): name for name in state.names()}
    found: set[str] = set(known.values()) if all(word.startswith("!") for word in parts) else set()
    left_out: set[str] = set()
    missing: dict[str, PlabctlError] = {}
    shorts: dict[str, str] = {}
    for word in parts:
        plain = word.removeprefix("!")
        chosen = left_out if word.startswith("!") else found
        if not NOT_PLAIN.search(plain):
            if name := known.get(fold_name(plain)):
                chosen.add(name)
            else:
                shorts = shorts or {name.partition(".")[0]: known[name] for name in known}
                full = shorts.get(fold_name(plain))
                hint = f"the full name is {full!r}" if full else SEE_ALL
                missing[word] = NoSuchNode(f"no node is named {plain!r}", hint=hint, word=plain)
            continue
        try:
            chosen.update(expand_word(plain, state, settings, now))
        except (NoSuchNode, NoSuchPool) as error:
            missing[word] = error
    return found - left_out, missing


def _split_brackets(word: str) -> list[str]:
    """Return the names that `n[1-12]` stands for, which may be in different states; else the word."""
    sign, plain = ("!", word[1:]) if word.startswith("!") else ("", word)
    if "[" not in plain or GLOB.search(plain) or "=" in plain:
        return [word]
    try:
        return [f"{sign}{name}" for name in expand_nodeset(plain)]
    except ValueError:
        return [word]
