"""Every check of `zoo check ae`, each as a test."""

import zoo.testing


@zoo.testing.checks_of("ae")
def test_conformance(check):
    check.test()
