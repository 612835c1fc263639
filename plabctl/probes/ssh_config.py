"""What the user's ssh_config says of a host, as OpenSSH itself reads it: by `ssh -G`, never by a parser of our own.

I/O: two short processes for each host, 10 ms together, once in the life of this process. The second is needed since
`ssh -G` prints a default as if somebody had set it, and what nobody has set must not win over `[ssh]`. It reads the
same files and behind them settings that nobody would choose; where one of these comes out, nothing was said.

Go on with `plabctl.probes.target`, which puts variables, ssh_config and configuration in order.
"""

from __future__ import annotations

import os
import pwd
import re
import signal
import socket
import threading
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from plabctl.core.model import Cause
from plabctl.probes.clean import MAX_REASON, clean, find_first_line
from plabctl.probes.probe_error import ProbeError, format_exception
from plabctl.process import Command, run

TIMEOUT_S = 10.0
"""For each of the two: a `Match exec` in the file may hang."""
_MAX_BYTES = 1024**2
_SYSTEM_FILE = "/etc/ssh/ssh_config"
_UNSET = "plabctl-unset"
_UNSET_PORT = 1  # tcpmux: no sshd is there
_DEFAULT_PORT = 22
_BEHIND = f"Host *\nPort {_UNSET_PORT}\nUser {_UNSET}\nIdentityFile {_UNSET}\nProxyJump {_UNSET}\n"
_FROM_INPUT = ("-F", "/dev/stdin")
_TOKEN = re.compile(r"%(.)|\$\{(\w+)\}")
Answer = Mapping[str, list[str]]
"""The values that were printed, by keyword."""


class SshConfigFiles(NamedTuple):
    """Where ssh_config is: the user's file, wherever `$HOME` points, as ssh(1) has it, and the system's."""

    user: str
    system: str


class HostSettings(NamedTuple):
    """What ssh_config says explicitly of one host; None, or empty, where it says nothing."""

    host: str = ""
    """Where it is, if that is not what it is called."""
    port: int | None = None
    user: str | None = None
    keys: tuple[str, ...] | None = None
    """`IdentityFile`, in order, as they are written; none for `none`."""
    certificates: tuple[str, ...] = ()
    only_these: bool = False
    """`IdentitiesOnly`: an agent is asked for no other keys than those."""
    agent: str = ""
    """`IdentityAgent`: a socket, or `none`."""
    jumps: tuple[str, ...] | None = None
    """`ProxyJump`, in order; none for `none`, or for `ProxyCommand none`."""
    proxy_command: str = ""
    alias: str = ""
    """`HostKeyAlias`."""


NOTHING_SAID = HostSettings()


