"""Verdicts: the outcomes of all checks of a plugin, with a reason for each failure, skip and expected failure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Any

from zoo.conformance.check import Check, Outcome, Status, checks
from zoo.errors import ConfigError, PluginError, did_you_mean
from zoo.plugins.registry import PluginRegistry

Progress = Callable[[Check, int, int], None]


@dataclass(frozen=True)
class Verdict:
    """The outcomes of all checks of one plugin.

    Attributes:
        plugin: `distribution/name`, or the name of one registered in this process; then the settings, as typed.
        version: version of its distribution; "" for a plugin registered in this process.
        refused: the data sets that the plugin refuses, each with its reason; no checks run on them.
        outcomes: one outcome per check, in order.
    """

    plugin: str
    version: str
    refused: list[str]
    outcomes: list[Outcome]

    @property
    def passed(self) -> bool:
        """Whether no check failed, apart from expected failures."""
        return not self.of("failed")

    def of(self, status: Status) -> list[Outcome]:
        """Return the outcomes with this status."""
        return [outcome for outcome in self.outcomes if outcome.status == status]

    @property
    def summary(self) -> str:
        """The verdict in one line: ran 40 of 41: 39 passed, 1 failed as expected; 1 skipped; 10 do not apply."""
        words = {"passed": "passed", "failed": "failed", "expected": "failed as expected"}
        ran = [f"{len(self.of(status))} {word}" for status, word in words.items() if self.of(status)]  # type: ignore[arg-type]
        skipped, inapplicable = len(self.of("skipped")), len(self.of("inapplicable"))
        total = len(self.outcomes) - inapplicable
        tail = (f"; {skipped} skipped" if skipped else "") + (f"; {inapplicable} do not apply" if inapplicable else "")
        return f"ran {total - skipped} of {total}: {', '.join(ran)}{tail}"

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain values."""
        return {
            "plugin": self.plugin,
            "version": self.version,
            "passed": self.passed,
            "summary": self.summary,
            "refused": self.refused,
            "checks": [asdict(outcome) for outcome in self.outcomes],
        }


def examine(
    plugin: str | object,
    registry: PluginRegistry | None = None,
    *,
    only: Collection[str] = (),
    progress: Progress | None = None,
) -> Verdict:
    """Run the checks of a plugin.

    Args:
        plugin: a name with settings (`vae:beta=4.0`), or a plugin object or its class that is not installed.
        registry: where names are looked up; None creates one without extensions.
        only: names of the checks to run; () runs all.
        progress: called before each check with the check, its number from 0 on, and their number.

    Raises:
        ConfigError: if no plugin or check with such a name exists, or for wrong settings.
    """
    found = checks(plugin, registry)
    names = [check.name for check in found]
    if unknown := [name for name in only if name not in names]:
        raise ConfigError(
            f"No check {unknown[0]!r}.{did_you_mean(unknown[0], names)} The checks are: {', '.join(names)}."
        )
    chosen = [check for check in found if not only or check.name in only]
    outcomes = []
    for number, check in enumerate(chosen):
        if progress:
            progress(check, number, len(chosen))
        outcomes.append(check.run())
    subject = found[0].subject
    try:
        loaded = subject.plugin
    except PluginError:
        return Verdict(str(plugin), "", [], outcomes)
    return Verdict(f"{loaded.qualified}{subject.settings}", loaded.version, subject.refused, outcomes)
