"""What `init` and `config` do: write an initial configuration, check one, show the values in force.

I/O: reads configuration files, and writes a new one.
Tests: `tests/cli/test_reading_commands.py`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from plabctl.app.context import PLUGIN_HINT, list_plugin_faults
from plabctl.app.ssh_check import list_host_ca_faults
from plabctl.app.try_sinks import list_sink_faults
from plabctl.config.effective import EffectiveKey, list_effective
from plabctl.config.load import load
from plabctl.config.sample import build_sample
from plabctl.core.keys.formatting import quote
from plabctl.core.settings import Settings
from plabctl.errors import ConfigError, PlabctlError, Refused
from plabctl.files.atomic import write_new
from plabctl.probes.ssh_config import SshConfig

NAME = "plabctl.toml"
STATE_DIR = "state"
"""Of a configuration that is written here: beside it, so that two of them have two states."""


RECOMMENDED: Mapping[str, str] = {
    "pool.good.backoff": '{ kind = "age", base = "5m", max = "1h30m" }',
    "pool.good.liveness": "{ between = 8 }",
    "pool.bad.backoff": '{ kind = "age", base = "15m", max = "12h" }',
    "pool.bad.liveness": "{ between = 8 }",
}
"""The best policy that a cautious operator would take, by key, as TOML; the figures are in `docs/policy.md`."""


def check(path: str | None) -> Settings:
    """Return the settings; raise ConfigError with every fault, also of plug-ins, sinks, named files and ssh_config."""
    settings = load(path)
    if faults := list_plugin_faults(settings):
        raise ConfigError(faults, hint=PLUGIN_HINT)
    if faults := list_host_ca_faults(settings):
        raise ConfigError(faults)
    if faults := list_sink_faults(settings):
        raise ConfigError(faults)
    if settings.ssh.use_ssh_config and (fault := SshConfig().check()):
        raise ConfigError([f"ssh.use_ssh_config: {fault}"], hint="correct it; see also: plabctl doctor")
    return settings


def list_doubts(settings: Settings) -> list[str]:
    """Return what is allowed and hardly meant, each as `FILE: KEY: what`."""
    if not settings.occupancies:
        return []
    from plabctl.core.occupancy import find_impatience  # few installations have such a source

    found = ((number, find_impatience(each)) for number, each in enumerate(settings.occupancies, 1))
    return [f"{settings.path}: occupancy[{number}].every: {what}" for number, what in found if what]


def show(path: str | None) -> list[EffectiveKey]:
    """Return every key that holds, with where it comes from; raise ConfigError with every fault."""
    return list_effective(path)


def build_sample_text() -> str:
    """Return a commented configuration that means the defaults."""
    return build_sample()


def write_sample(directory: str, user: str = "", key: str = "", *, recommended: bool = False) -> Path:
    """Write a commented configuration, with its state beside it, into `directory`; return its path, overwrite none.

    `user` and `key` stand in it if given, the policy of `RECOMMENDED` if asked for.
    """
    path = Path(directory) / NAME
    live = {"state_dir": STATE_DIR, "ssh.user": user, "ssh.key": key}
    given = {name: quote(value) for name, value in live.items() if value}
    text = build_sample({**given, **(RECOMMENDED if recommended else {})})
    try:
        # Only if there is none: of two who write at the same moment, one is refused and nothing is overwritten.
        write_new(str(path), text.encode(), public=True)
    except FileExistsError as error:
        raise Refused(f"{path} exists already", hint="edit it, or remove it first; nothing was changed") from error
    except OSError as error:
        hint = f"make it first: mkdir -p {shlex.quote(directory)}" if isinstance(error, FileNotFoundError) else ""
        raise PlabctlError(f"{path} cannot be written: {error.strerror or error}", hint=hint) from error
    return path
