"""Every check of `zoo check realnvp`, each as a test."""

import zoo.testing


@zoo.testing.checks_of("realnvp")
def test_conformance(check):
    check.test()
