"""A node that refuses the key gets the line that lends it."""

import pytest

from plabctl.core.model import Cause
from plabctl.core.settings import SshSettings
from plabctl.render.remedy import format_remedy
from plabctl.values import replace
from tests.builders import make_settings

SSH = replace(make_settings().ssh, key="/etc/plabctl/my key", user="ops", port=22)


@pytest.mark.parametrize(
    ("ssh", "variables", "command"),
    [
        (SSH, {}, "ssh-copy-id -i '/etc/plabctl/my key.pub' ops@pc1"),
        (SSH, {"ssh_user": "root", "ssh_host": "10.0.0.7"}, "ssh-copy-id -i '/etc/plabctl/my key.pub' root@10.0.0.7"),
        (replace(SSH, key="k", port=2222), {}, "ssh-copy-id -i k.pub -p 2222 ops@pc1"),
        (replace(SSH, key="k", user=""), {"ssh_port": "22"}, "ssh-copy-id -i k.pub pc1"),
        (SSH, {"ssh_key": "/own"}, "ssh-copy-id -i /own.pub ops@pc1"),
        (replace(SSH, key=""), {}, None),
        (
            replace(SSH, key="k", jump=("ops@gate:22", "ops@inner:2222")),
            {"ssh_port": "23"},
            "ssh-copy-id -i k.pub -p 23 -o ProxyJump=ops@gate:22,ops@inner:2222 ops@pc1",
        ),
        (
            replace(SSH, key="k", jump=("gate",)),
            {"ssh_jump": "me@a, b"},
            "ssh-copy-id -i k.pub -o ProxyJump=me@a,ops@b ops@pc1",
        ),
        (replace(SSH, key="k", jump=("gate",)), {"ssh_jump": "none"}, "ssh-copy-id -i k.pub ops@pc1"),
    ],
)
def test_it_is_the_command_for_this_node(ssh: SshSettings, variables: dict[str, str], command: str | None) -> None:
    assert format_remedy(Cause.AUTH, "pc1", variables, ssh) == command
    assert format_remedy(Cause.CONNECT, "pc1", variables, ssh) is None
    assert format_remedy(None, "pc1", variables, ssh) is None
