"""The configuration as typed values, with every default in one place.

Pure. `plabctl.config` fills these from TOML and documents them; defaults are defined nowhere else.
Tests: `tests/config/test_load.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import StrEnum

from plabctl.core.backoffs.additive import ADDITIVE
from plabctl.core.backoffs.base import Backoff
from plabctl.core.keys.table import Kind
from plabctl.core.recipe import Recipe
from plabctl.core.settings_parts import RECORD as RECORD
from plabctl.core.settings_parts import AdaptiveSettings as AdaptiveSettings
from plabctl.core.settings_parts import DeadlineSettings as DeadlineSettings
from plabctl.core.settings_parts import ExecutorSettings as ExecutorSettings
from plabctl.core.settings_parts import ExperimentSettings as ExperimentSettings
from plabctl.core.settings_parts import FlapSettings as FlapSettings
from plabctl.core.settings_parts import GuardSettings as GuardSettings
from plabctl.core.settings_parts import GuardThen as GuardThen
from plabctl.core.settings_parts import HistorySettings as HistorySettings
from plabctl.core.settings_parts import InventorySettings as InventorySettings
from plabctl.core.settings_parts import LivenessSettings as LivenessSettings
from plabctl.core.settings_parts import ReportSettings as ReportSettings
from plabctl.core.settings_parts import SinkSettings as SinkSettings
from plabctl.typed import TYPE_CHECKING, Any
from plabctl.values import dataclass, field, replace

if TYPE_CHECKING:
    from plabctl.core.occupancy import OccupancySettings  # few configurations have one

EXIT_FIELD = "goes_to"
"""The field of `PoolSettings` that the key of a kind fills by which a pool names where its nodes leave to."""


class PoolKind(Kind, ABC):
    """One kind of health pool: on which side it is, and what it does in words. See `plabctl.core.pools.base`."""

    is_good: bool
    """Whether its nodes are offered. A pool sends its nodes to pools of the other side: `keys` holds `ON_FAIL` for
    a good one, `ON_PASS` for a bad one."""
    pool: type[Any]
    """The subclass of `plabctl.core.pools.base.Pool` that judges."""

    @property
    def exit_key(self) -> str:
        """The key that names the pool to which a node leaves."""
        return next(key.name for key in self.keys.keys.values() if key.field == EXIT_FIELD)

    def resolve(self, pool: str, given: Mapping[str, object]) -> PoolKind:
        """Return the kind for the pool of that name, whose table is `given`."""
        return self

    def prepare(self, own: PoolSettings, settings: Settings) -> None:
        """Get ready for pools with these settings, once they are all read."""

    def build(self, own: PoolSettings, settings: Settings) -> Any:
        """Return the `plabctl.core.pools.base.Pool` with these settings."""
        return self.pool(own, settings)

    def count_quick_retests(self, own: PoolSettings) -> int:
        """Return how often a failing node is tested again at once while it is still in the pool."""
        return 0

    def has_suspects(self, own: PoolSettings) -> bool:
        """Return whether its nodes may leave on suspicion, which their next test confirms or refutes."""
        return False

    def simplify(self, own: PoolSettings) -> PoolSettings:
        """Return `own` such that any one failure moves a node, for comparing back-offs alone."""
        return own

    @abstractmethod
    def describe_exit(self, own: PoolSettings, settings: Settings) -> str:
        """Return when a node leaves the pool, and where it goes."""


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """One health pool. `goes_to` is where a node leaves to: `on_fail` of a good pool, `on_pass` of a bad one."""

    name: str
    kind: PoolKind
    goes_to: str
    recipe: str = "process"
    backoff: Backoff = field(default_factory=lambda: Backoff(ADDITIVE))
    weight: float = 1.0
    """Pools share the window in the ratio of their weights."""
    reserve: float = 0.1
    """The share of the window that it gets before all others: however many experiments there are, testing goes on."""
    options: object = None
    """The values of the keys that only its kind has; None: the defaults of the kind."""
    liveness: LivenessSettings | None = None
    """The logins between two tests; None: none."""
    busy: str = "spare"
    """What becomes of a node that somebody uses: `spare` or `test`."""
    at_release: str = "check"
    """What follows when a node is busy no longer: `check`, `test` or `none`."""

    @property
    def is_good(self) -> bool:
        """Whether its nodes are offered."""
        return self.kind.is_good

    @property
    def quick_retests(self) -> int:
        """How often a failing node is tested again at once while it is still in the pool."""
        return self.kind.count_quick_retests(self)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a configuration comes from: code that opens or runs what it names asks this."""

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
    jump: tuple[str, ...] = ()
    """The jump hosts to nodes whose variables name none, each as `user@host:port`, in order."""
    not_ready_for_s: float = 1800.0
    """How long a node may say itself that it is not ready until that counts as a failure; 0: it does at once."""
    agent: bool = False
    """Keys of an agent are offered after `key`: of the one at `agent_socket`, or without that at $SSH_AUTH_SOCK."""
    agent_socket: str = ""
    host_ca: tuple[str, ...] = ()
    """Files with the public keys of authorities whose certificates are believed for every host."""


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
    history: HistorySettings = field(default_factory=HistorySettings)
    report: ReportSettings = field(default_factory=ReportSettings)
    executor: ExecutorSettings = field(default_factory=ExecutorSettings)
    inventories: tuple[InventorySettings, ...] = ()
    occupancies: tuple[OccupancySettings, ...] = ()
    """The sources that say which nodes are in use."""
    sinks: tuple[SinkSettings, ...] = ()
    hooks: tuple[SinkSettings, ...] = ()
    """Sinks, too: those written in the short form."""
    plugin_recipes: tuple[str, ...] = ()
    """Recipes of plug-ins that no pool names, but nodes or experiments do."""
    recipe_faults: Mapping[str, str] = field(default_factory=dict)
    """Why recipes of plug-ins cannot be used, by their names."""
    kind_faults: Mapping[str, str] = field(default_factory=dict)
    """Why inventories and sinks of plug-ins cannot be used, by the key that names them."""
    origin: Origin = ANYWHERE
    digest: str = ""
    """Changes whenever the bytes of the config file do."""

    @property
    def longest_wait_s(self) -> float:
        """The longest time that a member is ever made to wait for its next probe."""
        backoffs = [*(pool.backoff for pool in self.pools.values()), self.experiment.retry, self.experiment.check]
        apart = [self.flap.apart_s, *(pool.liveness.apart_s for pool in self.pools.values() if pool.liveness)]
        return max(*(backoff.max_s + backoff.jitter_s for backoff in backoffs), *apart)

    @property
    def good_pools(self) -> frozenset[str]:
        """The pools whose nodes are offered."""
        return frozenset(name for name, pool in self.pools.items() if pool.is_good)

    @property
    def all_sinks(self) -> tuple[SinkSettings, ...]:
        """Every sink, the record first."""
        return (replace(RECORD, options=self.history), *self.sinks, *self.hooks)

    @property
    def eventless_sinks(self) -> tuple[SinkSettings, ...]:
        """The sinks that are told no events: they are brought in line with what is so, or told of ticks."""
        return tuple(sink for sink in self.sinks if not sink.on)

    @property
    def plugin_faults(self) -> Mapping[str, str]:
        """What is wrong with plug-ins now, by the key that names them: one may break while it is used."""
        faults = dict(self.kind_faults)
        for name, pool in self.pools.items():
            faults[f"pool.{name}.kind"] = pool.kind.fault
            faults[f"pool.{name}.backoff.kind"] = pool.backoff.kind.fault
            faults[f"pool.{name}.recipe"] = self.recipe_faults.get(pool.recipe, "")
        for name in self.plugin_recipes:
            faults[f"plugin_recipes.{name}"] = self.recipe_faults.get(name, "")
        return {path: fault for path, fault in faults.items() if fault}

    @property
    def disabled(self) -> frozenset[str]:
        """The pools that want a plug-in that cannot be used: nothing in them is tested."""
        return frozenset(path.split(".")[1] for path in self.plugin_faults if path.startswith("pool."))

    def find_recipe_name(self, variables: Mapping[str, str], pool: str) -> str:
        """Return the name of the recipe for a node with these variables in `pool`: its own, else the pool's."""
        return variables.get("recipe", self.pools[pool].recipe)

    def find_recipe(self, variables: Mapping[str, str], pool: str) -> Recipe | None:
        """Return that recipe; None when none of that name is configured."""
        return self.recipes.get(self.find_recipe_name(variables, pool))
