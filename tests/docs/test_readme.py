"""What the pages tell a newcomer to type is typed, on nodes with a real sshd, and prints what they show."""

from pathlib import Path

import pytest

from tests.docs.console import Edit, edited, steps
from tests.docs.pages import written_pages
from tests.docs.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
PAGES = [page for page in written_pages() if "```console" in page.read_text()]


@pytest.mark.lab
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_what_the_page_says_is_what_happens(page: Path, tmp_path: Path) -> None:
    with Sandbox(tmp_path / "stage") as stage:
        config = stage.home / "plabctl.toml"
        for step in steps(page.read_text()):
            if isinstance(step, Edit):
                config.write_text(edited(config.read_text(), step.text))
                continue
            code, printed = stage.run(step.command)
            where = f"{page.name}, line {step.line}: {step.command}"
            assert code == 0, f"{where}\nexit code {code}\n{printed}"
            assert not step.difference(printed), f"{where}\n{step.difference(printed)}"


def test_the_readme_is_among_the_pages() -> None:
    assert ROOT / "README.md" in PAGES
