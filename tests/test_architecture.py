"""The house keeps its shape: imports go one way, core is pure, rooms stay small."""

import ast
import functools
import re
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("architecture")  # each file is read and parsed once

ROOT = Path(__file__).parents[1] / "plabctl"
TESTS = Path(__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

GROUND = {
    "errors", "contexts", "counts", "durations", "clock", "fast_replace", "files", "http_session", "instants", "kinds",
    "lister", "masks", "nodesets", "process", "typed", "values",
}  # fmt: skip
ADAPTERS = {"config", "store", "history", "probes", "executors", "inventories", "occupancy", "sinks"}
ADAPTERS |= {"plugins", "views", "render"}
MAY_IMPORT: dict[str, set[str]] = {
    **{name: {name, "typed"} for name in GROUND},
    "files": {"files", "errors", "contexts", "typed"},
    "instants": {"instants", "durations"},
    "http_session": {"http_session", "errors"},
    "process": {"process", "files", "errors"},
    "lister": {"lister", "process", "files", "errors", "masks", "typed"},
    "core": {"core", "errors", "counts", "durations", "fast_replace", "masks", "nodesets", "typed", "values"},
    **{name: {name, "core"} | GROUND for name in ADAPTERS},
    "plugins": {"plugins", "inventories", "occupancy", "sinks", "core"} | GROUND,  # they bring kinds of these
    "sinks": {"sinks", "history", "core"} | GROUND,  # one of the sinks is the history
    "render": {"render", "views", "core"} | GROUND,
    "app": {"app", "core"} | ADAPTERS | GROUND,
    "cli": {"cli", "app", "core", "config", "views", "render"} | GROUND,  # demo and sim it finds by name
    "demo": {"demo", "cli", "app", "core"} | ADAPTERS | GROUND,
    "sim": {"sim", "cli", "core"} | ADAPTERS | GROUND,
}
ONLY_IN = {
    "click": ("cli/", "demo/demo_command.py", "sim/simulate_command.py"),
    "ClusterShell": ("nodesets.py",),
    "rich": ("render/", "demo/"),
    "jinja2": ("render/html/",),
    "markupsafe": ("render/html/",),
    "fabric": ("probes/",),
    "paramiko": ("probes/",),
    "invoke": ("probes/",),
    "tinydb": ("store/",),
    "sqlite3": ("history/",),
    "apprise": ("sinks/notice_sender.py", "sinks/apprise_urls.py"),
    "fcntl": ("files/", "probes/address_race.py"),  # locks of files, and how much of a connection has not arrived
    "subprocess": (
        "process.py",
        "plugins/call.py",  # a process that lives as long as we do, talked to over a socket
        "probes/embedded/command_session.py",  # the node's side of a channel: its command is given input as it comes
        "sinks/notice_process.py",  # it goes on when we have ended
        "render/pager.py",  # it has the terminal for as long as the person reads
        "demo/ticker.py",  # ticks side by side, as cron starts them
    ),
}
FILE_CALLS = {"open", "fdopen", "replace", "rename", "link", "symlink", "fsync", "fdatasync", "ftruncate", "fchmod"}
FILE_CALLS_ELSEWHERE = {
    "cli/entry.py": "opens /dev/null in place of a standard stream that is closed",
    "cli/error_report.py": "the same for an output that nobody reads",
    "app/background.py": "the same in a process that outlives its tick",
    "store/commit.py": "keeps the present state as the previous generation, by a second name",
    "store/lock_report.py": "opens directories, to ask who has locked them",
    "app/last_error.py": "opens directories, to lock them",
    "history/history_file.py": "gives the file that SQLite has made its name",
}
"""By module: why it calls the system on files itself. The rule is that `plabctl.files` does."""
CORE_MAY_USE = {
    "__future__", "abc", "bisect", "collections", "dataclasses", "enum", "errno", "functools", "heapq", "itertools",
    "math", "operator", "re", "shlex", "statistics", "typing", "random", "fnmatch", "ipaddress", "difflib", "zlib",
}  # fmt: skip
CORE_MAY_NAME_OF_RANDOM = {"Random"}
IMPURE_CALLS = {"open", "print", "input", "exec", "eval"}
WITHOUT_TEST = {
    "core/probe.py": "names of outcomes, goals and causes: whoever uses them is tested",
    "errors.py": "kinds of errors: whoever raises them is tested",
}
"""Modules that neither have a twin among the tests nor name the test that covers them, each with the reason."""
MAX_LINES = 250
MAX_FUNCTION_LINES = 40
MAX_LINT_EXCEPTIONS = 30


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room_of(path: Path) -> str:
    return relative(path).split("/")[0].removesuffix(".py")


@functools.cache
def text_of(path: Path) -> str:
    return path.read_text()


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(text_of(path))


@functools.cache
def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(tree_of(path)))


