"""The keys of `[executor]` with workers, and what is wrong between them."""

import subprocess
import sys
from pathlib import Path

import pytest

from plabctl.errors import ConfigError
from plabctl.executors.dask.options import DaskOptions, is_scheduler
from tests.config.loading import load_text

TLS = 'ca = "ca.pem"\ncert = "c.pem"\nkey = "k.pem"\n'


def load_options(folder: Path, text: str) -> object:
    return load_text(folder, f'[executor]\nkind = "dask"\n{text}').executor.options


def test_all_keys_have_a_place(tmp_path: Path) -> None:
    more = 'site_label = "rack"\nfallback_after = "15m"\n'
    found = load_options(tmp_path, f'scheduler = "tls://h:8786"\n{TLS}{more}')

    ca, cert, key = (str(tmp_path / name) for name in ("ca.pem", "c.pem", "k.pem"))
    assert found == DaskOptions("tls://h:8786", ca, cert, key, "rack", 900.0)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "executor.scheduler: "),
        ('scheduler = "tcp://10.0.0.1:8786"\n', "is not encrypted, which only a scheduler on this machine may be"),
        ('scheduler = "tcp://0.0.0.0:8786"\n', "is not encrypted, which only a scheduler on this machine may be"),
        ('scheduler = "tcp://[::]:8786"\n', "is not encrypted, which only a scheduler on this machine may be"),
        ('scheduler = "tcp://dask.example.org:1"\n', "is not encrypted, which only a scheduler on this machine may be"),
        ('scheduler = "tcp://127.0.0.1.nip.io:1"\n', "is not encrypted, which only a scheduler on this machine may be"),
        ('scheduler = "tls://h:8786"\n', "executor.ca: missing, TLS needs it"),
        ('scheduler = "h:8786"\n', "allowed: tls://HOST:PORT, or tcp://127.0.0.1:PORT"),
        ('scheduler = "tls://h"\n', "allowed: tls://HOST:PORT"),
        (f'scheduler = "tls://h:1"\n{TLS}fallback_after = "soon"\n', "executor.fallback_after: "),
        (f'scheduler = "tls://h:1"\n{TLS}site_label = "a b"\n', "executor.site_label: "),
        (f'scheduler = "tls://h:1"\n{TLS}cat = 1\n', "executor.cat: "),
    ],
)
def test_each_fault_is_told(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=r".") as caught:
        load_options(tmp_path, text)

    assert any(fault in each for each in caught.value.faults), caught.value.faults


def test_on_this_machine_it_need_not_be_tls(tmp_path: Path) -> None:
    for address in ("tcp://127.0.0.1:8786", "tcp://127.3.2.1:8786", "tcp://[::1]:8786", "tcp://localhost:8786"):
        assert load_options(tmp_path, f'scheduler = "{address}"\n') == DaskOptions(address)


@pytest.mark.parametrize(
    "text",
    [
        "tls://:1",
        "tls://a b:1",
        "tls://u@h:1",
        "tls://h:99999",
        "http://h:1",
        "tls://h:1/x",
        "tls://fd00::2:1",
        "tls://[h]:1",
        "tcp://[::1:1",
        "tls://h,i:1",
        "tls://..:1",
        "tls://h%20:1",
    ],
)
def test_what_is_no_scheduler(text: str) -> None:
    assert not is_scheduler(text)


def test_to_read_the_configuration_does_not_load_dask(tmp_path: Path) -> None:
    (tmp_path / "plabctl.toml").write_text('[executor]\nkind = "dask"\nscheduler = "tcp://127.0.0.1:1"\n')
    code = "import sys; from plabctl.config.load import load; load(sys.argv[1]); print(*sys.modules)"
    argv = [sys.executable, "-c", code, str(tmp_path / "plabctl.toml")]
    loaded = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()

    assert "plabctl.executors.dask.kind" in loaded
    assert {"distributed", "dask", "cryptography"}.isdisjoint(loaded)
