"""`plabctl completion`: the script by which a shell completes commands, options, nodes and pools."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from plabctl.cli.main import plabctl
from plabctl.cli.options import make_command
from plabctl.cli.output import write_line

_EXAMPLE = """\
plabctl completion bash > ~/.local/share/bash-completion/completions/plabctl
plabctl completion zsh  > ~/.zfunc/_plabctl
plabctl completion fish > ~/.config/fish/completions/plabctl.fish
"""


@make_command("completion", example=_EXAMPLE)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for a shell.

    Write it where your shell looks for such scripts, as above, and open a new shell.
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell!r}")
    # Not the class's own `source`: bash's starts a bash first, to look at its version.
    write_line(ShellComplete.source(found(plabctl, {}, "plabctl", "_PLABCTL_COMPLETE")).strip())
