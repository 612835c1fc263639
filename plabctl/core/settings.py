"""What the operator decided: the configuration as values, with every default in one place.

Pure. `plabctl.config` fills these from TOML and explains them; nothing else invents a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from plabctl.core.recipe import Recipe
from plabctl.values import dataclass, field


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
class AdaptiveSettings:
    """What the adaptive back-off aims at: so much of the window, by what it saw with this half-life."""

    load_ratio: float = 0.8
    half_life_s: float = 1209600.0


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
class FlapSettings:
    """The flap penalty: it halves every `half_life_s`; each whole point asks for one more pass, `apart_s` apart."""

    half_life_s: float = 21600.0
    max_passes: int = 12
    apart_s: float = 300.0


class GuardThen(StrEnum):
    """What becomes of a move that the guard has held for its longest time."""

    MOVE = "move"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """When moves to bad are held: more than `max_ratio` of the good nodes tested `within_s` failed, or every canary."""

    max_ratio: float = 0.2
    min_tested: int = 10
    """Distinct nodes that must have been tested before the share means anything."""
    within_s: float = 600.0
    site_label: str = "site"
    """The node variable that groups nodes into sites."""
    canary: tuple[str, ...] = ()
    """`host:port` of machines that are up when we ourselves are connected."""
    max_age_s: float = 3600.0
    then: GuardThen = GuardThen.MOVE


@dataclass(frozen=True, slots=True)
class DeadlineSettings:
    """How the time-outs of a recipe are lowered to what its passes have shown; see `plabctl.core.deadlines`."""

    enabled: bool = True
    floor_s: float = 10.0
    """TCP repeats a lost packet after 1, 3 and 7 s: three lost packets are no reason to give a node up."""
    factor: float = 3.0
    """Below 3, what is cut off would be missed among what is learned from, and deadlines could shrink without end."""
    min_passes: int = 20
    """The slowest in twenty is the first that 95 % can be told from."""
    full_every: int = 4
    """A slow but sound node in bad is back within a few tests, and a dead one costs a quarter of the time-outs."""


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
        """The name that its nodes carry as their source."""
        return f"{self.kind}:{self.path or ' '.join(self.command)}"


@dataclass(frozen=True, slots=True)
class HookSettings:
    """A command that is told of events: argv, the event as JSON on its standard input, no shell."""

    on: tuple[str, ...]
    command: tuple[str, ...]
    timeout_s: float = 30.0
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
    ssh: SshSettings = field(default_factory=SshSettings)
    flap: FlapSettings = field(default_factory=FlapSettings)
    guard: GuardSettings = field(default_factory=GuardSettings)
    adaptive: AdaptiveSettings = field(default_factory=AdaptiveSettings)
    deadlines: DeadlineSettings = field(default_factory=DeadlineSettings)
    experiment: ExperimentSettings = field(default_factory=ExperimentSettings)
    inventories: tuple[InventorySettings, ...] = ()
    hooks: tuple[HookSettings, ...] = ()
    digest: str = ""
    """Changes whenever the bytes of the config file do."""

    @property
    def longest_wait_s(self) -> float:
        """The longest time that a member is ever made to wait for its next probe."""
        backoffs = [*(pool.backoff for pool in self.pools.values()), self.experiment.retry, self.experiment.check]
        return max(*(backoff.max_s + backoff.jitter_s for backoff in backoffs), self.flap.apart_s)

    def recipe_name_of(self, variables: Mapping[str, str], pool: str) -> str:
        """Return the name of the recipe for a node with these variables in `pool`: its own, else the pool's."""
        return variables.get("recipe", self.pools[pool].recipe)

    def recipe_of(self, variables: Mapping[str, str], pool: str) -> Recipe | None:
        """Return that recipe; None when none of that name is configured."""
        return self.recipes.get(self.recipe_name_of(variables, pool))
