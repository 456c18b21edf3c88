"""The checks of `zoo check rbm`, each as a test, with shorter chains."""

import zoo.testing


@zoo.testing.checks_of("rbm", options={"steps": 40, "temperatures": 100, "burn_in": 50})
def test_conformance(check):
    check.test()
