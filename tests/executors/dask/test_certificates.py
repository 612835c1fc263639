"""Certificates that will not do: one clear line each."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from plabctl.errors import ConfigError
from plabctl.executors.dask.certificates import find_faults, require_certificates
from plabctl.executors.dask.options import DaskOptions
from plabctl.values import replace
from tests.lab.dask_cluster import Authority, make_tls_strict


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


def make_options(authority: Authority, name: str = "machine", days: int = 1) -> DaskOptions:
    cert, key = authority.issue(name, days=days)
    return DaskOptions("tls://h:1", str(authority.path), str(cert), str(key))


def faults_of(own: DaskOptions) -> list[tuple[str, str]]:
    return [(name, text) for name, text, _ in find_faults(own, time.time())]


def test_those_that_fit_have_no_fault(authority: Authority) -> None:
    assert faults_of(make_options(authority)) == []


def test_others_may_not_read_the_key(authority: Authority) -> None:
    own = make_options(authority)
    Path(own.key).chmod(0o640)

    text = f"'{own.key}' may be read by others, and whoever has it runs code on the workers"
    assert faults_of(own) == [("key", text)]
    with pytest.raises(ConfigError, match=r"executor\.key: ") as caught:
        require_certificates(own, time.time())
    assert caught.value.hint == f"run: chmod 600 {own.key}"


def _take_other_key(own: DaskOptions, authority: Authority) -> DaskOptions:
    return replace(own, key=str(authority.issue("other")[1]))


def _take_other_authority(own: DaskOptions, authority: Authority) -> DaskOptions:
    return replace(own, ca=str(Authority(Path(own.ca).parents[1] / "theirs").path))


def _expire(own: DaskOptions, authority: Authority) -> DaskOptions:
    return make_options(authority, "old", -1)


def _come_early(own: DaskOptions, authority: Authority) -> DaskOptions:
    return make_options(authority, "new", 9)


def _swap(own: DaskOptions, authority: Authority) -> DaskOptions:
    return replace(own, cert=own.key)


def _lose_line_ends(own: DaskOptions, authority: Authority) -> DaskOptions:
    Path(own.key).write_bytes(Path(own.key).read_bytes().replace(b"\n", b"\r"))
    return own


def _forget(own: DaskOptions, authority: Authority) -> DaskOptions:
    Path(own.cert).unlink()
    return own


@pytest.mark.parametrize(
    ("change", "name", "words"),
    [
        (_take_other_key, "key", "is not the key of"),
        (_take_other_authority, "cert", "is not signed by"),
        (_expire, "cert", "expired on 20"),
        (_come_early, "cert", "is not valid before"),
        (_swap, "cert", "is no certificate in PEM"),
        (_lose_line_ends, "cert", "': it cannot read these files"),
        (_forget, "cert", "cannot be read: no such file or directory"),
    ],
)
def test_each_fault_is_told(
    change: Callable[[DaskOptions, Authority], DaskOptions], name: str, words: str, authority: Authority
) -> None:
    ((key, text),) = faults_of(change(make_options(authority), authority))

    assert key == name
    assert words in text


def test_those_that_this_python_does_not_take_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tls_strict(monkeypatch)
    assert faults_of(make_options(Authority(tmp_path / "ours"))) == []
    ((key, text),) = faults_of(make_options(Authority(tmp_path / "bare", bare=True)))

    assert key == "cert"
    assert text.startswith("TLS does not take '")
    assert "key usage" in text or "Key Identifier" in text
