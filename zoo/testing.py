"""The conformance kit: claims that every model plugin has to keep, each examined on tiny data made in place.

A check looks at what a plugin's card and hooks declare, and never at its name. In a plugin's own tests, one mark gives
one test per check; `zoo check NAME` prints the same as one verdict:

    import zoo.testing

    @zoo.testing.checks_of("vae")
    def test_vae_keeps_the_contract(check):
        check.test()

A plugin that cannot keep a claim says so in its card, with a reason, and the claim is then expected to fail:

    zoo.Card(…, expected_failures={"gradients-are-those-of-the-loss": "contrastive divergence follows an estimate"})
"""

from zoo.conformance.check import Check, Outcome, checks, checks_of
from zoo.conformance.claim import Failure
from zoo.conformance.verdict import Verdict, examine

__all__ = ["Check", "Failure", "Outcome", "Verdict", "checks", "checks_of", "examine"]
