from pathlib import Path

import pytest

from plabctl.config.effective import format_effective, list_effective
from plabctl.masks import mask_secrets
from tests.config.loading import ENVIRON, faults_of

CANARY = "kanari3nv0gel77x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://hc.example.org/ping/0af34bd2-70aa-4c1e-9f1b-3a9d2c1b0e77", "https://hc.example.org/ping/***"),
        (
            "https://hooks.example.org/services/T024/B024/a8sZ81Hf0Qk2mN7v",
            "https://hooks.example.org/services/T024/B024/***",
        ),
        ("smtp://bob:s3cret@mail.example.org:25", "smtp://***@mail.example.org:25"),
        ("https://example.org/x?key=1&b=2", "https://example.org/x?***"),
        (
            '["curl", "-H", "Authorization: Bearer abc", "http://x/"]',
            '["curl", "-H", "Authorization: Bearer ***", "http://x/"]',
        ),
        ('["tool", "--api-key", "abc", "go"]', '["tool", "--api-key", "***", "go"]'),
        ("MYSQL_PASSWORD=abc mysqladmin ping", "MYSQL_PASSWORD=*** mysqladmin ping"),
        ("passphrase: 'abc'", "passphrase: '***'"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, shown: str) -> None:
    assert mask_secrets(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://mirror.example.org/debian/dists/stable/main",
        'echo "{vnode}" >"$dir/ready"; test -e /var/lib/plabctl/state-of-today-2026',
        "passed=0; kill -9 $pid",
    ],
)
def test_what_does_not_stays_as_it_is(text: str) -> None:
    assert mask_secrets(text) == text


CONFIG = f"""
[recipe.mine]
check = {{ run = "TOKEN={CANARY} check {{node}}" }}
[[hook]]
on = ["transition"]
command = ["curl", "https://ping.example.org/{CANARY}"]
[[inventory]]
kind = "command"
command = ["list", "--password={CANARY}"]
"""


def test_no_secret_is_shown_with_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "plabctl.toml"
    path.write_text(CONFIG)

    text = format_effective(list_effective(str(path), ENVIRON))

    assert CANARY not in text
    assert 'command = ["curl", "https://ping.example.org/***"]' in text


def test_no_secret_is_told_with_a_fault(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, f'{CONFIG}[[hook]]\non = ["transition"]\ncommand = "curl https://x.org/{CANARY}"\n')

    assert faults
    assert CANARY not in "".join(faults)
