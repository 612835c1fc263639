"""Sinks `apprise` that cannot work are told by `config check`, in one line each, with what to do and no secret."""

from pathlib import Path

import pytest

from plabctl.app import configuration
from plabctl.config.effective import format_effective, list_effective
from plabctl.config.load import load
from plabctl.errors import ConfigError
from plabctl.sinks.apprise_urls import explain_url, has_secret, hide_secrets
from tests.cli.console import CONFIG

# apprise looks for it in any Python that still has it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
TOKEN = "xoxb-s3cret-s3cret"
URL = f'url = "slack://{TOKEN}"'


def write(folder: Path, *lines: str, mode: int = 0o600) -> Path:
    path = folder / "plabctl.toml"
    path.write_text("\n".join([CONFIG, "[[sink]]", 'kind = "apprise"', *lines]))
    path.chmod(mode)
    return path


def list_faults(path: Path) -> list[str]:
    try:
        configuration.check(str(path))
    except ConfigError as error:
        return [fault.removeprefix(f"{path}: sink[1].") for fault in error.faults]
    return []


A_URL = 'allowed: a URL such as "mailtos://...", or a list of at most 20'
FIELDS = "allowed: a text with {summary}, {lines}, {usable}, {total}, {host}, {time} in it"
COUNTS = "allowed: a table of whole numbers from 1 to 1000000 by pool, such as { good = 40 }"
BAD = [
    ("", "url: missing, allowed: a URL here, or in the file that url_file names"),
    (f'url = "slack.com/{TOKEN}"', f"url: the value, which is not shown here, is no URL, {A_URL}"),
    (f'url = ["json://a", "{TOKEN}"]', f"url: the 2. value is no URL, {A_URL}"),
    (f'{URL}\nsubject = "{{sumary}}"', f'subject: "{{sumary}}": there is no {{sumary}}, {FIELDS}'),
    (f'{URL}\ntext = "{{lines"', f'text: "{{lines": a single {{, write {{{{ for it, {FIELDS}'),
    (
        f'{URL}\nquiet = ["22-7"]',
        'quiet: cannot be "22-7", allowed: a list of spans of the day such as "22:00-07:00"',
    ),
    (f"{URL}\nminimum = {{ good = 0 }}", f"minimum: good cannot be 0, {COUNTS}"),
    (f'{URL}\nremind = "2d"', "remind: longer than remind_at_most, allowed: at most that"),
    (f'{URL}\non = ["probe"]', 'on: cannot be "probe", allowed: a list of: nodes, pools, guard, faults'),
]


@pytest.mark.parametrize(("line", "fault"), BAD)
def test_what_the_table_shows_is_told_whenever_it_is_read(tmp_path: Path, line: str, fault: str) -> None:
    path = write(tmp_path, line)
    with pytest.raises(ConfigError):
        load(str(path))
    assert list_faults(path) == [fault]


def test_what_only_looking_shows_is_told_by_config_check(tmp_path: Path) -> None:
    lines = ("minimum = { godo = 1, bad = 1 }", 'time_zone = "Europe/Berlln"')
    path = write(tmp_path, f'url = ["slakc://{TOKEN}", "slack://x"]', *lines, mode=0o644)
    load(str(path))
    services = "https://appriseit.com/services/"
    assert list_faults(path) == [
        f"url: no service has URLs that begin with 'slakc://', did you mean \"slack\"?; see: {services}",
        f"url: the URL lacks something that 'slack' needs; see: {services}slack/",
        f"url: has a secret, and everybody may read '{path}'; put it into a url_file, or run: chmod 600 '{path}'",
        'minimum: no pool "godo", did you mean "good"?',
        'minimum: no node of pool "bad" is ever usable',
        "time_zone: there is no time zone 'Europe/Berlln' on this machine; see: ls /usr/share/zoneinfo",
    ]
    assert list_faults(write(tmp_path, 'url = "json://127.0.0.1/hook"', mode=0o644)) == []


def test_a_file_of_urls_is_looked_at(tmp_path: Path) -> None:
    path = write(tmp_path, 'url_file = "urls"', mode=0o644)
    file = tmp_path / "urls"
    assert list_faults(path) == [f"url_file: {file}: cannot be read: no such file or directory"]
    file.write_text("# none\n")
    file.chmod(0o644)
    assert list_faults(path) == [f"url_file: {file}: not used: everybody may read it; run: chmod 600 '{file}'"]
    file.chmod(0o600)
    assert list_faults(path) == [f"url_file: {file}: has no URL in it"]
    file.write_text(f"json://127.0.0.1/x\n{TOKEN}\n")
    assert list_faults(path) == [
        f"url_file: {file}: entry 2 is no URL, allowed: one such as mailtos://... in each line"
    ]
    file.write_text(f"json://127.0.0.1/{TOKEN}\n")
    assert list_faults(path) == []


def test_nothing_secret_is_shown(tmp_path: Path) -> None:
    path = write(tmp_path, f'url = ["mailto://ada:{TOKEN}@example.org", "slack://{TOKEN}/b/c"]')
    shown = format_effective(list_effective(str(path)))
    assert 'url = ["mailto://***", "slack://***"]' in shown
    assert TOKEN not in shown
    assert TOKEN not in repr(list_faults(path))


@pytest.mark.parametrize(
    ("url", "is_secret"),
    [
        ("json://example.org/hook", False),
        ("mailto://example.org?to=a@example.org&from=b@example.org", False),
        ("mailtos://ada:pw@example.org", True),
        ("json://example.org/?+X-Token=1", True),
        ("slack://a/b/c", True),
        ("json://[x", True),
    ],
)
def test_which_urls_have_a_secret(url: str, is_secret: bool) -> None:
    assert has_secret(url) is is_secret


def test_messages_show_nothing_of_a_url_but_its_host() -> None:
    url = f"mailto://ada:pass%20word@mail.example.org:587?to=ops@example.org&+Key={TOKEN}"
    said = f"ada@mail.example.org: pass%20word, 'pass word', {TOKEN}\n\x1b[31m{'x' * 500}"
    assert hide_secrets(said, url).startswith("ada@mail.example.org: ***, '***', *** [31mxxx")
    assert len(hide_secrets(said, url)) == 300
    assert hide_secrets(f"https://host/{TOKEN}/abcdef", f"slack://{TOKEN}/abcdef") == "https://host/***"


def test_a_url_that_works_is_not_complained_of() -> None:
    assert explain_url("mailto://ada:pw@example.org") == ""
