"""Every check of `zoo check dbn`, each as a test; of the plugin as it is installed, if it is."""

from zoo_dbn.plugin import DBNPlugin

import zoo
import zoo.testing


@zoo.testing.checks_of("dbn" if "dbn" in zoo.Registry().names() else DBNPlugin)
def test_conformance(check):
    check.test()
