"""The floors of the house: every import points down, lazy ones and those under TYPE_CHECKING included."""

from __future__ import annotations

import ast
from collections.abc import Collection
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up. A room imports its own files and rooms on lower floors, never one beside it.
FLOORS: list[set[str]] = [
    {"errors", "scalars", "system", "version"},
    {"contestant", "contract", "files", "runtime"},
    {"results", "plugins", "scaffold"},
    {"report", "data", "engine"},
    {"models"},
    {"training", "evaluation", "installation"},
    {"comparison", "conformance", "exploration"},
    {"tracking", "exchange"},
    {"api", "testing"},
    {"zoo", "sklearn"},
    {"builtin"},
    {"cli"},
    {"__main__"},
]
HEIGHT = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FACE = "zoo/__init__.py"
CONTRACT = "zoo/contract/hookspecs.py"  # whose type block names what the hooks exchange, wherever it is defined


def room_of(module: str) -> str:
    """`zoo.training.loop` is in the room `training`; the package itself is the room `zoo`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "zoo"


def imported(source: str, *, types: bool = True, of: Collection[str] = ("zoo",)) -> list[str]:
    """Every module of these packages that a source imports, wherever the import stands."""
    tree, found = ast.parse(source), []
    if not types:
        tree.body = [each for each in tree.body if not (isinstance(each, ast.If) and "TYPE_CHECKING" in ast.dump(each))]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found += [_module(str(node.module), alias.name) for alias in node.names]
    return [module for module in found if module.partition(".")[0] in of]


def _module(package: str, name: str) -> str:
    """`from PACKAGE import NAME` names a module, or something in one."""
    path = ROOT / f"{package}.{name}".replace(".", "/")
    return f"{package}.{name}" if path.is_dir() or path.with_suffix(".py").exists() else package


def module_of(path: Path) -> str:
    return str(path.relative_to(ROOT).with_suffix("")).replace("/", ".").removesuffix(".__init__")


SOURCES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in ROOT.glob("zoo/**/*.py")}


@pytest.fixture(scope="module")
def edges():
    """What each file imports."""
    return {name: imported(source, types=name != CONTRACT) for name, source in SOURCES.items()}


def test_every_import_points_down(edges):
    climbing = [
        f"{name} imports {module}"
        for name, modules in edges.items()
        for module in modules
        if (here := room_of(module_of(ROOT / name))) != (there := room_of(module)) and HEIGHT[there] >= HEIGHT[here]
    ]
    assert climbing == []


def test_no_files_import_one_another_in_a_circle(edges):
    """Tarjan's strongly connected components over files would be larger than one."""
    names = {module_of(ROOT / name): name for name in SOURCES}
    graph = {names[module_of(ROOT / name)]: [names[each] for each in edges[name] if each in names] for name in SOURCES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' -> '.join([*path[path.index(name) :], name])}"
        if name not in done:
            for other in graph[name]:
                visit(other, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_packages_are_empty_but_for_the_face():
    filled = [name for name, source in SOURCES.items() if name.endswith("/__init__.py") and source.strip()]
    assert filled == [FACE]


@pytest.mark.parametrize("pattern", ["zoo/builtin/**/*.py", "plugins/*/zoo_*/*.py", "examples/*/zoo_*/*.py"])
def test_plugins_import_public_names_only(pattern):
    """A plugin sees `zoo` and its own files; the built-in ones have no other door."""
    files = sorted(ROOT.glob(pattern))
    assert files
    for path in files:
        inner = [module for module in imported(path.read_text(encoding="utf-8")) if module != "zoo"]
        assert [module for module in inner if not module.startswith("zoo.builtin")] == [], path


def test_the_core_names_no_plugin():
    ours = {"zoo_rbm", "zoo_ae", "zoo_vae"}
    for name, source in SOURCES.items():
        assert not ours & {module.partition(".")[0] for module in imported(source, of=ours)}, name


@pytest.mark.parametrize(
    "source",
    ["import zoo.api", "def f():\n    from zoo.cli import main", "if TYPE_CHECKING:\n    from zoo.api import Registry"],
)
def test_lazy_and_type_imports_are_seen(source):
    assert imported(source)[0].startswith("zoo.")
