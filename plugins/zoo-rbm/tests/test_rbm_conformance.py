"""The checks of `zoo check rbm`, each as a test, with shorter chains."""

import zoo.testing


@zoo.testing.checks_of("rbm", options={"steps": 100, "temperatures": 200, "burn_in": 200})
def test_conformance(check):
    check.test()
