"""The recipes that come with plabctl.

Pure. Each is a `Recipe` as anybody could write it in the configuration; `docs/` shows how to write more. A recipe is
loaded when somebody looks at it: nearly every command reads the configuration, and few of them run a recipe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from plabctl.core.recipe import Recipe


class _Builtin(Mapping[str, Recipe]):
    """The recipes by name, from the modules that hold them."""

    _PLACES: Mapping[str, str] = {
        "process": "plain",
        "command": "plain",
        "netns": "netns",
        "podman": "container",
        "docker": "container",
        "nspawn": "container",
    }

    def __getitem__(self, name: str) -> Recipe:
        place = self._PLACES[name]
        from importlib import import_module  # noqa: PLC0415 - see above

        recipe: Recipe = getattr(import_module(f"plabctl.probes.{place}"), name.upper())
        return recipe

    def __contains__(self, name: object) -> bool:
        return name in self._PLACES

    def __iter__(self) -> Iterator[str]:
        return iter(self._PLACES)

    def __len__(self) -> int:
        return len(self._PLACES)


BUILTIN: Mapping[str, Recipe] = _Builtin()
