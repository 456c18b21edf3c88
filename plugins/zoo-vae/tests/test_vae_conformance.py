"""Every check of `zoo check vae`, each as a test, with a looser bound."""

import zoo.testing


@zoo.testing.checks_of("vae", options={"k": 100})
def test_conformance(check):
    check.test()
