"""The house keeps its shape: imports go one way, core is pure, rooms stay small."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    "fcntl": ("files/",),
    "subprocess": (
        "process.py",
        "plugins/call.py",  # a process that lives as long as we do, talked to over a socket
        "probes/embedded/command_session.py",  # the node's side of a channel: its command is given input as it comes
        "render/pager.py",  # it has the terminal for as long as the person reads
        "demo/ticker.py",  # ticks side by side, as cron starts them
    ),
}
FILE_CALLS = {"open", "fdopen", "replace", "rename", "link", "symlink", "fsync", "fdatasync", "ftruncate", "fchmod"}
FILE_CALLS_ELSEWHERE = {
    "cli/entry.py": "opens /dev/null in place of a standard stream that is closed",
    "cli/error_report.py": "the same for an output that nobody reads",
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


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, at its top, inside functions, or for type checkers only."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module or ""
            if (node.module or "").startswith("plabctl"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_imports_go_one_way(path: Path) -> None:
    room = room_of(path)
    if room in {"__init__", "__main__"}:
        return
    targets = {name.split(".")[1] for name in imports_of(path) if name.startswith("plabctl.")}

    assert targets - {"__version__"} <= MAY_IMPORT[room]


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_each_library_has_one_room(path: Path) -> None:
    for name in imports_of(path):
        places = ONLY_IN.get(name.split(".")[0])
        assert places is None or relative(path).startswith(places), f"{name} in {relative(path)}"


def test_files_are_handled_in_one_room() -> None:
    found = {
        relative(path)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os" and node.attr in FILE_CALLS
    }

    assert {path for path in found if not path.startswith("files/")} == FILE_CALLS_ELSEWHERE.keys()


@pytest.mark.parametrize("path", [path for path in FILES if room_of(path) == "core"], ids=relative)
def test_core_is_pure(path: Path) -> None:
    outside = {name.split(".")[0] for name in imports_of(path)} - {"plabctl"}

    assert outside <= CORE_MAY_USE
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "random":
            assert {alias.name for alias in node.names} <= CORE_MAY_NAME_OF_RANDOM, "random numbers come as an argument"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input", "exec", "eval"}


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


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_rooms_are_small(path: Path) -> None:
    text = path.read_text()

    assert len(text.splitlines()) <= MAX_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION_LINES, f"{node.name} is long"


def test_exceptions_to_lint_rules_are_few_and_say_why() -> None:
    """What recurs is a rule of pyproject.toml, with its reason there."""
    lines = [line for path in FILES for line in path.read_text().splitlines() if "# noqa" in line]

    assert [line for line in lines if not re.search(r"# noqa: [A-Z]+[0-9]+ - \S+ \S", line)] == []
    assert len(lines) <= MAX_LINT_EXCEPTIONS


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "no docstring"


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if not path.name.startswith("__")],
    ids=relative,
)
def test_every_module_has_a_twin_or_names_the_test_that_covers_it(path: Path) -> None:
    twin = TESTS / Path(relative(path)).parent / f"test_{path.name}"
    named = re.findall(r"`(tests/[\w/]+\.py)`", ast.get_docstring(ast.parse(path.read_text())) or "")

    assert twin.exists() or named or relative(path) in WITHOUT_TEST
    for name in named:
        assert (TESTS.parent / name).exists(), f"{name} is gone"


def test_every_module_and_name_that_a_text_points_to_exists() -> None:
    texts = {f"plabctl.{relative(path)[:-3].replace('/', '.')}".removesuffix(".__init__"): path for path in FILES}
    missing = []
    for path in FILES:
        for name in re.findall(r"`(plabctl(?:\.\w+)+)`", path.read_text()):
            module, rest = name, ""
            while module not in texts and "." in module:
                module, _, rest = module.rpartition(".")
            place = texts.get(module)
            if place is None or (rest and not re.search(rf"\b{rest}\b", place.read_text())):
                missing.append(f"{relative(path)}: {name}")

    assert missing == []


def test_the_python_here_is_one_we_support() -> None:
    assert sys.version_info >= (3, 11)
