"""How a node's `sh` is started as root by sudo, and what sudo says when it does not start it.

Pure. Whoever calls asks for no password (`-n`). sudo clears the environment, so variables are set by the stages
themselves. Go on with `plabctl.probes.remote_shell`.
"""

from __future__ import annotations

import re

# By `env`, since login shells differ in how they set a variable, and in what they say of a command that is missing.
# With `setsid` the shell leads a process group, as sshd makes it lead one without sudo: what ends a stage relies on it.
SHELL = "exec env LC_ALL=C sudo -n -u root sh -c 'command -v setsid >/dev/null && exec setsid sh; exec sh'"
"""The command line for the login shell."""

PROLOGUE = b"unset LC_ALL\n"
"""What that `sh` is told besides: the language was only chosen for sudo's own words."""

_EXIT_MISSING = frozenset({126, 127})
_SPOKEN = re.compile(r"^(?:sudo(?:-rs)?: |Sorry, user |env: ).*|^.* is not in the sudoers file.*", re.MULTILINE)
"""A line of sudo, or of `env` about it."""
_MEANINGS = (
    (re.compile(r"password is required|terminal is required|authentication is required"), "sudo asks for a password"),
    (re.compile(r"not allowed to|may not run|not in the sudoers"), "sudo does not let this user run sh as root"),
    (re.compile(r"must have a tty"), "sudo wants a terminal (requiretty)"),
)


def explain_refusal(output: str, exit_code: int) -> str:
    """Return in words why sudo started no shell, from what was printed in its place; empty when sudo said nothing.

    Then it was not sudo that refused: the login shell never came to run it.
    """
    spoken = _SPOKEN.findall(output)
    if not spoken:
        return ""
    said = spoken[-1].removeprefix("sudo: ")
    if exit_code in _EXIT_MISSING:
        return f"sudo is not installed: {said}"
    meaning = next((words for pattern, words in _MEANINGS if pattern.search(output)), "sudo does not run")
    return f"{meaning}: {said}"
