"""The conformance kit: checks that every model plugin must pass, run on tiny synthetic data.

A check depends on the plugin's card and hooks, never on its name. In a plugin's own tests, one mark gives one test per
check; `zoo check NAME` runs the same checks and prints a verdict:

    import zoo.testing

    @zoo.testing.checks_of("vae")
    def test_vae_keeps_the_contract(check):
        check.test()

A plugin that cannot satisfy a claim declares this in its card, with a reason; the check is then expected to fail:

    zoo.Card(…, expected_failures={"gradients-are-those-of-the-loss": "contrastive divergence uses an estimate"})
"""

from zoo.conformance.check import Check, Outcome, checks, checks_of
from zoo.conformance.claim import Failure
from zoo.conformance.verdict import Verdict, examine

__all__ = ["Check", "Failure", "Outcome", "Verdict", "checks", "checks_of", "examine"]
