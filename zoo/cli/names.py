"""Parameter types whose values complete in the shell, from metadata alone: nothing is imported."""

from __future__ import annotations

import math
from typing import Any

import click
from click.shell_completion import CompletionItem


class PluginName(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    """The name of a plugin of a group; with `contestant`, a density may follow its @."""

    name = "name"

    def __init__(self, group: str, *, contestant: bool = False) -> None:
        self.group = group
        self.contestant = contestant

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from zoo.api import default

        model, at, density = incomplete.partition("@")
        if at and self.contestant:
            names = [f"{model}@{name}" for name in default.names("zoo.densities") if name.startswith(density)]
        else:
            names = [name for name in default.names(self.group) if name.startswith(incomplete)]
        return [CompletionItem(name) for name in names]


class Finite(click.FloatRange):
    """A finite number above 0: click's own range takes nan."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


FINITE = Finite(min=0, min_open=True)
MODEL = PluginName("zoo.models")
CONTESTANT = PluginName("zoo.models", contestant=True)
DATA = PluginName("zoo.datasets")


def budget_options(function: Any) -> Any:
    """`--epochs`, `--steps`, `--seconds`: one of them at most."""
    for name, kind, text in (
        ("--seconds", float, "Train for so many seconds."),
        ("--steps", int, "Train for so many steps."),
        ("--epochs", float, "Train for so many epochs (default: the data set's)."),
    ):
        function = click.option(name, type=kind, help=text)(function)
    return function
