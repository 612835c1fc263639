"""Where exported nodes are reached, when plabctl goes by ssh_config."""

import json
from pathlib import Path

import pytest

from plabctl.app.export_nodes import Wanted, Way, collect
from plabctl.core.settings import SshSettings
from plabctl.probes import target
from plabctl.probes.ssh_config import SshConfig, SshConfigFiles
from plabctl.render.ansible_inventory import format_list
from plabctl.render.ssh_config_text import format_ssh_config
from tests.builders import make_settings
from tests.render.examples import make_context, make_pair

OWN = """\
Host pc1
    HostName 10.9.9.9
    HostKeyAlias one
    IdentityFile ~/own
Host pc2
    ProxyCommand nc %h %p
"""


@pytest.mark.sshd
def test_ssh_config_says_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(OWN)
    config = SshConfig(SshConfigFiles(str(tmp_path / "config"), "/nowhere"))
    monkeypatch.setattr(target, "SshConfig", lambda: config)
    ssh = SshSettings("plab", key="/k/id", known_hosts="/k/known", use_ssh_config=True)
    context = make_context(make_pair("pc1"), make_pair("pc2"), settings=make_settings(ssh=ssh))

    export = collect(context, Wanted((), Way.ALWAYS)).export

    hosts = json.loads(format_list(export, [], [])[0])["_meta"]["hostvars"]
    assert (hosts["pc1"]["ansible_host"], hosts["pc1"]["ansible_user"]) == ("10.9.9.9", "plab")
    assert hosts["pc1"]["ansible_ssh_private_key_file"].endswith("/own")
    assert "HostKeyAlias=one" in hosts["pc1"]["ansible_ssh_common_args"]
    assert "ansible_host" not in hosts["pc2"], "the ssh that Ansible starts knows the way"
    assert [remark.partition(" through ")[0] for remark in export.remarks] == [
        "pc2: plabctl knows no way to it: ssh_config sends 'pc2'"
    ]
    blocks = "".join(format_ssh_config(export))
    assert "Host pc1\n    HostName 10.9.9.9\n" in blocks
    assert "Host pc2" not in blocks
