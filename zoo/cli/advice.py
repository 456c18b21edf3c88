"""Advice on unknown options of the commands that take contestants."""

from __future__ import annotations

from typing import NoReturn

import click

from zoo.errors import nearest

#: options of other tools, and what they are here
_OPTIONS = {
    "dataset": "--data {value}",
    "gpu": "--device cuda",
    "cuda": "--device cuda",
    "model": "the model's name as an argument, without an option: {value}",
    "num_epochs": "--epochs {value}",
    "n_epochs": "--epochs {value}",
    "max_steps": "--steps {value}",
    "output": "--out {value}",
    "density": "the model's name with the density: NAME@{value}",
}
#: names of settings in other tools
_SYNONYMS = {"lr": "learning_rate", "bs": "batch_size", "optimizer": "optimiser", "optim": "optimiser"}


WORDS = "zoo.words"  # key of a context's `meta`: the words after the command's name


class ContestantCommand(click.Command):
    """A command on contestants, which answers an unknown option with the setting or argument that it may mean."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = ctx.meta[WORDS] = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            _advise(error, given, ctx)


def _advise(error: click.NoSuchOption, words: list[str], ctx: click.Context) -> NoReturn:
    """Raise the error with the setting of the first model in the words that the option means, and its value."""
    from zoo.api import default
    from zoo.plugins.source import PluginSource

    option = error.option_name
    key = option.lstrip("-").replace("-", "_").lower()
    place = next(number for number, word in enumerate(words) if word.partition("=")[0] == option)
    _, equals, value = words[place].partition("=")
    if not equals:
        value = next((word for word in words[place + 1 : place + 2] if not word.startswith("-")), "")
    if key in _OPTIONS:
        raise click.UsageError(f"No such option {option!r}; use {_OPTIONS[key].format(value=value or 'VALUE')}.", ctx)
    candidates = {each.name: each for each in default.candidates()}
    names = [word.partition(":")[0].partition("@")[0] for word in words]
    model = next((name for name in names if name in candidates), "")
    known = PluginSource.of(candidates[model]).settings if model else []
    plain = {name.rpartition(".")[2]: name for name in reversed(known)}  # a setting of the model comes first
    wanted = _SYNONYMS.get(key, key)
    meant = plain.get(wanted) or plain.get(nearest(wanted, plain))
    if meant:
        text = next(word for word, name in zip(words, names, strict=True) if name == model)
        setting = f"{text}{',' if ':' in text else ':'}{meant}={value or 'VALUE'}"
        raise click.UsageError(f"No such option {option!r}; it is a setting of the model: {setting}.", ctx)
    if error.possibilities:
        raise error
    raise click.UsageError(
        f"No such option {option!r}. Settings follow the model's name: {model or 'NAME'}:KEY=VALUE,…; 'zoo info "
        f"{model or 'NAME'}' lists them.",
        ctx,
    )
