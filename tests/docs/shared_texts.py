"""What cli.md and the man pages say in the same words, in Markdown.

Pure. Go on with `tests.docs.pages` and `tests.docs.man_pages`.
"""

SUMMARY = """\
plabctl keeps a true list of which machines of a testbed or cluster can really be used: again and again it logs in to
each by SSH, sets up a small virtual node there, uses it, and removes it. Machines that pass are in the pool `good`, the
others in `bad`, with the reason; one crontab line runs it all, and there is no daemon.

Each command has a page of its own, and prints its help with `-h`. `--config` may stand before or after the command's
name, and `plabctl --version` prints the version.
"""

NODES = """\
NODES are names, patterns (`'pc[1-12].example.org'`, `'pc*'`), pools (`@bad`), `@usable` or labels (`site=oslo`), with
`!` before what is left out, separated by commas or blanks, or `-` for standard input. NODES that match nothing are an
error. Before a command changes several nodes, it names them; where one word stood for several it asks for confirmation,
and without a terminal it needs `--yes`.
"""

OUTPUT = """\
Output is a table on a terminal and TSV elsewhere; `-o` chooses another format. Data goes to standard output, messages
to standard error.
"""

EXIT_CODES = {
    "0": "done",
    "1": "failed or refused: no such node; with `--wait` a test that did not pass, a vnode that is not up, or not gone",
    "2": "wrong usage",
    "70": "a bug in plabctl",
    "74": "the state, or the output, cannot be read or written",
    "75": "busy: try again",
    "78": "wrong configuration; nothing was done",
    "130, 143": "interrupted, by Ctrl-C or by SIGTERM",
    "141": "the reader of the output is gone",
}
"""By number. Only `plabctl check` differs."""

ENVIRONMENT = {
    "PLABCTL_CONFIG": "The configuration file, where `--config` names none.",
    "PLABCTL_STATE_DIR": "The state directory, where the configuration names none.",
    "PAGER": "The program that shows what is longer than the screen.",
    "NO_COLOR, FORCE_COLOR": "Whether there is colour where `--color` does not say.",
}

FILES = {
    "./plabctl.toml, ~/.config/plabctl/config.toml, /etc/plabctl/config.toml": (
        "The configuration: the first of these that exists."
    ),
    "/var/lib/plabctl, ~/.local/state/plabctl": "The state directory of root, and of others.",
}
