"""Claims about what a plugin declares: its contract, card, settings and distribution."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable

from zoo.conformance.claim import DoesNotApply, Failure, case_claim, claims, plugin_claim
from zoo.conformance.subject import Case, Subject
from zoo.contract.config import Config
from zoo.errors import Unsupported
from zoo.plugins.plugin import CORE
from zoo.plugins.verification import verify


@plugin_claim
def the_plugin_keeps_the_contract(subject: Subject) -> None:
    """The entry point names a plugin whose card and hooks are those of `zoo.contract.hookspecs`."""
    verify(subject.plugin.instance, "zoo.models")  # loading, which did so too, said what else is wrong


@plugin_claim
def the_card_says_what_the_model_is(subject: Subject) -> None:
    """The summary is one line of 10 to 150 characters."""
    summary = subject.plugin.card.summary
    if not 10 <= len(summary.strip()) <= 150 or "\n" in summary:
        raise Failure(f"the card's summary must be one line of 10 to 150 characters, got {summary!r}")


@plugin_claim
def every_setting_is_described(subject: Subject) -> None:
    """Each setting of the model and of its sampling has a description, which `zoo info` shows."""
    card = subject.plugin.card
    bare = [
        f"{config.__name__}.{name}"
        for config in (card.config, card.options)
        for name, field in config.model_fields.items()
        if not field.description
    ]
    if bare:
        raise Failure(f'write Annotated[…, Field(description="…")] for {", ".join(bare)}')


@plugin_claim
def settings_survive_json(subject: Subject) -> None:
    """Settings that were written into a model's file are the same when they are read back."""
    card = subject.plugin.card
    for config in (card.config, card.options):
        default: Config = config()
        back = config.parse(default.model_dump(mode="json"), card.name)
        if back != default:
            raise Failure(f"{config.__name__} must come back from JSON as {default!r}, got {back!r}")


@plugin_claim
def the_distribution_names_the_core(subject: Subject) -> None:
    """The distribution has a summary, says which Python it needs, and which versions of the core, with an upper end."""
    name = subject.plugin.distribution
    if not name:
        raise DoesNotApply("it is registered in this process and belongs to no distribution")
    metadata = importlib.metadata.metadata(name)
    missing = [key for key in ("Summary", "Requires-Python") if key not in metadata]
    if missing and name != CORE:
        raise Failure(f"the metadata of {name} lacks {' and '.join(missing)}")
    lines = [line for line in importlib.metadata.requires(name) or [] if re.match(rf"{CORE}\b", line, re.IGNORECASE)]
    if name != CORE and not any("<" in line or "~=" in line or "==" in line for line in lines):
        raise Failure(
            f"the requirements of {name} must name {CORE} with an upper end ('{CORE}>=0.1,<0.2'), got {lines or 'none'}"
        )


@plugin_claim
def expected_failures_name_checks(subject: Subject) -> None:
    """What the card says that the model fails on purpose is among the checks of the kit."""
    known = {claim.name for claim in claims()}
    if unknown := [name for name in subject.expected_failures if name not in known]:
        raise Failure(f"expected_failures names no check of the kit: {', '.join(map(repr, unknown))}")


@plugin_claim
def the_model_is_for_some_data(subject: Subject) -> None:
    """`build` accepts bits, grey images or real-valued tables."""
    if not subject.cases:
        raise Failure(f"build refuses all data: {'; '.join(subject.refused)}")


@case_claim()
def the_model_generates_or_has_a_code(case: Case) -> None:
    """`sample` works, or `encode` and `decode` do; a hook that does not says why."""
    silent = []
    works = {}
    model = case.untrained
    calls: dict[str, Callable[[], object]] = {
        "sample": lambda: model.sample(1, seed=0),
        "encode": lambda: model.encode(case.data.train[:1]),
        "decode": lambda: model.reconstruct(case.data.train[:1]),
    }
    for hook, call in calls.items():
        try:
            call()
            works[hook] = True
        except Unsupported as error:
            works[hook] = False
            if not str(error).strip():
                silent.append(hook)
    if silent:
        raise Failure(f"{' and '.join(silent)} must say why: raise zoo.Unsupported('…')")
    if not works["sample"] and not (works["encode"] and works["decode"]):
        raise Failure("sample, or encode and decode, must work; all of them are unsupported")
