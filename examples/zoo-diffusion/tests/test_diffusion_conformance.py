"""Every check of `zoo check diffusion`, each as a test."""

import zoo.testing


@zoo.testing.checks_of("diffusion")
def test_conformance(check):
    check.test()
