"""A check: a claim about one plugin, and an outcome that hides nothing."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field
from typing import Any, Literal

from zoo.conformance.claim import Claim, DoesNotApply, Failure, Skip, claims
from zoo.conformance.settings import kept
from zoo.conformance.subject import Subject
from zoo.errors import PluginError, Unsupported
from zoo.plugins.plugin import Plugin
from zoo.plugins.registry import PluginRegistry
from zoo.runtime.randomness import scoped_randomness
from zoo.runtime.threads import single_thread

Status = Literal["passed", "failed", "expected", "skipped", "inapplicable"]

LOADING = "the-plugin-keeps-the-contract"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a check.

    Attributes:
        check, group, claim: name, group and claim of the check.
        status: `passed`; `failed`; `expected`, a failure that the plugin declares; `skipped`, because something is
            missing on this machine; `inapplicable`, because the claim does not concern such a plugin.
        reason: why the check did not pass; for a passed check, the data that it was skipped on.
        seconds: duration.
        traceback: of an exception other than `Failure`.
    """

    check: str
    group: str
    claim: str
    status: Status
    reason: str = ""
    seconds: float = 0.0
    traceback: str = field(default="", repr=False)


@dataclass(frozen=True)
class Check:
    """A claim about one plugin; its models are trained once and shared with the plugin's other checks."""

    claim: Claim
    subject: Subject

    @property
    def name(self) -> str:
        """The claim's name: "samples-have-the-shape-of-the-data"."""
        return self.claim.name

    @property
    def group(self) -> str:
        """The group of claims that it belongs to."""
        return self.claim.group

    def run(self) -> Outcome:
        """Examine the plugin; what it raises becomes the outcome.

        Of a plugin that cannot be loaded, the check of its contract fails, and the others are skipped.

        Raises:
            ConfigError: if there is no plugin of that name.
        """
        start = time.monotonic()
        ended: tuple[Status, str, str]
        try:
            expected = self.subject.expected_failures.get(self.name)
        except PluginError as error:
            ended = ("failed", str(error), "") if self.name == LOADING else ("skipped", "it cannot be loaded", "")
        else:
            ended = self._examine()
            if expected is not None:
                ended = _as_expected(expected, *ended)
        status, reason, text = ended
        return Outcome(self.name, self.group, self.claim.text, status, reason, time.monotonic() - start, text)

    def _examine(self) -> tuple[Status, str, str]:
        """Status, reason and traceback; the process is afterwards as it was before."""
        try:
            with kept(), single_thread(), scoped_randomness(0):
                return "passed", "; ".join(self.claim.examine(self.subject)), ""
        except Skip as error:
            return "skipped", str(error), ""
        except (DoesNotApply, Unsupported) as error:
            return "inapplicable", str(error), ""
        except Failure as error:
            return "failed", str(error), ""
        except (Exception, SystemExit) as error:
            return "failed", f"{type(error).__name__}: {error}", traceback.format_exc()

    def test(self) -> None:
        """Run as a pytest test: a skip is a skip, an expected failure an xfail, a failure raises `Failure`."""
        import pytest

        outcome = self.run()
        if outcome.status == "failed":
            raise Failure(f"{outcome.claim}\n{outcome.traceback or outcome.reason}")
        if outcome.status in ("skipped", "inapplicable"):
            pytest.skip(outcome.reason)
        if outcome.status == "expected":
            pytest.xfail(outcome.reason)


def _as_expected(expected: str, status: Status, reason: str, text: str) -> tuple[Status, str, str]:
    """How a check ended that the plugin declares to fail, for the reason `expected`."""
    if status == "failed":
        return "expected", f"{expected} ({reason})", text
    if status == "passed":
        return "failed", f"declared to fail ({expected}), and it passes; take it out of expected_failures", ""
    return status, reason, text


def checks(plugin: str | Plugin | object, registry: PluginRegistry | None = None) -> list[Check]:
    """Every check of a model plugin; the plugin is loaded when the first one runs.

    Args:
        plugin: a name (`vae`, `zoo-vae/vae`), or a plugin object or its class that is not installed.
        registry: where names are looked up; None creates one without extensions.
    """
    subject = Subject(plugin, PluginRegistry(extensions=False) if registry is None else registry)
    return [Check(claim, subject) for claim in claims()]


def checks_of(plugin: str | object) -> Any:
    """A pytest mark that calls a test with each check of a plugin, as `check`."""
    import pytest

    return pytest.mark.parametrize("check", [pytest.param(each, id=each.name) for each in checks(plugin)])
