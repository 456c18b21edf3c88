"""Every check of `zoo check gan`, each as a test; of the plugin as it is installed, if it is."""

from zoo_gan.plugin import GANPlugin

import zoo
import zoo.testing


@zoo.testing.checks_of("gan" if "gan" in zoo.Registry().names() else GANPlugin)
def test_conformance(check):
    check.test()
