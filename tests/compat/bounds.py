"""The lowest versions that pyproject.toml allows, as a list of constraints for pip, which cannot ask for them itself.

I/O: reads pyproject.toml, writes to standard output. Uses the standard library alone: it runs before anything is
installed. Called by the Makefile as `python tests/compat/bounds.py`; go on with `tests.compat.smoke`.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)\s*>=\s*(?P<version>[\w.]+)\s*(?:,[^;]*)?(?P<marker>;.*)?")


def lowest(requirement: str) -> str:
    """Return the constraint that holds `requirement` at its lower bound; raise ValueError if it has none."""
    found = _REQUIREMENT.fullmatch(requirement.strip())
    if found is None:
        raise ValueError(f"{requirement!r} has no lower bound: write it as NAME>=VERSION, with an upper bound after it")
    return f"{found['name']}=={found['version']}{found['marker'] or ''}"


def constraints(text: str) -> list[str]:
    """Return a constraint for each dependency of the project whose pyproject.toml is `text`.

    Those of the extra `dask` are among them: modules of the package import them.
    """
    project = tomllib.loads(text)["project"]
    wanted = [*project["dependencies"], *project.get("optional-dependencies", {}).get("dask", [])]
    return [lowest(requirement) for requirement in wanted]


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in constraints(PYPROJECT.read_text()))
