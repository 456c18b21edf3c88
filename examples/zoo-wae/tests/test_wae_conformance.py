"""Every check of `zoo check wae`, each as a test."""

import zoo.testing


@zoo.testing.checks_of("wae")
def test_conformance(check):
    check.test()
