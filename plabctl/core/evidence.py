"""The table of what failed tests are evidence of: whom each cause speaks about, what it means, and what to look at.

Pure. Whether a cause counts against the node or is a fault of ours is decided here and nowhere else; which errors of
the kernel are ours is in `plabctl.core.our_errnos`. `docs/causes.md` is made from this table, and so is the line of
help that `show`, `explain`, `test` and `retest` print.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from plabctl.core.probe import Cause, Outcome


class About(StrEnum):
    """Whom a cause speaks about."""

    NODE = "the node"
    US = "this machine"
    WAY = "the way"
    NOBODY = "nobody"


class Case(NamedTuple):
    """One way in which a cause shows itself."""

    sign: str
    """Words of the reason by which it is recognized."""
    look_at: str
    is_unknown: bool = False
    """It is no evidence about the node, or not yet, although its cause usually is."""


class Evidence(NamedTuple):
    """What one cause says."""

    about: About
    meaning: str
    look_at: str
    cases: tuple[Case, ...] = ()


_OUTPUT = "what the stage printed, and whether the recipe fits this node"
CAUSES: Mapping[Cause, Evidence] = {
    Cause.DNS: Evidence(
        About.NODE,
        "its name has no address",
        "the spelling of its name, its variable `ssh_host`, and the DNS or `/etc/hosts` of this machine",
        (Case("finds no address for", "the spelling of its name, and the DNS and `/etc/hosts` of that jump host"),),
    ),
    Cause.CONNECT: Evidence(
        About.NODE,
        "no TCP connection was made in time, or it broke off during a stage",
        "whether it is up, and what lies in between: switch, router, firewall",
        (
            Case("connection refused", "whether sshd runs there, and on this port: the variable `ssh_port`"),
            Case("no answer from", "whether it is up, or a firewall drops the packets"),
            Case("connection timed out", "whether it is up, or a firewall drops the packets"),
            Case("no route to host", "whether it is up; a firewall or a router on the way says that it is not there"),
            Case("network is unreachable", "the routers on the way: one of them knows no route to it"),
            Case("permission denied", "the firewall on the way that forbids this connection"),
            Case("lost its connection", "whether it was rebooted or lost its network, and the log of its sshd"),
        ),
    ),
    Cause.HOST_KEY: Evidence(
        About.NODE,
        "its host key is unknown, revoked, or another than before",
        "the fingerprint on its console (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`), then run "
        "`plabctl trust NODE`",
        (
            Case(
                "the host certificate",
                "`ssh-keygen -L -f` on the node's certificate: its dates, its names, and its authority beside "
                "`[ssh] host_ca` and the `@cert-authority` lines of known_hosts",
            ),
            Case(
                "the host key has changed",
                "whether it was installed anew, or another machine has its address; if all is right, "
                "`plabctl trust NODE --changed`",
            ),
            Case("is revoked", "the line with `@revoked` in known_hosts: the node needs a new host key"),
        ),
    ),
    Cause.AUTH: Evidence(
        About.NODE,
        "it does not accept our key for this user",
        "`authorized_keys` of that user, the permissions of the home directory, and the log of its sshd",
        (
            Case("hardly valid yet", "the clocks of both machines, and when the certificate is renewed", True),
            Case("were offered", "`MaxAuthTries` of its sshd: it let us offer only a part of our keys", True),
            Case("the certificate is for", "whether it names that user, or `AuthorizedPrincipalsFile` of its sshd"),
            Case(
                "certificate and key are refused", "`TrustedUserCAKeys` of its sshd, and that user's `authorized_keys`"
            ),
            Case(
                "the node takes",
                "its sshd_config: it asks for what plabctl never gives, such as a password",
            ),
        ),
    ),
    Cause.NOT_READY: Evidence(
        About.NODE,
        "it says itself that it is not ready: it is booting, going down, or closed by `/etc/nologin`",
        "how far its boot has come, and what keeps it from being ready",
        (
            Case(
                "says that it is not ready",
                "how far its boot has come (`systemctl list-jobs`), and who made `/etc/nologin` or `/run/nologin`; "
                "it counts as a failure after `[ssh] not_ready_for`",
                is_unknown=True,
            ),
        ),
    ),
    Cause.SUDO: Evidence(
        About.NODE,
        "the recipe wants root, and sudo does not let the user become root without a password",
        "`sudo -n true` as that user on the node, and docs/ssh.md on `become`",
        (
            Case(
                "sudo asks for a password",
                "the rule of that user in `/etc/sudoers.d`: it is missing, lacks `NOPASSWD:`, or allows other commands",
            ),
            Case(
                "sudo does not let this user run sh as root",
                "the rule of that user in `/etc/sudoers.d`: it must allow `ALL` or `/bin/sh`, as root",
            ),
            Case("sudo wants a terminal", "the sudoers of the node: `Defaults:USER !requiretty` for that user"),
            Case("sudo is not installed", "the packages of the node, and the path of that user"),
        ),
    ),
    Cause.PROTOCOL: Evidence(
        About.NODE,
        "what answers does not speak SSH as it should, or closes the connection",
        "what listens on that port, and the log of its sshd",
        (
            Case(
                "sshd turned the login away",
                "`MaxStartups` and `PerSourcePenalties` of its sshd; it counts as a failure after an hour",
                True,
            ),
            Case(
                "of our logins to that server were under way",
                "`MaxStartups` of its sshd, which many nodes share; it counts as a failure after an hour",
                True,
            ),
            Case("before the SSH banner", "the log of its sshd, and whether it can start processes"),
            Case("no SSH banner in time", "its load, and what listens on that port"),
            Case(
                "pam_slurm_adopt",
                "PAM there: Slurm lets in only who has a job; let our user pass by pam_access before pam_slurm_adopt",
            ),
            Case("has expired", "the account of our user there: `chage -l USER`"),
            Case(
                "Too many authentication failures", "how many keys are offered before the right one: its MaxAuthTries"
            ),
            Case(
                "closed during authentication",
                "the log of its sshd, and PAM: `/etc/nologin`, an expired account, pam_access",
            ),
            Case("in common", "both lists of the reason: its sshd and plabctl have no such algorithm in common"),
            Case("opens no session", "`MaxSessions` of its sshd, and the limits of that user"),
            Case("cut off: the node", "what answers there: no SSH server behaves like this"),
        ),
    ),
    Cause.SETUP: Evidence(
        About.NODE,
        "the vnode could not be made",
        _OUTPUT,
        (
            Case(
                "the login shell never ran it",
                "the start-up files of that user's shell: an `exec`, an `exit`, another program than `sh`",
            ),
            Case(
                "was not run by the node",
                "what it says: the user's login shell, a forced command, an expired password",
            ),
        ),
    ),
    Cause.UP_TIMEOUT: Evidence(About.NODE, "the vnode did not come up in time", _OUTPUT),
    Cause.CHECK: Evidence(About.NODE, "the vnode is up and does not work", _OUTPUT),
    Cause.TEARDOWN: Evidence(About.NODE, "the vnode could not be removed, where the recipe requires that", _OUTPUT),
    Cause.DEADLINE: Evidence(
        About.NODE,
        "a stage, or the connection under it, gave no answer in time",
        "its load and its disks, and what that stage does",
        (
            Case(
                "the login shell did not start",
                "the start-up files and the home directory of that user: a file server that hangs, a `sleep`",
            ),
            Case(
                "authentication did not end in time",
                "what its sshd asks at a login: DNS (`UseDNS`), LDAP, the home directory",
            ),
            Case("the key exchange did not end in time", "its load, and the packet size (MTU) on the way"),
        ),
    ),
    Cause.JUMP: Evidence(
        About.WAY,
        "a jump host on the way did not let us through to the node",
        "the jump host that the reason names: whether it is up, and the log of its sshd",
        (
            Case("unknown host key", "the fingerprint on its console, then run `plabctl trust NODE`"),
            Case("it does not forward to", "`AllowTcpForwarding` and `PermitOpen` of its sshd"),
            Case("it cannot connect to", "the routes, the firewall and the name servers of the jump host"),
        ),
    ),
    Cause.NO_OPINION: Evidence(
        About.NOBODY,
        "the recipe declined to judge: exit code 75, or 3 of a monitoring plug-in",
        _OUTPUT,
    ),
    Cause.LOCAL: Evidence(
        About.US,
        "a fault of this machine: descriptors, memory, a missing key, the resolver, no route",
        "this machine: `plabctl doctor`",
        (
            Case("no connection can be made from here", "the routes and interfaces of this machine: `ip route get`"),
            Case("the resolver", "the name servers of this machine: `/etc/resolv.conf`"),
            Case("agent_socket names none", "`[ssh] agent_socket`, as cron has no `SSH_AUTH_SOCK`; docs/ssh.md"),
            Case("the agent", "whether the agent runs, is unlocked and holds the key: `SSH_AUTH_SOCK=... ssh-add -l`"),
            Case("is a public key", "`[ssh] key` or the variable `ssh_key`: it must name the private one"),
            Case("has a passphrase", "a copy of the key without, or an agent that holds it; docs/ssh.md"),
            Case("keys and certificates only", "`[ssh] key`, or an agent with fewer keys: `ssh-add -l`"),
            Case("the certificate '", "the certificate beside the key: renew or remove it; see `plabctl doctor`"),
            Case("ssh_config cannot be used", "what `ssh -G NODE` says to the user who runs plabctl; `plabctl doctor`"),
            Case("through a ProxyCommand", "ssh_config: `ProxyJump` may take its place; docs/ssh.md"),
            Case("stood still", "whether this machine was asleep, stopped or overloaded"),
        ),
    ),
    Cause.EXECUTOR: Evidence(About.US, "no worker made the test", "the scheduler and workers: `plabctl doctor`"),
    Cause.INTERRUPTED: Evidence(
        About.US, "the tick was told to stop, or died", "nothing: the node is due again at once"
    ),
}


def find_outcome(cause: Cause) -> Outcome:
    """Return what a probe that ended for `cause` says; `unknown` where the cause does not speak about the node."""
    return Outcome.FAIL if CAUSES[cause].about is About.NODE else Outcome.UNKNOWN


def find_help(cause: Cause, reason: str) -> str:
    """Return what to look at when a probe ended for `cause`, with that reason; NODE stands for the node's name."""
    evidence, text = CAUSES[cause], reason.lower()  # a jump host begins the words of its C library with a capital
    return next((case.look_at for case in evidence.cases if case.sign.lower() in text), evidence.look_at)
