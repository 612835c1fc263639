"""What the operator decided: the configuration as values, with every default in one place.

Pure. `plabctl.config` fills these from TOML and explains them; nothing else invents a default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from plabctl.core.recipe import Recipe
from plabctl.core.rules import AdaptiveSettings as AdaptiveSettings  # noqa: PLC0414 - it stands here for all who use it
from plabctl.core.rules import DeadlineSettings as DeadlineSettings  # noqa: PLC0414 - as above
from plabctl.core.rules import FlapSettings as FlapSettings  # noqa: PLC0414 - as above
from plabctl.core.rules import GuardSettings as GuardSettings  # noqa: PLC0414 - as above
from plabctl.core.rules import GuardThen as GuardThen  # noqa: PLC0414 - as above
from plabctl.values import dataclass, field

if TYPE_CHECKING:
    Formula = Callable[["Backoff", int, float], float]
    """A back-off of a plug-in: settings, equal results in a row, seconds since the last change; gives seconds."""


class BackoffKind(StrEnum):
    """The shapes of back-off; their formulas stand in `plabctl.core.backoff`."""

    ADDITIVE = "additive"
    FIXED = "fixed"
    EXPONENTIAL = "exponential"
    LINEAR = "linear"
    QUADRATIC = "quadratic"
    AGE = "age"
    ADAPTIVE = "adaptive"


@dataclass(frozen=True, slots=True)
class Backoff:
    """How the wait grows with equal results in a row, or with age. All in seconds. See `default_backoff`."""

    kind: BackoffKind = BackoffKind.ADDITIVE
    base_s: float = 300.0
    step_s: float = 150.0
    max_s: float = 3600.0
    jitter_s: float = 60.0
    plugin: str = ""
    """The name of the plug-in whose `formula` gives the wait before cap and jitter; `kind` only stands in for it."""
    formula: Formula | None = None


class PoolKind(StrEnum):
    """The kinds of health pool."""

    GOOD = "good"
    BAD = "bad"


def default_backoff(kind: BackoffKind, pool: PoolKind) -> Backoff:
    """Return the back-off of that kind as it is in a pool of that kind when nothing else is said."""
    is_good = pool is PoolKind.GOOD
    match kind:
        case BackoffKind.FIXED:
            return Backoff(kind, base_s=3600.0)
        case BackoffKind.LINEAR:
            return Backoff(kind, base_s=1200.0)
        case BackoffKind.QUADRATIC:
            return Backoff(kind, max_s=3600.0 if is_good else 43200.0)
        case BackoffKind.AGE:
            return Backoff(kind, base_s=300.0 if is_good else 600.0, max_s=3600.0 if is_good else 43200.0)
        case BackoffKind.ADAPTIVE:
            return Backoff(kind, base_s=120.0, max_s=345600.0)
        case _:
            return Backoff(kind)


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """One health pool. `goes_to` is where a node leaves to: `on_fail` of a good pool, `on_pass` of a bad one."""

    name: str
    kind: PoolKind
    goes_to: str
    recipe: str = "process"
    backoff: Backoff = field(default_factory=Backoff)
    confirm: int = 0
    """Quick retests while still in good before a failure counts; 0: leave at once."""
    suspects: bool = True
    """With `confirm` 0, whether one retest after leaving may refute the failure; else each failure is a move."""
    weight: float = 1.0
    """Pools share the window in the ratio of their weights."""
    reserve: float = 0.1
    """The share of the window that it gets before all others: however many experiments there are, testing goes on."""
    plugin: str = ""
    """The name of the plug-in whose class judges, when that is none of the built-in ones; `kind` is its side."""
    judged_by: Callable[[PoolSettings, Settings], Any] | None = None


@dataclass(frozen=True, slots=True)
class ExperimentSettings:
    """How the vnodes of experiments are kept. Each experiment is a pool of its own with this weight and reserve."""

    recipe: str = "process"
    retry: Backoff = field(default_factory=lambda: Backoff(base_s=60.0, step_s=60.0))
    """Between tries to set up, or to tear down."""
    check: Backoff = field(default_factory=Backoff)
    """Between looks at a vnode that is up."""
    grace_s: float = 1800.0
    """How long the node of a member may be in bad before the member is replaced, or leaves."""
    give_up_s: float = 604800.0
    """How long a vnode is tried to be torn down after its node was removed."""
    hook_timeout_s: float = 30.0
    weight: float = 1.0
    reserve: float = 0.0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a configuration comes from, for whoever opens or runs what it names."""

    folder: str = ""
    """The real folder of the config file, links resolved: relative paths are relative to it, and commands run in it.
    Empty: that of this process."""
    owners: frozenset[int] = frozenset()
    """User ids of those who could have written the file: what it names may be theirs, besides root's and ours."""


