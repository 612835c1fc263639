"""Who may have written a configuration: it says what is run."""

import os
from pathlib import Path

import pytest

from plabctl.config.load import load
from plabctl.errors import ConfigError
from tests.config.loading import BUILTIN, ENVIRON

STRANGER = 65533
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files to another user")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "plabctl.toml"
    path.write_text("window = 3\n")
    path.chmod(0o644)
    return path


@pytest.mark.parametrize("named", [True, False])
def test_one_that_anybody_may_write_is_refused(config: Path, *, named: bool) -> None:
    config.chmod(0o646)

    with pytest.raises(ConfigError, match="any user may write it") as caught:
        load(str(config) if named else None, BUILTIN, ENVIRON)

    assert "chmod o-w" in caught.value.hint
    config.chmod(0o664)
    assert load(str(config) if named else None, BUILTIN, ENVIRON).window == 3


@needs_root
def test_one_that_a_stranger_put_here_is_taken_only_by_name(config: Path) -> None:
    os.chown(config, STRANGER, STRANGER)

    with pytest.raises(ConfigError, match="neither you nor root") as caught:
        load(None, BUILTIN, ENVIRON)

    assert "--config" in caught.value.hint
    assert load(str(config), BUILTIN, ENVIRON).window == 3


def test_a_pipe_that_somebody_put_here_keeps_nobody_waiting(config: Path) -> None:
    config.unlink()
    os.mkfifo(config)

    with pytest.raises(ConfigError, match="no regular file"):
        load(None, BUILTIN, ENVIRON)


def test_a_named_one_may_be_a_pipe(config: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"window = 4\n")
    os.close(writer)
    try:
        assert load(f"/dev/fd/{reader}", BUILTIN, ENVIRON).window == 4
    finally:
        os.close(reader)
