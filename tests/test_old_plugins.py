"""Plugins written for version 0.1 of the contract keep their claims unchanged.

`old_plugins/` holds the packages of the four examples and the plugin of the README, exactly as they were at commit
667253c, the last one before the contract grew.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zoo

INSTALLED = {"made", "realnvp", "vqvae", "dbn"} & set(zoo.Registry().names())
pytestmark = pytest.mark.skipif(bool(INSTALLED), reason=f"newer plugins of these names are installed: {INSTALLED}")
OLD = Path(__file__).parent / "old_plugins"
EXAMINE = """
import importlib, sys
import zoo.testing
module, name = sys.argv[1].split(":")
verdict = zoo.testing.examine(getattr(importlib.import_module(module), name))
wrong = [each for each in verdict.outcomes if each.status == "failed"]
sys.exit("\\n".join(f"{each.check}: {each.reason}" for each in wrong) or 0)
"""
COMPARE = """
import sys, readme_pca, zoo
zoo.register(readme_pca.PCAPlugin)
table = zoo.compare(["pca", "pca@gmm"], data="digits", seeds=1, epochs=5, out=sys.argv[1], progress=False)
print(table["pca@gmm"].figure("reconstruction").mean)
"""


def run(script, *arguments):
    """What a script prints that finds the old plugins, and not installed ones of the same names."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(OLD), str(OLD.parent.parent)]),
        "ZOO_NO_PLUGINS": "pca,made,realnvp,vqvae,dbn",
    }
    found = subprocess.run(
        [sys.executable, "-c", script, *arguments], env=environment, capture_output=True, text=True, timeout=600
    )
    assert (found.returncode, found.stderr) == (0, "")
    return found.stdout


@pytest.mark.slow  # two minutes
@pytest.mark.parametrize(
    "plugin",
    [
        "zoo_made.plugin:MADEPlugin",
        "zoo_realnvp.plugin:RealNVPPlugin",
        "zoo_vqvae.plugin:VQVAEPlugin",
        "zoo_dbn.plugin:DBNPlugin",
    ],
)
def test_a_plugin_written_for_the_first_contract_still_passes_its_checks(plugin):
    run(EXAMINE, plugin)


@pytest.mark.slow
def test_the_plugin_of_the_first_readme_still_stands_in_a_table(tmp_path):
    data = zoo.load_data("digits")
    train, test = (split.flatten(1).double().numpy() for split in (data.train, data.test))
    mean = train.mean(0)
    V = np.linalg.svd(train - mean, full_matrices=False)[2][:8]
    error = np.square(test - np.clip(mean + (test - mean) @ V.T @ V, 0, 1)).sum(1).mean()
    assert error <= float(run(COMPARE, str(tmp_path))) < 1.1 * error  # pca_lowrank is a randomised approximation
