"""What sources are called, and where their status is."""

from pathlib import Path

import pytest

from plabctl.app.fetch_source import build_address
from plabctl.app.sources import make_absolute, parse_sources
from plabctl.errors import UsageFault


def names(*words: str) -> list[str]:
    return [source.name for source in parse_sources(words)]


def test_a_monitor_is_called_after_its_host_its_file_or_its_directory(tmp_path: Path) -> None:
    (tmp_path / "nancy").mkdir()

    assert names("https://lyon.example.org:8443/plab/", f"{tmp_path}/nancy") == ["lyon.example.org", "nancy"]
    assert names("/srv/rennes/status.json", "sophia.json") == ["rennes", "sophia"]
    assert names("/etc/plabctl/config.toml", "x=sophia.json") == ["plabctl", "x"]


def test_those_that_would_be_called_the_same_are_called_by_all_of_it() -> None:
    assert names("http://www/lyon", "http://www/nancy", "a=x.json") == ["http://www/lyon", "http://www/nancy", "a"]


def test_a_path_with_stars_is_all_that_it_matches_unless_there_is_such_a_file(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "a[1].json"):
        (tmp_path / name).touch()

    assert names(f"{tmp_path}/?.json") == ["a", "b"]
    assert names(f"{tmp_path}/a[1].json") == ["a[1]"]


def test_a_file_with_an_equals_sign_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a=b.json").touch()
    monkeypatch.chdir(tmp_path)

    assert names("a=b.json", "c=d.json") == ["a=b", "c"]
    assert make_absolute("a=b.json") == f"{tmp_path}/a=b.json"
    assert make_absolute("c=d.json") == f"c={tmp_path}/d.json"
    assert make_absolute("c=http://x/y") == "c=http://x/y"


def test_there_is_a_limit(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="501 sources are too many"):
        parse_sources([f"{number}.json" for number in range(501)])


@pytest.mark.parametrize(
    "word",
    [
        "ftp://x/", "http://", "https:///x", "http://x/ y", "http://x/\x1b", "http://[::1/", "http://x:99999/",
        "http://x:a/",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(word: str) -> None:
    with pytest.raises(UsageFault, match="is no address"):
        parse_sources([word])


def test_a_scheme_may_be_in_capitals() -> None:
    (source,) = parse_sources(["HTTPS://x/plab"])

    assert (source.is_remote, source.name, build_address(source.place, "status.json")) == (
        True, "x", "https://x/plab/status.json",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("place", "status", "stats"),
    [
        ("http://x", "http://x/status.json", "http://x/stats.json"),
        ("http://x/plab/", "http://x/plab/status.json", "http://x/plab/stats.json"),
        ("http://x/plab/status.json", "http://x/plab/status.json", "http://x/plab/stats.json"),
        ("http://x/lyon.json?v=1#top", "http://x/lyon.json?v=1", "http://x/stats.json?v=1"),
    ],
)
def test_an_address_is_of_a_page_or_of_its_status(place: str, status: str, stats: str) -> None:
    assert (build_address(place, "status.json"), build_address(place, "stats.json")) == (status, stats)
