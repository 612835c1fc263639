"""`plabctl init`: write a configuration file to begin with.

Tests: `tests/cli/test_node_changes.py`.
"""

from __future__ import annotations

import shlex

import click

from plabctl.app.configuration import NAME, write_sample
from plabctl.cli.options import make_command
from plabctl.cli.output import write_line

_EXAMPLE = """\
plabctl init
plabctl init /etc/plabctl
"""
_NEXT = """\
wrote {path}

next, in this order:
  a key for plabctl alone, which the file then names under [ssh]
      ssh-keygen -t ed25519 -N '' -f id_ed25519
      ssh-copy-id -i id_ed25519.pub USER@NODE
  the nodes, and their host keys
      {plabctl} node add NODE...
      {plabctl} trust NODE...
  one set-up test, stage by stage; then all that are due
      {plabctl} test NODE
      {plabctl} tick
      {plabctl} status
  from now on every minute
      {plabctl} cron install"""


@make_command("init", example=_EXAMPLE)
@click.argument("directory", type=click.Path(file_okay=False), default=".")
def command(directory: str) -> None:
    """Write a commented plabctl.toml here, or into a directory, and say what to do next.

    It contains every key with its default. An existing file is left alone.
    """
    path = write_sample(directory)
    here = "plabctl" if directory == "." else f"plabctl --config {shlex.quote(str(path))}"
    write_line(_NEXT.format(path=NAME if directory == "." else path, plabctl=here))
