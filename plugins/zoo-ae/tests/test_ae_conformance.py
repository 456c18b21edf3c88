"""Every check of `zoo check ae`, each as a test, with a looser bound."""

import zoo.testing


@zoo.testing.checks_of("ae", options={"k": 50})
def test_conformance(check):
    check.test()
