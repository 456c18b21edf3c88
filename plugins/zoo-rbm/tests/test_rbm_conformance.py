"""Every check of `zoo check rbm`, each as a test."""

import zoo.testing


@zoo.testing.checks_of("rbm")
def test_conformance(check):
    check.test()
