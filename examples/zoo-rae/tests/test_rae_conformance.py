"""Every check of `zoo check rae`, each as a test."""

import zoo.testing


@zoo.testing.checks_of("rae")
def test_conformance(check):
    check.test()