@functools.cache
def imports_of(path: Path) -> list[str]:
    """Return every module that a file imports, at its top, inside functions, or for type checkers only."""
    found = []
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.append(node.module or "")
            if (node.module or "").startswith("plabctl"):
                found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def test_imports_go_one_way() -> None:
    wrong = [
        f"{relative(path)} imports {target}"
        for path in FILES
        if (room := room_of(path)) not in {"__init__", "__main__"}
        for target in {name.split(".")[1] for name in imports_of(path) if name.startswith("plabctl.")}
        if target != "__version__" and target not in MAY_IMPORT[room]
    ]

    assert wrong == []


def test_each_library_has_one_room() -> None:
    wrong = [
        f"{relative(path)} imports {name}"
        for path in FILES
        for name in imports_of(path)
        if (places := ONLY_IN.get(name.split(".")[0])) and not relative(path).startswith(places)
    ]

    assert wrong == []


def test_files_are_handled_in_one_room() -> None:
    found = {
        relative(path)
        for path in FILES
        for node in nodes_of(path)
        if isinstance(node, ast.Attribute) and node.attr in FILE_CALLS and ast.unparse(node.value) == "os"
    }

    assert {path for path in found if not path.startswith("files/")} == FILE_CALLS_ELSEWHERE.keys()


def test_core_is_pure() -> None:
    core = [path for path in FILES if room_of(path) == "core"]
    wrong = [
        f"{relative(path)} imports {name}"
        for path in core
        for name in {name.split(".")[0] for name in imports_of(path)} - {"plabctl"} - CORE_MAY_USE
    ]
    for path in core:
        for node in nodes_of(path):
            if isinstance(node, ast.ImportFrom) and node.module == "random":
                names = {alias.name for alias in node.names} - CORE_MAY_NAME_OF_RANDOM
                wrong += [f"{relative(path)} imports random.{name}; its numbers come as an argument" for name in names]
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
                wrong.append(f"{relative(path)} calls {node.func.id}")

    assert wrong == []


def test_there_is_no_import_cycle() -> None:
    names = {relative(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in FILES}
    graph = {
        name: {target for found in imports_of(path) if (target := found.removeprefix("plabctl.")) in names} - {name}
        for name, path in names.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_rooms_are_small() -> None:
    wrong = [f"{relative(path)} is long" for path in FILES if len(text_of(path).splitlines()) > MAX_LINES]
    wrong += [
        f"{relative(path)}: {node.name} is long"
        for path in FILES
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    ]

    assert wrong == []


def test_exceptions_to_lint_rules_are_few_and_say_why() -> None:
    """What recurs is a rule of pyproject.toml, with its reason there."""
    lines = [line for path in FILES for line in text_of(path).splitlines() if "# noqa" in line]

    assert [line for line in lines if not re.search(r"# noqa: [A-Z]+[0-9]+ - \S+ \S", line)] == []
    assert len(lines) <= MAX_LINT_EXCEPTIONS


def test_every_module_says_what_it_is_for() -> None:
    assert [relative(path) for path in FILES if not ast.get_docstring(tree_of(path))] == []


def test_every_module_has_a_twin_or_names_the_test_that_covers_it() -> None:
    wrong = []
    for path in FILES:
        if path.name.startswith("__"):
            continue
        twin = TESTS / Path(relative(path)).parent / f"test_{path.name}"
        named = re.findall(r"`(tests/[\w/]+\.py)`", ast.get_docstring(tree_of(path)) or "")
        if not twin.exists() and not named and relative(path) not in WITHOUT_TEST:
            wrong.append(f"{relative(path)} has no test")
        wrong += [f"{relative(path)}: {name} is gone" for name in named if not (TESTS.parent / name).exists()]

    assert wrong == []


def test_every_module_and_name_that_a_text_points_to_exists() -> None:
    texts = {f"plabctl.{relative(path)[:-3].replace('/', '.')}".removesuffix(".__init__"): path for path in FILES}
    missing = []
    for path in FILES:
        for name in re.findall(r"`(plabctl(?:\.\w+)+)`", text_of(path)):
            module, rest = name, ""
            while module not in texts and "." in module:
                module, _, rest = module.rpartition(".")
            place = texts.get(module)
            if place is None or (rest and not re.search(rf"\b{rest}\b", text_of(place))):
                missing.append(f"{relative(path)}: {name}")

    assert missing == []


def test_the_python_here_is_one_we_support() -> None:
    assert sys.version_info >= (3, 11)
