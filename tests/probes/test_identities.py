"""Our login: keys in order, certificates beside them, and whose fault it is when a node refuses them."""

from pathlib import Path

import paramiko
import pytest

from plabctl.core.model import Outcome
from plabctl.probes.login import choose_algorithm
from tests.probes.jobs import make_recipe, probe
from tests.probes.openssh import Sshd, make_key, needs_sshd

CHECK = make_recipe(check="true")


@needs_sshd
def test_a_node_may_have_a_key_of_its_own(sshd: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    other = sshd.settings(key=str(tmp_path / "other"))

    assert probe(other, CHECK).outcome is Outcome.FAIL
    assert probe(other, CHECK, ssh_key=str(sshd.user_key)).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("kind", "taken", "algorithm"),
    [
        ("ssh-ed25519", "rsa-sha2-256", "ssh-ed25519"),
        ("ssh-rsa", "ssh-rsa,rsa-sha2-256,rsa-sha2-512", "rsa-sha2-512"),
        ("ssh-rsa", "ssh-rsa,rsa-sha2-256", "rsa-sha2-256"),
        ("ssh-rsa", "", "rsa-sha2-512"),
        ("ssh-rsa-cert-v01@openssh.com", "ssh-ed25519,rsa-sha2-256", "rsa-sha2-256-cert-v01@openssh.com"),
    ],
)
def test_rsa_signs_by_the_best_of_sha2_that_the_node_takes(kind: str, taken: str, algorithm: str) -> None:
    assert choose_algorithm(kind, {"server-sig-algs": taken.encode()}) == algorithm


@pytest.mark.parametrize("kind", ["ssh-rsa", "ssh-rsa-cert-v01@openssh.com"])
def test_nothing_is_signed_by_sha1(kind: str) -> None:
    with pytest.raises(paramiko.AuthenticationException, match="no RSA signatures by SHA-2"):
        choose_algorithm(kind, {"server-sig-algs": b"ssh-ed25519,ssh-rsa"})
