"""What a tick imports late has been imported before it claims, or is named here with the reason why it need not be."""

import json
import subprocess
import sys

EARLY = {
    "plabctl.app.retest_now": "a person's command, before it begins",
    "plabctl.app.change_nodes": "as above",
    "plabctl.app.queries": "completion and `--dry-run`, which probe nothing",
    "plabctl.render.tick_plan": "`--dry-run`",
    "plabctl.render.labelled_lines": "as people read it, which no tick shows",
    "plabctl.render.text_table": "`--dry-run`",
    "plabctl.render.data_formats": "`--dry-run`",
    "click.shell_completion": "completion",
    "plabctl.core.selection": "a command that does not exist",
    "plabctl.plugins.call": "with the configuration",
    "tomllib": "with the configuration",
    "importlib.metadata": "with the configuration",
    "difflib": "a mistake in the configuration",
    "plabctl.inventories.node_list": "inventories are read before anything is claimed",
    "plabctl.inventories.row_parsers": "as above",
    "csv": "as above",
    "plabctl.store.restore": "`doctor --restore` alone",
    "plabctl.store.lock": "with the first visit to the state, which claims",
    "plabctl.store.mounts": "as above",
    "plabctl.store.tick_log": "when the tick is entered, before it claims",
    "plabctl.core.clock_skew": "as above",
    "paramiko": "with the probes, as the whole SSH library",
    "plabctl.probes.ssh": "with the probes",
    "ctypes": "by the preparation of the probes",
}
"""By module: when it is imported by those who need it."""

_ASK = """
import ast, json, sys
from pathlib import Path
import plabctl.cli.tick, plabctl.cli.main, plabctl.app.invocation, plabctl.app.tick, plabctl.app.ssh_check
import plabctl.app.wiring, plabctl.app.capacity, plabctl.app.last_error, plabctl.store.session, plabctl.store.storage
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
print(json.dumps([sorted(missed), sorted(set(preload.MODULES) & before)]))
"""


def test_nothing_is_imported_while_probes_run_but_what_is_listed() -> None:
    done = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, check=True, timeout=60)

    missed, needless = json.loads(done.stdout)

    assert [name for name in missed if name not in EARLY] == []
    assert needless == [], "it is there without being listed"