class SshConfig:
    """The user's ssh_config; may be used from many threads. Each host is asked for once, also when that failed."""

    def __init__(self, files: SshConfigFiles | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self._files = files
        self._timeout_s = timeout_s
        self._locks: defaultdict[tuple[str, ...], threading.Lock] = defaultdict(threading.Lock)
        self._found: dict[tuple[str, ...], HostSettings | ProbeError] = {}
        self._running: set[Command] = set()
        self._is_interrupted = False

    def find(self, name: str, user: str = "", port: str = "") -> HostSettings:
        """Return what is said of the host that is called `name`, where `ssh -l user -p port` is given these.

        Raise ProbeError when `ssh` cannot read its configuration, or does not do it in time.
        """
        words = (*(("-l", user) if user else ()), *(("-p", port) if port else ()), "--", name)
        with self._locks[words]:
            if words not in self._found:
                try:
                    self._found[words] = self._ask(words)
                except ProbeError as probe_error:
                    self._found[words] = probe_error
        found = self._found[words]
        if isinstance(found, ProbeError):
            raise ProbeError(found.cause, found.reason)
        return found

    def interrupt(self) -> None:
        """End what runs, and what is still to come; does not block, may come from a signal handler."""
        self._is_interrupted = True
        for command in tuple(self._running):
            command.send(signal.SIGKILL)

    def is_missing(self) -> bool:
        """Return whether there is no ssh_config at all."""
        return not any(map(os.path.exists, self._files or find_files()))

    def check(self) -> str:
        """Return in words why ssh_config cannot be used; empty when all is well."""
        for path in filter(os.path.exists, self._files or find_files()):
            try:
                Path(path).open("rb").close()
            except OSError as error:  # ssh itself passes over such a file in silence
                return f"{path} cannot be read: {format_exception(error)}"
        try:
            self.find("localhost")
        except ProbeError as probe_error:
            return probe_error.reason
        return ""

    def _ask(self, words: tuple[str, ...]) -> HostSettings:
        includes = "".join(f'Include "{path}"\n' for path in self._files or find_files())
        said = self._run(words) if self._files is None else self._run((*_FROM_INPUT, *words), includes)
        explicit = self._run((*_FROM_INPUT, *words), includes + _BEHIND)
        return _read_answers(words[-1], said, explicit)

    def _run(self, words: tuple[str, ...], given: str = "") -> Answer:
        """Return what `ssh -G` prints with these words and `given` on its standard input."""
        started: list[Command] = []

        def watch(command: Command) -> None:
            started.append(command)
            self._running.add(command)
            if self._is_interrupted:
                command.send(signal.SIGKILL)

        done = run(
            ["ssh", "-T", "-G", *words],
            timeout_s=self._timeout_s,
            keep_bytes=_MAX_BYTES,
            flood_bytes=_MAX_BYTES,
            given=given.encode(),
            on_start=watch,
        )
        self._running.difference_update(started)
        if done.fault or done.exit_code:
            said = find_first_line(clean(done.errors, MAX_REASON))
            reason = done.fault or said or f"exit code {done.exit_code}"
            if reason.startswith("did not end"):
                reason += "; a 'Match exec' may hang"
            raise ProbeError(Cause.LOCAL, f"ssh_config cannot be used: 'ssh -G {words[-1]}': {reason}")
        answer: dict[str, list[str]] = {}
        for line in done.output.decode(errors="replace").splitlines():
            keyword, _, value = line.partition(" ")
            answer.setdefault(keyword, []).append(value)
        return answer


def find_files() -> SshConfigFiles:
    """Return where ssh(1) looks."""
    try:
        home = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        home = "/"
    return SshConfigFiles(f"{home}/.ssh/config", _SYSTEM_FILE)


def _read_answers(name: str, said: Answer, explicit: Answer) -> HostSettings:
    """Return what was said of `name`: `said` is what holds, `explicit` what would hold with other defaults.

    A value that is no default is explicit in any case: `Match final` comes after the second's settings.
    """

    def last(answer: Answer, keyword: str) -> str:
        return answer.get(keyword, [""])[-1]

    port = int(last(said, "port") or _DEFAULT_PORT)
    user = last(said, "user")
    jump, command = last(said, "proxyjump"), last(said, "proxycommand")
    is_jump_unset = last(explicit, "proxyjump") == _UNSET and not jump and not command
    keys = tuple(each for each in explicit.get("identityfile", ()) if each != _UNSET)
    host = last(said, "hostname")
    return HostSettings(
        host="" if host.lower() == name.lower() else host,
        port=None if port == _DEFAULT_PORT and last(explicit, "port") == str(_UNSET_PORT) else port,
        user=None if last(explicit, "user") == _UNSET and user == _find_own_name() else user,
        keys=tuple(each for each in keys if each != "none") if keys else None,
        certificates=tuple(each for each in said.get("certificatefile", ()) if each != "none"),
        only_these=last(said, "identitiesonly") == "yes",
        agent=_read_agent(last(said, "identityagent")),
        jumps=None if is_jump_unset else tuple(hop.strip() for hop in jump.split(",") if hop.strip()),
        proxy_command=command,
        alias=last(said, "hostkeyalias"),
    )


def _read_agent(text: str) -> str:
    """Return the socket that `IdentityAgent` names, itself or by the name of a variable."""
    return "${SSH_AUTH_SOCK}" if text == "SSH_AUTH_SOCK" else re.sub(r"^\$(\w+)$", r"${\1}", text)


def _find_own_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""


def expand_tokens(text: str, *, name: str, host: str, port: int, user: str) -> str:
    """Return a path of ssh_config with its `~`, its `%` tokens (ssh_config(5), TOKENS) and variables filled in.

    A token that is not known stays: whoever opens the file says that it is not there.
    """
    if not (_TOKEN.search(text) or text.startswith("~")):
        return text  # without a look at the system's accounts for each node
    own, here = _find_own_name(), socket.gethostname()
    values = {
        "%": "%",
        "d": os.path.expanduser("~"),
        "h": host,
        "i": str(os.getuid()),
        "k": host,
        "L": here.partition(".")[0],
        "l": here,
        "n": name,
        "p": str(port),
        "r": user,
        "u": own,
    }

    def fill(match: re.Match[str]) -> str:
        return (values if match[1] else os.environ).get(match[1] or match[2], match[0])

    return os.path.expanduser(_TOKEN.sub(fill, text))
