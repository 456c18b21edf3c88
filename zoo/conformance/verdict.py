"""Verdicts: the outcomes of all checks of a plugin, with a reason for each failure, skip and expected failure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from zoo.conformance.check import Outcome, Status, checks
from zoo.errors import PluginError
from zoo.plugins.registry import PluginRegistry


@dataclass(frozen=True)
class Verdict:
    """The outcomes of all checks of one plugin.

    Attributes:
        plugin: `distribution/name`, or the name of one registered in this process.
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


def examine(plugin: str | object, registry: PluginRegistry | None = None) -> Verdict:
    """Run all checks of a plugin.

    Args:
        plugin: a name, or a plugin object or its class that is not installed.
        registry: where names are looked up; None creates one without extensions.

    Raises:
        ConfigError: if no plugin with that name is installed.
    """
    found = checks(plugin, registry)
    subject = found[0].subject
    outcomes = [check.run() for check in found]
    try:
        loaded = subject.plugin
    except PluginError:
        return Verdict(str(plugin), "", [], outcomes)
    return Verdict(loaded.qualified, loaded.version, subject.refused, outcomes)
