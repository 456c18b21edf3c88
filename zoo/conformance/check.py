"""Checks: claims applied to one plugin, and their outcomes."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping
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
        check, group, claim: name and group of the check, and the claim as a sentence.
        status: `passed`; `failed`; `expected`, a failure that the plugin declares; `skipped`, because something is
            missing on this machine; `inapplicable`, because the claim does not concern such a plugin.
        reason: why the check did not pass; for a passed check, the data sets that it left out, with the reasons.
        seconds: duration.
        traceback: traceback of an exception other than `Failure`.
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
    """A claim applied to one plugin; trained models are shared with the plugin's other checks."""

    claim: Claim
    subject: Subject

    @property
    def name(self) -> str:
        """The claim's name: "samples-have-the-shape-of-the-data"."""
        return self.claim.name

    @property
    def group(self) -> str:
        """The claim's group: "shapes"."""
        return self.claim.group

    def run(self) -> Outcome:
        """Run the check and return its outcome; exceptions of the plugin become failures.

        If the plugin cannot be loaded, the check of its contract fails and all others are skipped.

        Raises:
            ConfigError: if no plugin with that name is installed, or for wrong settings.
        """
        start = time.monotonic()
        ended: tuple[Status, str, str]
        try:
            expected = self.subject.expected_failures.get(self.name)
        except PluginError as error:
            ended = ("failed", str(error), "") if self.name == LOADING else ("skipped", "it cannot be loaded", "")
        else:
            ended = self._examine()
            if expected is not None and (ended[0] == "failed" or not self.subject.settings):
                ended = _as_expected(expected, *ended)
        status, reason, text = ended
        return Outcome(self.name, self.group, self.claim.text, status, reason, time.monotonic() - start, text)

    def _examine(self) -> tuple[Status, str, str]:
        """Return status, reason and traceback; process settings and random states are restored afterwards."""
        try:
            with kept(), single_thread(), scoped_randomness(0):
                return "passed", "; ".join(self.claim.examine(self.subject)), ""
        except Skip as error:
            return "skipped", str(error), ""
        except (DoesNotApply, Unsupported) as error:
            return "inapplicable", str(error), ""
        except Failure as error:
            return "failed", str(error), ""
        except KeyboardInterrupt:  # the user's
            raise
        except BaseException as error:  # a plugin may raise anything
            notes = "".join(f" ({note})" for note in getattr(error, "__notes__", []))
            return "failed", f"{type(error).__name__}: {error}{notes}", traceback.format_exc()

    def test(self) -> None:
        """Run as a pytest test: a skipped check skips, an expected failure xfails, a failure raises `Failure`."""
        import pytest

        outcome = self.run()
        if outcome.status == "failed":
            raise Failure(f"{outcome.claim}\n{outcome.traceback or outcome.reason}")
        if outcome.status in ("skipped", "inapplicable"):
            pytest.skip(outcome.reason)
        if outcome.status == "expected":
            pytest.xfail(outcome.reason)


def _as_expected(expected: str, status: Status, reason: str, text: str) -> tuple[Status, str, str]:
    """Return the outcome of a check that the plugin declares as an expected failure, with the declared reason."""
    if status == "failed":
        return "expected", f"{expected} ({reason})", text
    if status == "passed":
        return "failed", f"declared to fail ({expected}), but it passes; remove it from expected_failures", ""
    return status, reason, text


def checks(
    plugin: str | Plugin | object, registry: PluginRegistry | None = None, *, options: Mapping[str, Any] | None = None
) -> list[Check]:
    """Return all checks of a model plugin; the plugin is loaded when the first check runs.

    Args:
        plugin: a name (`vae`, `zoo-vae/vae`), with settings if they are not to be the defaults (`vae:beta=4.0`); or a
            plugin object or its class that is not installed.
        registry: where names are looked up; None creates one without extensions.
        options: sampling options of the checks, where the card's defaults are slow.

    Raises:
        ConfigError: for a text that is not a name with settings.
    """
    subject = Subject(plugin, PluginRegistry(extensions=False) if registry is None else registry, options)
    return [Check(claim, subject) for claim in claims()]


def checks_of(plugin: str | object, *, options: Mapping[str, Any] | None = None) -> Any:
    """Return a pytest mark that parametrizes a test over the checks of a plugin, as `check`.

    Args:
        plugin: a name with settings, or a plugin object or its class that is not installed; as for `checks`.
        options: sampling options of the checks, where the card's defaults are slow. `zoo check` uses the defaults.
    """
    import pytest

    found = checks(plugin, options=options)
    return pytest.mark.parametrize("check", [pytest.param(each, id=each.name) for each in found])
