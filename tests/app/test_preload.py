"""What a tick imports late is loaded before it claims, or is named here with the reason why it need not be.

`tests/e2e/test_replaced.py` takes the package and the libraries away from a tick that runs.
"""

import json
import subprocess
import sys
from pathlib import Path

import plabctl
from plabctl.app import preload

EARLY = {
    "plabctl.app.retest_now": "a person's command, before it begins",
    "plabctl.app.change_nodes": "as above",
    "plabctl.cli.node_changes": "as above",
    "plabctl.render.tick_plan_table": "`--dry-run`, which probes nothing",
    "plabctl.render.text_table": "`--dry-run`",
    "ClusterShell.NodeSet": "words that choose nodes, before anything is claimed",
    "plabctl.render.progress": "a bar on a terminal, before the tick begins",
    "plabctl.render.pager": "`--dry-run`",
    "plabctl.render.status_columns": "the status for people, which no tick shows",
    "plabctl.views.status_order": "as above",
    "click.shell_completion": "completion",
    "plabctl.inventories.node_list": "inventories are read before anything is claimed",
    "plabctl.inventories.row_parsers": "as above",
    "plabctl.app.sync_occupancy": "occupancy sources are read before anything is claimed",
    "plabctl.render.event_table": "where there are sinks, before anything is claimed",
    "apprise": "in a process of its own, which is new",
    "zoneinfo": "where a time zone is named, for a notice; if Python is replaced meanwhile the next tick sends it",
    "difflib": "mistyped words of the configuration and of commands, before anything is claimed",
    "tomllib": "the configuration, before anything is claimed",
    "plabctl.config.liveness_keys": "the configuration, before anything is claimed",
    "plabctl.app.systemd_unit": "where systemd runs ticks, before there are two processes",
    "plabctl.app.tick_sinks": "where there are such sinks, before anything is claimed",
    "urllib.request": "by a sink of kind ping, as the tick begins",
    "urllib.error": "as above",
    "http.client": "as above",
    "ssl": "as above",
    "ctypes": "by the preparation of the probes",
}
"""By module: when it is imported by those who need it."""

BY_SOME_PYTHON = frozenset({"ipaddress", "pwd"})
"""What comes with other modules in one version of Python and not in another."""

_ASK = """
import ast, json, sys
from pathlib import Path
import plabctl.cli.tick, plabctl.cli.main, plabctl.app.invocation, plabctl.app.tick, plabctl.app.ssh_check
import plabctl.app.wiring, plabctl.app.capacity, plabctl.app.last_error, plabctl.store.session, plabctl.store.storage
import plabctl.app.status_file, plabctl.app.due_page, plabctl.app.tell_failures
from plabctl.app import preload

def imported(node):
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    found = [f"{node.module}.{name.name}" for name in node.names if node.module.startswith("plabctl")]
    return [node.module, *(name for name in found if is_module(name))]

def is_module(name):
    path = root.joinpath(*name.split(".")[1:])
    return path.with_suffix(".py").exists() or path.is_dir()

root = Path(plabctl.__path__[0])
before = set(sys.modules)
preload.load()
missed = set()
for name, module in list(sys.modules.items()):
    if name.split(".")[0] == "plabctl":
        for function in ast.walk(ast.parse(Path(module.__file__).read_text())):
            if isinstance(function, ast.FunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Import | ast.ImportFrom):
                        missed |= {each for each in imported(node) if each not in sys.modules}
print(json.dumps([sorted(missed), sorted(set(preload.OTHERS) & before)]))
"""


def test_nothing_is_imported_while_probes_run_but_what_is_listed() -> None:
    done = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, check=True, timeout=60)

    missed, needless = json.loads(done.stdout)

    assert set(missed) == EARLY.keys()
    assert set(needless) <= BY_SOME_PYTHON, "it is there without being listed"


def test_what_is_loaded_for_good_costs_the_collector_of_garbage_nothing_more() -> None:
    program = (
        "import gc; from plabctl.app import preload; preload.load(); kept = gc.get_freeze_count(); preload.load()\n"
        "print(kept > 50_000, gc.get_freeze_count() <= kept, gc.isenabled(), gc.get_threshold() == preload.COLLECT_AT)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.split() == ["True"] * 4


def test_every_module_of_the_folders_that_a_tick_works_in_is_loaded() -> None:
    root = Path(plabctl.__file__).parents[1]
    paths = [path for folder in preload.FOLDERS for path in root.joinpath(*folder.split(".")).rglob("*.py")]
    names = {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in paths}
    spared = {name for name in names if any(f"{name}.".startswith(f"{folder}.") for folder in preload.SPARED)}

    program = "import json, sys; from plabctl.app import preload; preload.load(); print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert names - set(json.loads(done.stdout)) - spared == set()
    assert len(names - spared) > 60
