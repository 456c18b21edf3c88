"""Shared fixtures: throw-away distributions, installed for the length of one test; one warm server for comparisons."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from tests.warm_server import WarmServer
from zoo.comparison.run import PRELOAD
from zoo.conformance.saving import answer

if TYPE_CHECKING:
    from zoo.comparison.result import Comparison

INDEPENDENT_PIXELS = Path(__file__).with_name("independent_pixels.py").read_text(encoding="utf-8")

Install = Callable[..., str]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder on sys.path; what was imported from it is forgotten after the test."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(f"{folder}/"):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def distribution(site: Path) -> Install:
    """Install a throw-away distribution of one module, and return the module's name.

    distribution(
        name="zoo-coins",              # of the distribution
        source=INDEPENDENT_PIXELS,      # of its module
        then="",                        # lines after it: what the test breaks
        entry="coins",                 # name of the entry point
        target="IndependentPixels",     # what it names in the module
        group="zoo.models",
        requires=("genzoo",),           # its Requires-Dist lines
        version="1.0",
    )
    """
    numbers = itertools.count(1)

    def install(
        name: str = "zoo-coins",
        *,
        source: str = INDEPENDENT_PIXELS,
        then: str = "",
        entry: str = "coins",
        target: str = "IndependentPixels",
        group: str = "zoo.models",
        requires: tuple[str, ...] = ("genzoo",),
        version: str = "1.0",
    ) -> str:
        module = f"throw_away_{next(numbers)}"
        (site / f"{module}.py").write_text(f"{source}\n{then}\n", encoding="utf-8")
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        headers = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", f"Summary: {name} for a test"]
        headers += [f"Requires-Dist: {line}" for line in requires]
        (info / "METADATA").write_text("\n".join([*headers, "", "Requires-Dist: genzoo>=99 in the description"]))
        (info / "entry_points.txt").write_text(f"[{group}]\n{entry} = {module}:{target}\n")
        (info / "RECORD").write_text("".join(f"{path},,\n" for path in (f"{module}.py", f"{info.name}/METADATA")))
        importlib.invalidate_caches()
        return module

    return install


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of the session, not the user's: one feature network for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(scope="session", autouse=True)
def disk() -> Iterator[None]:
    """No power is cut here, and a busy disk takes a tenth of a second for each fsync."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> Iterator[None]:
    """SIGINT interrupts tests and their processes, also in the background of a shell, which lets them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def tasks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The module `HERE`, whose source is `TASKS` of the test's file, importable in other processes, too."""
    folder = tmp_path_factory.mktemp("tasks")
    (folder / f"{request.module.HERE}.py").write_text(request.module.TASKS)
    sys.path.insert(0, str(folder))
    yield importlib.import_module(request.module.HERE)
    sys.path.remove(str(folder))


Compare = Callable[..., "Comparison"]


@pytest.fixture(scope="session")
def executor() -> Iterator[WarmServer]:
    """The warm server that the comparisons of this process share; it starts with the first task."""
    with WarmServer(preload=(*PRELOAD, "tests.warm_server")) as server:
        yield server


@pytest.fixture(scope="session")
def compare(executor: WarmServer) -> Compare:
    """`compare(registry, ...)` is `registry.compare(...)` on the shared executor; `zoo` is a registry too."""
    return lambda registry, *arguments, **settings: registry.compare(*arguments, executor=executor, **settings)


@pytest.fixture
def warm(executor: WarmServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands and checks in this process use the shared executor, and find what has been installed for the test."""
    monkeypatch.setattr("zoo.api.default._found", {})
    answers = lambda folders: executor.submit(answer, [str(each) for each in folders]).result()  # noqa: E731
    monkeypatch.setattr("zoo.conformance.saving._answer_elsewhere", answers)
    for module in ("zoo.comparison.run", "zoo.installation.doctor"):
        monkeypatch.setattr(f"{module}.process_executor", lambda *_, **__: contextlib.nullcontext(executor))
