"""Check the certificate beside the configured key: whether it can be offered to nodes, and until when.

I/O, reads only. Light: `status` and `check` use it when there is such a file. What is judged is judged in
`plabctl.probes.user_certificates`.
Tests: `tests/app/test_ssh_check.py`.
"""

from __future__ import annotations

from plabctl.core.problems import Problem
from plabctl.core.recipe import Transport
from plabctl.core.settings import Settings
from plabctl.files.trusted import open_trusted
from plabctl.probes.certificate_file import read_certificate
from plabctl.probes.openssh_key import find_public_key
from plabctl.probes.user_certificates import format_instant, judge

_MOST_CHARACTERS = 256 * 1024


def uses_ssh(settings: Settings) -> bool:
    """Return whether the recipe of any pool goes over SSH."""
    recipes = [settings.recipes.get(pool.recipe) for pool in settings.pools.values()]
    return any(recipe and recipe.transport is Transport.SSH for recipe in recipes)


def find_problem(settings: Settings, now: float) -> Problem | None:
    """Return what is wrong, or soon will be, with the certificate of the configured key; None if nothing is."""
    if not uses_ssh(settings):
        return None
    return check(settings.ssh.key, now)[1]


def check(key: str, now: float) -> tuple[str, Problem | None]:
    """Return what to say of the certificate beside the key at the path `key`, empty without one, and its problem."""
    file = read_certificate(key)
    if file is None:
        return "", None
    fault = file.find_fault(_read_public_key(key), now)
    problem = judge(file.path, file.certificate, fault, now)
    if file.certificate and not fault:
        return f"'{file.path}' is valid until {format_instant(file.certificate.valid_before)}", problem
    return f"'{file.path}' {fault}", problem


def _read_public_key(key: str) -> bytes | None:
    """Return the public key of a private one; None where that takes more than a look, or it cannot be read."""
    try:
        with open(open_trusted(key, anyone=True, file_only=True).fd, errors="replace") as file:
            return find_public_key(file.read(_MOST_CHARACTERS))
    except OSError:
        return None
