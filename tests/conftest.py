"""Shared fixtures: throw-away distributions, installed for the length of one test; one warm server for comparisons."""

from __future__ import annotations

import importlib
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from zoo.engine.pool import Pool, default_jobs

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


class SharedPool(Pool):
    """A pool whose warm server outlives it, for the next: comparisons of tests would mostly wait for its imports.

    A server's environment and folder are those of its start, so that it serves as long as they stay the same; after an
    exception, which may leave jobs running, it serves no more.
    """

    _shared: SharedPool | None = None
    _environment: dict[str, str] | None = None

    def __new__(cls, jobs=None, method=None, timeout=None):
        shared, environment = cls._shared, _environment()
        if method is not None or shared is None or shared._environment != environment:
            return super().__new__(cls)
        return shared

    def __init__(self, jobs=None, method=None, timeout=None):
        if self is type(self)._shared:
            self.slots, self._timeout = jobs or default_jobs(), timeout
        else:
            super().__init__(jobs, method, timeout)

    def __enter__(self):
        if self is type(self)._shared:
            return self
        super().__enter__()
        if self._server:
            type(self).end()
            type(self)._shared, self._environment = self, _environment()
        return self

    def __exit__(self, kind, *exception):
        if self is not type(self)._shared:
            super().__exit__(kind, *exception)
        elif kind is not None:
            type(self)._shared = None
            super().__exit__(kind, *exception)

    @classmethod
    def end(cls):
        """End the server that is shared now."""
        if cls._shared is not None:
            shared, cls._shared = cls._shared, None
            shared.__exit__(None)


def _environment() -> dict[str, str]:
    """What a server takes over from the process that starts it: variables, and the folder from which paths lead."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")} | {"": os.getcwd()}


@pytest.fixture(scope="session", autouse=True)
def warm_server() -> Iterator[None]:
    """Comparisons of this process share a server."""
    import zoo.comparison.run

    zoo.comparison.run.Pool = SharedPool
    yield
    SharedPool.end()
