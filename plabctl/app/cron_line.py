"""The line that lets cron run `plabctl tick`, and where it stands in a crontab.

Pure: bytes and strings only. What a `%` means to cron is in crontab(5). Go on with `plabctl.app.crontab`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

SCHEDULE = "* * * * *"
_MARK = "# installed by: plabctl cron install, for"
_FIELDS = 5
_UNESCAPED_PERCENT = re.compile(r"(?<!\\)%")
_TICK = re.compile(r"plabctl(?:['\"]?)\s(?:.*\s)?tick\b")


@dataclass(frozen=True, slots=True)
class CronJob:
    """What cron is to run: the program, the arguments of its `tick`, and variables that it needs."""

    program: tuple[str, ...]
    config: str
    """The configuration's absolute path: it tells two installations apart."""
    names_config: bool
    """Whether `tick` has to be told where the configuration is."""
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def argv(self) -> tuple[str, ...]:
        """The command as a list."""
        return (*self.program, "tick", *(("--config", self.config) if self.names_config else ()))

    @property
    def command(self) -> str:
        """The command as the shell and cron read it: quoted, and every `%` escaped."""
        words = [f"{name}={shlex.quote(value)}" for name, value in self.variables] + [shlex.join(self.argv)]
        return escape(" ".join(words))

    @property
    def mark(self) -> str:
        """The remark that the line ends with: by it, and by it alone, the line is found again."""
        return escape(f"{_MARK} {shlex.quote(self.config)}")

    @property
    def line(self) -> str:
        """The line of a user's crontab."""
        return f"{SCHEDULE} {self.command} {self.mark}"

    def file(self, user: str) -> str:
        """Return the text of a file for /etc/cron.d, where a line also names the user."""
        return f"MAILTO=root\n{SCHEDULE} {user} {self.command}\n"


def escape(text: str) -> str:
    """Return `text` with each `%` escaped: cron would make a new line of it."""
    return text.replace("%", "\\%")


def has_unescaped_percent(line: str) -> bool:
    """Return whether cron would cut this line short at a `%`."""
    return _UNESCAPED_PERCENT.search(line) is not None


def is_tick_line(line: str) -> bool:
    """Return whether a line of a crontab is about `plabctl tick`."""
    return not line.lstrip().startswith("#") and _TICK.search(line) is not None


def parse_command(line: str, *, has_user: bool) -> str:
    """Return the command of a crontab line; empty when the line has too few fields."""
    fields = 1 if line.startswith("@") else _FIELDS
    parts = line.split(None, fields + has_user)
    return parts[-1] if len(parts) > fields + has_user else ""


def split_command(command: str) -> list[str]:
    """Return the words of a command of a crontab, as the shell gets them from cron."""
    plain = command.replace("\\%", "%")
    try:
        return shlex.split(plain, comments=True)
    except ValueError:  # a quote is not closed
        return plain.split()


def find_config(line: str, *, has_user: bool) -> str | None:
    """Return the configuration that a line that runs ticks names; None when it names none."""
    words = split_command(parse_command(line, has_user=has_user))
    for word, following in zip(words, [*words[1:], ""], strict=False):
        name, equals, value = word.partition("=")
        if equals and name in {"--config", "PLABCTL_CONFIG"}:
            return value
        if word in {"--config", "-c"}:
            return following
    return None


def add_line(crontab: bytes, job: CronJob) -> bytes:
    """Return the crontab with the job's line in it, once: in place of an older one, else at its end.

    A crontab without a final newline gets the line at its beginning, so that nothing else in it changes.
    """
    line = job.line.encode() + b"\n"
    lines = crontab.splitlines(keepends=True)
    at = _find_lines(lines, job)
    if at:
        kept = [each for index, each in enumerate(lines) if index not in at[1:]]
        kept[at[0]] = line
        return b"".join(kept)
    return crontab + line if not crontab or crontab.endswith(b"\n") else line + crontab


def remove_line(crontab: bytes, job: CronJob) -> bytes:
    """Return the crontab without the job's line, everything else byte for byte as it was."""
    lines = crontab.splitlines(keepends=True)
    at = _find_lines(lines, job)
    return b"".join(each for index, each in enumerate(lines) if index not in at)


def _find_lines(lines: Sequence[bytes], job: CronJob) -> list[int]:
    mark = job.mark.encode()
    return [
        index
        for index, line in enumerate(lines)
        if line.rstrip(b"\r\n").endswith(b" " + mark) and not line.lstrip().startswith(b"#")
    ]
