"""Every check of `zoo check`, each as a test."""

import zoo.testing


@zoo.testing.checks_of("sklearn-rbm")
def test_rbm(check):
    check.test()


@zoo.testing.checks_of("sklearn-gmm")
def test_gmm(check):
    check.test()


@zoo.testing.checks_of("sklearn-fa")
def test_fa(check):
    check.test()


@zoo.testing.checks_of("sklearn-kde")
def test_kde(check):
    check.test()
