"""The checks of `zoo check rbm`, each as a test, with shorter Gibbs chains."""

import zoo.testing


@zoo.testing.checks_of("rbm", options={"steps": 100})
def test_conformance(check):
    check.test()
