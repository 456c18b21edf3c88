"""Every check of `zoo check flow-matching`, each as a test."""

from zoo_flow_matching.plugin import FlowMatchingPlugin

import zoo
import zoo.testing


@zoo.testing.checks_of("flow-matching" if "flow-matching" in zoo.Registry().names() else FlowMatchingPlugin)
def test_conformance(check):
    check.test()
