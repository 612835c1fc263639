"""`plabctl completion`: the script by which a shell completes commands, options, nodes and pools.

The scripts for bash and fish are our own: those of click lose what bash cuts words at (`:` in addresses, `=`, `@`), and
what comes after a comma in fish.
"""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, ZshComplete

from plabctl.cli.main import plabctl
from plabctl.cli.options import make_command
from plabctl.cli.output import write_line

_BASH = r"""
_plabctl_completion() {
    # COMP_WORDS is cut at : and =, so the line is sent, and -1 for its last word. What bash keeps of that word, all
    # that stands before the part of it that it completes, is taken off the answers.
    local line="${COMP_LINE:0:COMP_POINT}" response type value
    local word="${line##*[[:space:]]}"
    local kept="${word%"$2"}"
    [[ -n $word ]] || line+="''"
    response=$(env COMP_WORDS="$line" COMP_CWORD=-1 _PLABCTL_COMPLETE=bash_complete "${1/#~\//$HOME/}")
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("${value#"$kept"}") ;;
        esac
    done <<< "$response"
}
complete -o nosort -F _plabctl_completion plabctl
"""

_FISH = r"""
function _plabctl_completion
    set -l response (env _PLABCTL_COMPLETE=fish_complete COMP_WORDS=(commandline -cp) \
        COMP_CWORD=(commandline -ct) plabctl)
    for completion in $response
        set -l parts (string split -m 1 , -- $completion)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain
                echo $parts[2]
        end
    end
end
complete --no-files --command plabctl --arguments "(_plabctl_completion)"
"""

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
    write_line(build_script(shell).rstrip())


def build_script(shell: str) -> str:
    """Return the script for `bash`, `zsh` or `fish`; the wheel has it as a file where that shell looks for it."""
    own = {"bash": _BASH, "fish": _FISH}.get(shell)
    return (own or ShellComplete.source(ZshComplete(plabctl, {}, "plabctl", "_PLABCTL_COMPLETE"))).strip() + "\n"
