"""What a probe is told to do.

Pure. A claim becomes an assignment; `plabctl.probes` carries it out and answers with a `Report`.
"""

from __future__ import annotations

from dataclasses import dataclass

from plabctl.core.model import Debris, Node
from plabctl.core.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One probe to run: the recipe, on the node, under the name `vnode`.

    `debris` are vnodes of earlier probes that may still be there, each with the recipe that made it; they are torn
    down first. `deadline_s` bounds the whole probe, debris and teardown included.
    """

    node: Node
    token: str
    recipe: Recipe
    vnode: str
    pool: str
    deadline_s: float
    experiment: str = ""
    debris: tuple[tuple[Debris, Recipe], ...] = ()
