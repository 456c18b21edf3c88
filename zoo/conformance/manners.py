"""Claims about side effects: hooks do not print, write files, or change settings, the plugin object or their inputs.

The life of a model (build, initialise, train, use) is observed once per data set, and each claim tests one part of the
observations.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch

from zoo.conformance.claim import Failure, case_claim
from zoo.conformance.determinism import draws_of, fit
from zoo.conformance.settings import restore, settings
from zoo.conformance.subject import FEW, STEPS, Case
from zoo.errors import Unsupported

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


@dataclass
class Observed:
    """Side effects observed: printed text, files opened for writing, changed settings and changed plugin attributes."""

    printed: str = ""
    written: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


@case_claim()
def nothing_is_printed(case: Case) -> None:
    """Hooks do not print or warn: standard output is for results, and standard error for the core."""
    if text := _observed(case).printed.strip():
        raise Failure(f"hooks must not print or warn, got {text[:200]!r}")


@case_claim()
def nothing_is_written(case: Case) -> None:
    """Hooks do not open files for writing: only the core writes to the run folder."""
    if files := _observed(case).written:
        raise Failure(f"hooks must not write files, got {', '.join(files[:5])}")


@case_claim()
def settings_of_the_process_are_kept(case: Case) -> None:
    """Hooks do not change threads, default dtype, gradient mode, working folder or environment."""
    if changed := _observed(case).changed:
        raise Failure(f"hooks must not change settings of the process, but they changed {', '.join(changed)}")


@case_claim()
def the_plugin_keeps_no_state(case: Case) -> None:
    """Training does not change the plugin object; everything that is learned is stored in the module."""
    if kept := _observed(case).kept:
        raise Failure(f"a plugin must be stateless, but this one stores {', '.join(kept)}; store it in the module")


@case_claim()
def what_a_model_learns_from_is_left_as_it_is(case: Case) -> None:
    """`loss`, `initialise` and `fit` do not write into the examples that they are given."""
    module = case.build().train()
    train = case.data.standardise(case.data.train).clone()
    examples = {"initialise": train, "loss": case.training_split.clone()}
    before = {hook: x.clone() for hook, x in examples.items()}
    whole = case.data.train.clone()
    for phase in case.phases:
        case.initialise(module, phase, train)
    if case.plugin.implements("loss"):
        for turn in case.turns:
            case.loss(module, turn, examples["loss"])
    else:
        fit(case, module)
    for hook, x in examples.items():
        if not torch.equal(x, before[hook]):
            raise Failure(f"{hook} must not write into its examples; work on a copy (x.clone())")
    if not torch.equal(case.data.train, whole):
        case.data.train.copy_(whole)
        raise Failure("fit must not write into its examples; work on a copy (x.clone())")


_LIVES: WeakKeyDictionary[Case, Observed] = WeakKeyDictionary()


def _observed(case: Case) -> Observed:
    """Return the side effects of the model's life, which is run once per case."""
    if case not in _LIVES:
        seen = Observed()
        instance, before, text = dict(vars(case.plugin.instance)), settings(), io.StringIO()
        with (
            contextlib.redirect_stdout(text),
            contextlib.redirect_stderr(text),
            warnings.catch_warnings(record=True) as warned,
            _watching(seen.written),
        ):
            warnings.simplefilter("always")
            _live(case)
        seen.printed = text.getvalue() + "".join(f"{each.category.__name__}: {each.message}\n" for each in warned)
        seen.changed = restore(before)
        after = vars(case.plugin.instance)
        seen.kept = [name for name in after if name not in instance or after[name] is not instance[name]]
        _LIVES[case] = seen
    case.budgets.update((0, FEW, STEPS))
    return _LIVES[case]


def _live(case: Case) -> None:
    """Build, initialise, train and use a model."""
    module = case.build().train()
    if case.plugin.implements("fit"):
        fit(case, module)
    else:
        for turn in case.turns:
            case.loss(module, turn)
        case.train(0, FEW)
    for call in draws_of(case).values():
        with contextlib.suppress(Unsupported):
            call(0)


class _Watch:
    """A listener to Python's audit events. Audit hooks cannot be removed, so there is one per process."""

    files: list[str] | None = None
    installed = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.files is not None and event == "open":
            path, mode, flags = arguments
            writing = any(sign in (mode or "") for sign in "wax+") or (mode is None and flags & _WRITING)
            if writing and isinstance(path, str | bytes | os.PathLike) and "__pycache__" not in os.fsdecode(path):
                self.files.append(os.fsdecode(path))


_WATCH = _Watch()


@contextlib.contextmanager
def _watching(files: list[str]) -> Iterator[None]:
    """Record the files that are opened for writing inside the block."""
    if not _WATCH.installed:
        sys.addaudithook(_WATCH)
        _WATCH.installed = True
    _WATCH.files = files
    try:
        yield
    finally:
        _WATCH.files = None
