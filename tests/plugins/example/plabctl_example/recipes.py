"""A recipe."""

from plabctl.core.recipe import Recipe, Stage, Transport

LEDGER = Recipe(
    name="ledger",
    transport=Transport.LOCAL,
    setup=Stage(run='echo "$PLABCTL_VNODE" >>{node}.ledger', timeout_s=10),
    check=Stage(run="test ! -e {node}.bad || { echo 'it is bad'; exit 2; }", timeout_s=10),
    teardown=Stage(run='sed -i "/^$PLABCTL_VNODE$/d" {node}.ledger', timeout_s=10),
)
"""A vnode is a line in a file on the monitor; of use to nobody but as an example."""
