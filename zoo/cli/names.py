"""Parameters with shell completion and advice from metadata alone, without importing plugins."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from zoo.files.addresses import is_remote
from zoo.runtime.device_names import DEVICE_NAME, RULE


class PluginName(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    """The name of a plugin of one group; with `contestant`, optionally followed by @DENSITY."""

    name = "name"

    def __init__(self, group: str, *, contestant: bool = False) -> None:
        self.group = group
        self.contestant = contestant

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from zoo.api import default

        model, colon, settings = incomplete.partition(":")
        if colon and self.contestant:
            return [CompletionItem(f"{model}:{each}") for each in _completed(model.partition("@")[0], settings)]
        model, at, density = incomplete.partition("@")
        if at and self.contestant:
            names = [f"{model}@{name}" for name in default.names("zoo.densities") if name.startswith(density)]
        else:
            names = [name for name in default.names(self.group) if name.startswith(incomplete)]
        return [CompletionItem(name) for name in names]


class Finite(click.FloatRange):
    """A finite number in a range; `click.FloatRange` accepts nan."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class Device(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    """`cpu`, `cuda`, `cuda:1`, `mps` or `auto`; its availability is checked later, once torch is imported."""

    name = "device"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not DEVICE_NAME.fullmatch(value):
            gpu = "; a GPU is cuda, or mps on a Mac" if value.lower().startswith("gpu") else ""
            self.fail(f"The device {RULE}, got {value!r}{gpu}.", param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in ("cpu", "cuda", "mps", "auto") if name.startswith(incomplete)]


class RunPath(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    """The path of a run, a model file or a comparison, completed from a folder, `runs` by default; or an address."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | str:
        return value if is_remote(str(value)) else Path(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from zoo.comparison.runs import find_runs

        folder = Path(incomplete).parent if "/" in incomplete else Path("runs")
        found = [str(each.path) for each in find_runs(folder)]
        return [CompletionItem(path) for path in found if path.startswith(incomplete)] or [
            CompletionItem(incomplete, type="file")
        ]


def _completed(model: str, settings: str) -> list[str]:
    """Return the settings with the last key completed, `latent_dim=`; none while a value is typed."""
    from zoo.api import default
    from zoo.plugins.source import PluginSource

    before, comma, last = settings.rpartition(",")
    candidates = [each for each in default.candidates() if model in (each.name, each.qualified)]
    return [
        f"{before}{comma}{name}="
        for candidate in candidates
        for name in PluginSource.of(candidate).settings
        if name.startswith(last)
    ]


class Epochs(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    """Numbers of epochs, separated by commas."""

    name = "epochs"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(each) for each in value.split(","))
        except ValueError:
            self.fail(f"{value!r} must be whole numbers, separated by commas: 5,20,100.", param, ctx)


class MetricNames(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.3
    """Names of metrics, separated by commas."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        return value if isinstance(value, tuple) else tuple(each.strip() for each in value.split(",") if each.strip())

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from zoo.api import default

        before, comma, last = incomplete.rpartition(",")
        return [
            CompletionItem(f"{before}{comma}{each}") for each in default.names("zoo.metrics") if each.startswith(last)
        ]


DEVICE = Device()
EPOCHS = Epochs()
NAMES = MetricNames()
RUN = RunPath()
FINITE = Finite(min=0, min_open=True)
MODEL = PluginName("zoo.models")
CONTESTANT = PluginName("zoo.models", contestant=True)
DATA = PluginName("zoo.datasets")


DEVICE_HELP = "Device: cpu, cuda, cuda:1 for the second GPU, mps on a Mac, or auto for the first of cuda, mps, cpu."
device_option = click.option("--device", type=DEVICE, default="cpu", show_default=True, help=DEVICE_HELP)
options_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Sampling option of the model (see 'zoo info NAME'); repeatable.",
)


def parse_options(settings: tuple[str, ...]) -> dict[str, Any]:
    """Return the options that `--set KEY=VALUE` gives, as values of Python."""
    from zoo.contestant import parse_contestant

    return parse_contestant(f"model:{','.join(f'sample.{each}' for each in settings)}").options if settings else {}


n_option = click.option(
    "--n",
    type=click.IntRange(min=2),
    show_default="all",
    help="Compare everybody with the first N test examples only; a file of samples needs N samples.",
)
MEASURE_HELP = "What chooses on the validation split: kernel distance of samples, or held-out likelihood."
features_option = click.option(
    "--features", default="", help="Feature space: a plugin of zoo.features.  [default: by the data]"
)
track_option = click.option(
    "--track",
    multiple=True,
    type=PluginName("zoo.trackers"),
    help="Log in another tool with this tracker, a plugin of zoo.trackers; repeatable.",
)


def budget_options(function: Any) -> Any:
    """Add `--epochs`, `--steps` and `--seconds`, of which at most one may be given."""
    for name, kind, text in (
        ("--seconds", float, "Training budget in seconds, instead of epochs."),
        ("--steps", int, "Training budget in steps, instead of epochs."),
        ("--epochs", float, "Training budget in epochs.  [default: the data set's]"),
    ):
        function = click.option(name, type=kind, help=text)(function)
    return function
