"""Every check of `zoo check vae`, each as a test."""

import zoo.testing


@zoo.testing.checks_of("vae")
def test_conformance(check):
    check.test()
