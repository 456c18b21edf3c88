"""Print docs/contract.md, the reference of the plugin contract, from the docstrings of zoo/contract/hookspecs.py."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import cached_property
from typing import Any

import zoo
from zoo.contract.hookspecs import GROUPS, LatentDensity, ModelHooks

COMMAND = "python docs/contract.py > docs/contract.md"

_HEAD = f"""<!-- Written by: {COMMAND} -->

# The contract

Reference of the hooks that a plugin implements, generated from the docstrings of
[zoo/contract/hookspecs.py](../zoo/contract/hookspecs.py). [plugins.md](plugins.md) is the guide; it also says what may
change between versions. In the shapes, B is the size of a batch, N a number of examples, `data.shape` the shape of one
example and `latent` the shape of one code. A hook names only the arguments that it needs, without defaults. The tensors
and generators that a hook receives are on the model's device, and the tensors that it returns must be on that device
too; `build` runs on the CPU, and so does `initialise` before the first step.
"""
_CARDS = {
    "zoo.models": (zoo.Card, zoo.Training, zoo.Phase, zoo.Player),
    "zoo.densities": (zoo.DensityCard,),
    "zoo.datasets": (zoo.DatasetCard,),
    "zoo.features": (zoo.FeaturesCard,),
    "zoo.trackers": (zoo.TrackerCard, zoo.TrackedRun),
    "zoo.metrics": (zoo.MetricCard,),
    "zoo.extensions": (zoo.ExtensionCard,),
    "zoo.controls": (),
}
_GIVEN = (zoo.DataSpec, zoo.Data, zoo.Step, zoo.Meter, zoo.LogProb, LatentDensity, zoo.Evaluation, zoo.Measurement)


def page() -> str:
    """Return the page."""
    parts = [_HEAD]
    for group, hooks in GROUPS.items():
        parts += [f"## `{group}`\n", _text(hooks)]
        parts += [_class(card) for card in _CARDS[group]]
        parts += [_hook(hook, hooks) for hook in _own(hooks) if inspect.isfunction(hook)]
    parts += ["## Types of arguments and results\n", *(_class(each) for each in _GIVEN)]
    return "\n".join(parts)


def _hook(hook: Any, hooks: Any) -> str:
    """Return the section of a hook: its signature, whether it is required, and its docstring."""
    need = "required" if hook.__name__ in hooks.required else "optional"
    if hooks is ModelHooks and hook.__name__ in ("loss", "fit"):
        need = "either `loss` or `fit` is required"
    return f"### `{hook.__name__}`: {need}\n\n```python\n{_signature(hook)}\n```\n\n{_text(hook)}"


def _class(cls: type) -> str:
    """Return the section of a card or another class: its fields and members with their docstrings."""
    members = [f"- `{key}`: {field.description}" for key, field in getattr(cls, "model_fields", {}).items()]
    functions = [each.__func__ if isinstance(each, classmethod) else each for each in _own(cls)]
    members += [f"- `{_signature(each)}`: {_first(each)}" for each in functions if inspect.isfunction(each)]
    getters = [each.fget for each in _own(cls) if isinstance(each, property)]
    getters += [each.func for each in _own(cls) if isinstance(each, cached_property)]
    members += [f"- `.{each.__name__}`: {_first(each)}" for each in getters]
    text = f"### `zoo.{cls.__name__}{_arguments(cls)}`\n\n```text\n{_text(cls)}```\n"
    return text + ("\n" + "\n".join(members) + "\n" if members else "")


def _arguments(cls: Any) -> str:
    """Return `(name, summary[, argument, licence])` of a dataclass, with optional fields in brackets."""
    if not is_dataclass(cls):
        return ""
    if not cls.__dataclass_params__.init:
        signature = inspect.signature(cls)
        return re.sub(r": '[^']*'", "", str(signature).partition(" -> ")[0])
    free = [each.name for each in fields(cls) if (each.default, each.default_factory) != (MISSING, MISSING)]
    needed = [each.name for each in fields(cls) if each.name not in free]
    optional = f"{', ' if needed else ''}{', '.join(free)}"
    return f"({', '.join(needed)}{f'[{optional}]' if free else ''})"


def _own(cls: type) -> Iterator[Any]:
    """Return the public members that a class defines."""
    return (value for name, value in vars(cls).items() if not name.startswith("_"))


def _signature(function: Any) -> str:
    """Return `name(arguments) -> result`, without `self` or `cls` and without quotes around annotations."""
    signature = inspect.signature(function)
    arguments = [each for name, each in signature.parameters.items() if name not in ("self", "cls")]
    return function.__name__ + re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(signature.replace(parameters=arguments)))


def _text(documented: Any) -> str:
    return f"{inspect.getdoc(documented)}\n"


def _first(documented: Any) -> str:
    return _text(documented).partition("\n")[0]


if __name__ == "__main__":
    print(page(), end="")