ANYWHERE = Origin()
"""For what no configuration names."""


class HostKeys(StrEnum):
    """What to do with a host key that known_hosts does not have. A changed key is always refused."""

    REJECT = "reject"
    FIRST_USE = "first-use"


@dataclass(frozen=True, slots=True)
class SshSettings:
    """How nodes are reached over SSH. Paths are absolute; `user` empty means the user who runs plabctl."""

    user: str = ""
    port: int = 22
    key: str = ""
    known_hosts: str = ""
    host_keys: HostKeys = HostKeys.REJECT
    connect_timeout_s: float = 20.0
    """Over connect, banner, key exchange and authentication, all together."""
    output_limit: int = 65536
    """Bytes kept of what one stage prints; a stage that prints more is cut there."""
    use_ssh_config: bool = False
    """Read the user's ssh_config through `ssh -G`."""


@dataclass(frozen=True, slots=True)
class InventorySettings:
    """One source of nodes."""

    kind: str
    path: str = ""
    command: tuple[str, ...] = ()
    every_s: float = 300.0
    timeout_s: float = 60.0

    @property
    def name(self) -> str:
        """The name that its nodes carry as their source, with no secret that its command is given."""
        from plabctl.masks import masked  # noqa: PLC0415 - most ticks ask no inventory

        return f"{self.kind}:{self.path or masked(' '.join(self.command))}"


@dataclass(frozen=True, slots=True)
class HookSettings:
    """A command that is told of events: argv, the event as JSON on its standard input, no shell."""

    on: tuple[str, ...]
    command: tuple[str, ...]
    timeout_s: float = 30.0
    output: bool = False
    experiment: str = ""
    """Only events of this experiment; for those that come with one, not for the configuration."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration. `path` is the file it came from; relative paths in it were made absolute."""

    path: str
    state_dir: str
    pools: Mapping[str, PoolSettings]
    recipes: Mapping[str, Recipe]
    window: int = 40
    max_load: float = 0.0
    """No new probes while the load average is above it; 0: off."""
    entry_pool: str = "bad"
    network_disk: bool = False
    """The state directory may be on a network file system."""
    ssh: SshSettings = field(default_factory=SshSettings)
    flap: FlapSettings = field(default_factory=FlapSettings)
    guard: GuardSettings = field(default_factory=GuardSettings)
    adaptive: AdaptiveSettings = field(default_factory=AdaptiveSettings)
    deadlines: DeadlineSettings = field(default_factory=DeadlineSettings)
    experiment: ExperimentSettings = field(default_factory=ExperimentSettings)
    inventories: tuple[InventorySettings, ...] = ()
    hooks: tuple[HookSettings, ...] = ()
    plugin_recipes: tuple[str, ...] = ()
    """Recipes of plug-ins that no pool names, but nodes or experiments do."""
    plugin_faults: dict[str, str] = field(default_factory=dict)
    """What is wrong with plug-ins, by the key that names them. It may grow while they are used."""
    disabled: set[str] = field(default_factory=set)
    """Pools that want a plug-in that cannot be used: nothing in them is tested."""
    origin: Origin = ANYWHERE
    digest: str = ""
    """Changes whenever the bytes of the config file do."""

    @property
    def longest_wait_s(self) -> float:
        """The longest time that a member is ever made to wait for its next probe."""
        backoffs = [*(pool.backoff for pool in self.pools.values()), self.experiment.retry, self.experiment.check]
        return max(*(backoff.max_s + backoff.jitter_s for backoff in backoffs), self.flap.apart_s)

    def disable(self, pool: str, key: str, fault: str) -> None:
        """Take a pool out of use for as long as this process runs; the first fault of a key is kept."""
        self.plugin_faults.setdefault(f"pool.{pool}.{key}", fault)
        self.disabled.add(pool)

    def recipe_name_of(self, variables: Mapping[str, str], pool: str) -> str:
        """Return the name of the recipe for a node with these variables in `pool`: its own, else the pool's."""
        return variables.get("recipe", self.pools[pool].recipe)

    def recipe_of(self, variables: Mapping[str, str], pool: str) -> Recipe | None:
        """Return that recipe; None when none of that name is configured."""
        return self.recipes.get(self.recipe_name_of(variables, pool))
