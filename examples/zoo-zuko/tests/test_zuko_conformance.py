"""Every check of `zoo check zuko`, each as a test."""

import zoo.testing


@zoo.testing.checks_of("zuko")
def test_conformance(check):
    check.test()
