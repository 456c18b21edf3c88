"""Claims about a plugin's declarations: entry point, card, settings and distribution."""

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
    """The entry point names a plugin whose card and hooks follow `zoo.contract.hookspecs`."""
    verify(subject.plugin.instance, "zoo.models")  # loading has verified it too, and reported other errors


@plugin_claim
def the_card_says_what_the_model_is(subject: Subject) -> None:
    """The summary is one line of 10 to 150 characters."""
    summary = subject.plugin.card.summary
    if not 10 <= len(summary.strip()) <= 150 or "\n" in summary:
        raise Failure(f"the card's summary must be one line of 10 to 150 characters, got {summary!r}")


@plugin_claim
def every_setting_is_described(subject: Subject) -> None:
    """Each setting of the model and its sampling has a description, which `zoo info` shows."""
    card = subject.plugin.card
    bare = [
        f"{config.__name__}.{name}"
        for config in (card.config, card.options)
        for name, field in config.model_fields.items()
        if not field.description
    ]
    if bare:
        raise Failure(f'settings need a description: write Annotated[…, Field(description="…")] for {", ".join(bare)}')


@plugin_claim
def settings_survive_json(subject: Subject) -> None:
    """Settings written to JSON, as in a model's file, are the same when read back."""
    card = subject.plugin.card
    for config in (card.config, card.options):
        default: Config = config()
        back = config.parse(default.model_dump(mode="json"), card.name)
        if back != default:
            raise Failure(f"{config.__name__} must come back from JSON as {default!r}, got {back!r}")


@plugin_claim
def the_distribution_names_the_core(subject: Subject) -> None:
    """The package has a summary and a Python requirement, and sets an upper limit for the core's version."""
    name = subject.plugin.distribution
    if not name:
        raise DoesNotApply("it is registered in this process and not part of a distribution")
    metadata = importlib.metadata.metadata(name)
    missing = [key for key in ("Summary", "Requires-Python") if key not in metadata]
    if missing and name != CORE:
        raise Failure(f"the metadata of {name} lacks {' and '.join(missing)}")
    lines = [line for line in importlib.metadata.requires(name) or [] if re.match(rf"{CORE}\b", line, re.IGNORECASE)]
    if name != CORE and not any("<" in line or "~=" in line or "==" in line for line in lines):
        raise Failure(
            f"the requirements of {name} must set an upper limit for {CORE} ('{CORE}>=0.1,<0.2'), got {lines or 'none'}"
        )


@plugin_claim
def expected_failures_name_checks(subject: Subject) -> None:
    """Each expected failure in the card names an existing check."""
    known = {claim.name for claim in claims()}
    if unknown := [name for name in subject.expected_failures if name not in known]:
        raise Failure(f"expected_failures must name checks of 'zoo check', got {', '.join(map(repr, unknown))}")


@plugin_claim
def the_model_is_for_some_data(subject: Subject) -> None:
    """`build` accepts at least one of bits, grayscale images and real-valued tables."""
    if not subject.cases:
        raise Failure(f"build must accept at least one kind of data, but it refuses all: {'; '.join(subject.refused)}")


@case_claim()
def the_model_generates_or_has_a_code(case: Case) -> None:
    """`sample` works, or `encode` and `decode` work; an unsupported hook states the reason."""
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
        raise Failure(f"{' and '.join(silent)} must state why they are unsupported: raise zoo.Unsupported('…')")
    if not works["sample"] and not (works["encode"] and works["decode"]):
        raise Failure("either sample, or both encode and decode, must be supported")
