"""The wrong plugins of docs/errors.md: the lines that break a correct plugin, and the resulting message.

Each case is a real temporary distribution, a copy of `independent_pixels.py` with a few lines appended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_BROKEN = "The plugin 'coins' of zoo-coins 1.0 is broken: {}. 'zoo doctor' shows the traceback; …"
_HOOK = "The hook '{}' of 'coins' (zoo-coins 1.0) {}."


@dataclass(frozen=True)
class Wrong:
    """A wrong plugin, or a wrong use of a plugin.

    Attributes:
        situation: the case in a few words.
        then: the lines that break the plugin.
        message: the expected message.
        settings: further settings of the distribution.
        command: the command that fails (`train`, `sample`, `encode`).
        code: its exit code.
        contestant: the contestant to train.
    """

    situation: str
    then: str
    message: str
    settings: dict[str, Any] = field(default_factory=dict)
    command: str = "train"
    code: int = 3
    contestant: str = "coins"

    def __str__(self) -> str:
        return self.situation

    @property
    def more(self) -> list[str]:
        """Further arguments of the command."""
        return ["-n", "4"] if self.command == "sample" else []


def _broken(situation: str, then: str, reason: str, **settings: Any) -> Wrong:
    return Wrong(situation, then, _BROKEN.format(reason), settings)


def _hook(situation: str, body: str, reason: str) -> Wrong:
    """Replace one method of the correct plugin."""
    indented = body.replace("\n", "\n    ")
    return _broken(situation, f"class Broken(IndependentPixels):\n    {indented}", reason, target="Broken")


def _answer(situation: str, hook: str, body: str, reason: str, code: int = 3) -> Wrong:
    """Replace one hook by one that loads, but returns a wrong value or has a side effect."""
    arguments = {"sample": "self, model, n, generator", "encode": "self, model, x"}[hook]
    then = f"class Broken(IndependentPixels):\n    @zoo.hookimpl\n    def {hook}({arguments}):\n        {body}"
    return Wrong(situation, then, _HOOK.format(hook, reason), {"target": "Broken"}, hook, code)


_GOOD = "torch.full((n, 8, 8), 0.5)"

WRONG_PLUGINS: dict[str, list[Wrong]] = {
    "imports": [
        _broken(
            "a module that is missing", "import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"
        ),
        _broken("a syntax error", "def", "SyntaxError: …"),
        _broken("any other exception", "1 / 0", "ZeroDivisionError: division by zero"),
        _broken("sys.exit", "import sys; sys.exit(2)", "it called sys.exit(2) while it was imported"),
        _broken(
            "a name that the module lacks",
            "",
            "its entry point '…:Missing' names 'Missing', which … does not have",
            target="Missing",
        ),
        _broken(
            "a constructor that requires arguments",
            "class Broken(IndependentPixels):\n    def __init__(self, size): ...",
            "its class Broken requires constructor arguments; a plugin class takes none",
            target="Broken",
        ),
        _broken(
            "a constructor that fails",
            "class Broken(IndependentPixels):\n    def __init__(self): raise OSError('no disk')",
            "OSError: no disk",
            target="Broken",
        ),
        _broken("no card", "del IndependentPixels.card", "its 'card' must be a zoo.Card, got None"),
    ],
    "hooks": [
        _hook("a required hook that is missing", "sample = None", "it lacks the hook 'sample'"),
        _hook(
            "a misspelt hook",
            "@zoo.hookimpl\ndef initialize(self, model): ...",
            "it implements 'initialize', which is not a hook of zoo.models. Did you mean 'initialise'? Hooks: …",
        ),
        _hook(
            "an unknown argument",
            "@zoo.hookimpl\ndef sample(self, model, number): ...",
            "its 'sample' asks for 'number', which the hook does not offer. Offered: model, n, generator, options, y",
        ),
        _hook(
            "an argument with a default",
            "@zoo.hookimpl\ndef encode(self, model, x, generator=None): ...",
            "its 'encode' gives 'generator' a default, but named arguments are always passed; remove the default",
        ),
        _hook(
            "a keyword-only argument",
            "@zoo.hookimpl\ndef encode(self, model, *, x): ...",
            "its 'encode' has the keyword-only argument 'x'; make it an ordinary one",
        ),
        _hook(
            "specname",
            "@zoo.hookimpl(specname='initialise')\ndef start(self, model, train): ...",
            "its 'start' uses specname; name the method after the hook instead",
        ),
        _hook(
            "a generator function",
            "@zoo.hookimpl\ndef sample(self, n):\n    yield n",
            "its 'sample' is a generator or coroutine function; return the value instead",
        ),
        _hook(
            "an override that lost its decorator",
            "def sample(self, n): ...",
            "its 'sample' lacks the decorator @zoo.hookimpl, so it would never be called; add it",
        ),
        _hook(
            "a wrapper in a model",
            "@zoo.hookimpl(wrapper=True)\ndef sample(self): return (yield)",
            "its 'sample' is a wrapper, which only an extension may have; return the value instead",
        ),
        _hook(
            "loss and fit",
            "@zoo.hookimpl\ndef loss(self, model, x): ...",
            "it has both 'loss' and 'fit', but a model is trained by one of them; remove the other",
        ),
    ],
    "what a hook returns": [
        _answer(
            "nothing", "sample", "pass", "returned None; return a tensor, or raise zoo.Unsupported with the reason"
        ),
        _answer("no tensor", "sample", "return [0.5] * n", "must return a tensor, got list"),
        _answer("another shape", "sample", "return torch.zeros(n, 64)", "must return shape (4, 8, 8), got (4, 64)"),
        _answer(
            "another dtype", "sample", f"return {_GOOD}.int()", "must return floating-point values, got torch.int32"
        ),
        _answer(
            "another device", "encode", "return torch.zeros(len(x), 2, device='meta')", "must return a tensor on cpu, …"
        ),
        _answer(
            "values out of range", "sample", f"return {_GOOD} * 4", "must return values in [0, 1] for these data, got …"
        ),
        _answer(
            "nan",
            "sample",
            f"return {_GOOD} / 0 * 0",
            "returned nan or infinity; the training diverged, or the hook has an error",
            code=6,
        ),
        _answer(
            "a parameter",
            "sample",
            "return torch.nn.Parameter(torch.zeros(n, 8, 8))",
            "returned a tensor that requires grad, …",
        ),
        _answer("its input's memory", "encode", "return x.flatten(1)", "returned its input or a view of it; …"),
    ],
    "what a hook touches": [
        _answer("its input", "encode", "x.mul_(0.5)\n        return x.flatten(1) * 1", "wrote into its input; …"),
        _answer(
            "the global random state", "sample", "return torch.rand(n, 8, 8)", "drew from the global random state; …"
        ),
        _answer(
            "the number of threads",
            "sample",
            f"torch.set_num_threads(torch.get_num_threads() + 1)\n        return {_GOOD}",
            "changed the number of threads; leave it to the caller",
        ),
        _answer(
            "the default dtype",
            "sample",
            f"x = {_GOOD}\n        torch.set_default_dtype(torch.float64)\n        return x",
            "changed torch's default dtype; pass dtype= when creating tensors",
        ),
    ],
    "whole distributions": [
        Wrong(
            "one for another core",
            "1 / 0",
            "The plugin 'coins' of zoo-coins 1.0 is incompatible: it needs genzoo>=99, and this is genzoo …",
            {"requires": ("genzoo>=99",)},
        ),
        Wrong(
            "a blocked one",
            "1 / 0",
            "The plugin 'coins' of zoo-coins 1.0 is blocked: -p no:… or ZOO_NO_PLUGINS blocks it. "
            "Unblock it to use it.",
            {"blocked": True},
        ),
        Wrong(
            "two of one name",
            "",
            "Two distributions have a model named 'coins'; say which: zoo-another/coins or zoo-coins/coins.",
            {"twice": True},
        ),
    ],
    "settings": [
        Wrong(
            "training settings for a model with its own fit",
            "",
            "coins:train.batch_size=10,train.learning_rate=0.1: coins defines its own fit() and only uses "
            "train.batch_size; remove train.learning_rate, or use its own settings: zoo info coins.",
            code=2,
            contestant="coins:train.batch_size=10,train.learning_rate=0.1",
        ),
    ],
}
