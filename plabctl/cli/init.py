"""`plabctl init`: write a configuration file to begin with.

Tests: `tests/cli/test_init.py`.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from plabctl.app.configuration import NAME, write_sample
from plabctl.app.new_key import NAME as KEY
from plabctl.app.new_key import make_key
from plabctl.cli.options import make_command
from plabctl.cli.output import write_line

_EXAMPLE = """\
plabctl init --user root --new-key
plabctl init --recommended
plabctl init /etc/plabctl
"""
_MAKE_KEY = """\
  a key for plabctl alone, which the file then names under [ssh]
      ssh-keygen -t ed25519 -N '' -f {key}
"""
_NEXT = """\
next, in this order:
{make_key}  let the nodes accept the key
      ssh-copy-id -i {key}.pub {user}@NODE
  add them, accept their host keys, and test them
      {plabctl} node add NODE... --trust --test
  from now on every minute
      {plabctl} cron install"""


@make_command("init", example=_EXAMPLE)
@click.argument("directory", type=click.Path(file_okay=False), default=".")
@click.option(
    "--user", metavar="USER", default="", help="The user that logs in on the nodes (default: your name there)."
)
@click.option(
    "--recommended",
    is_flag=True,
    help="With the policy that does least harm on real traces: logins between tests, and fewer tests.",
)
@click.option("--new-key", is_flag=True, help=f"Make a key for plabctl alone: {KEY} beside the file.")
def command(directory: str, user: str, recommended: bool, new_key: bool) -> None:
    """Write a commented plabctl.toml here, or into a directory, and say what to do next.

    It contains every key with its default. An existing file is left alone. What --recommended sets is explained
    in docs/policy.md.
    """
    path = write_sample(directory, user, KEY if new_key else "", recommended=recommended)
    is_here = directory == "."
    write_line(f"wrote {NAME if is_here else path}")
    key = KEY if is_here else str(Path(directory, KEY))
    if new_key:
        write_line(f"made {key}" if make_key(directory) else f"{key} is there already and is used")
    write_line("")
    write_line(
        _NEXT.format(
            make_key="" if new_key else _MAKE_KEY.format(key=shlex.quote(key)),
            key=shlex.quote(key),
            user=shlex.quote(user) if user else "USER",
            plabctl="plabctl" if is_here else f"plabctl --config {shlex.quote(str(path))}",
        )
    )
