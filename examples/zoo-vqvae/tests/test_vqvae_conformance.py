"""Every check of `zoo check vqvae`, each as a test; of the plugin as it is installed, if it is."""

from zoo_vqvae.plugin import VQVAEPlugin

import zoo
import zoo.testing


@zoo.testing.checks_of("vqvae" if "vqvae" in zoo.Registry().names() else VQVAEPlugin)
def test_conformance(check):
    check.test()
