"""What relative paths of a config file are relative to.

Pure. Used by the kinds of value in `plabctl.config.paths`.
"""

from __future__ import annotations

import os.path


class BaseDir:
    """What relative paths are relative to: the folder of the config file, and the home of `~`."""

    __slots__ = ("folder", "home")

    def __init__(self, folder: str, home: str) -> None:
        self.folder = folder
        self.home = home

    def make_absolute(self, path: str) -> str:
        """Return `path` as an absolute path."""
        if path == "~" or path.startswith("~/"):
            path = self.home + path[1:]
        return os.path.normpath(os.path.join(self.folder, path))
