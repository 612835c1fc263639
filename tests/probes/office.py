"""An authority for certificates of users, and a real server that takes them."""

import getpass
import subprocess
from pathlib import Path

from plabctl.clock import SystemClock
from plabctl.core.model import Report
from plabctl.probes.prober import Prober
from tests.probes.jobs import make_assignment, make_recipe
from tests.probes.openssh import Sshd, make_key

CHECK = make_recipe(check="true")
USER = getpass.getuser()


class Office:
    """An authority whose certificates one server takes, and that signs keys for the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("ca", "stranger", "other", "bare"):
            make_key(folder / name)
        self.sshd = Sshd(folder / "sshd", f"TrustedUserCAKeys {folder}/ca.pub", "MaxAuthTries 2")

    def authorise(self, *keys: str) -> None:
        """Have the server take these bare keys, and no others."""
        lines = [(self.folder / f"{key}.pub").read_text() for key in keys]
        (self.sshd.directory / "authorized_keys").write_text("".join(lines))

    def sign(self, key: str, *options: str, by: str = "ca", name: str = USER) -> Path:
        """Sign a key, and return where the certificate is: beside it."""
        command = ["ssh-keygen", "-q", "-s", f"{self.folder}/{by}", "-I", "us", "-n", name, *options]
        subprocess.run([*command, f"{self.folder}/{key}.pub"], check=True)
        return self.folder / f"{key}-cert.pub"

    def log_in(self, key: str = "bare", prober: Prober | None = None) -> Report:
        return (prober or self.get_prober(key)).probe(make_assignment(CHECK))

    def get_prober(self, key: str = "bare") -> Prober:
        return Prober(self.sshd.settings(key=str(self.folder / key)), SystemClock())

    def read_last_login(self) -> str:
        """Return how the server says that it accepted the last login, such as `ED25519-CERT SHA256:...`."""
        lines = (self.sshd.directory / "log").read_text().splitlines()
        return [line for line in lines if "Accepted publickey" in line][-1].partition(" ssh2: ")[2]
