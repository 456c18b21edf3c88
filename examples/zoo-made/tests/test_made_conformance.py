"""Every check of `zoo check made`, each as a test."""

import zoo.testing


@zoo.testing.checks_of("made")
def test_conformance(check):
    check.test()
