"""A stranger's plugin: written outside the repository, installed with pip, and at once in every command."""

import json
import os
import subprocess
import sys

import pytest

PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "zoo-coins"
version = "1.2.3"
description = "Independent coins"
dependencies = ["genzoo>=0.1"]

[project.entry-points."zoo.models"]
coins = "zoo_pixels:PixelsPlugin"

[tool.setuptools]
py-modules = ["zoo_pixels"]
"""

PLUGIN = '''
import torch
from torch import nn
import zoo

class PixelsConfig(zoo.Config):
    """It has no settings."""

class PixelsPlugin:
    card = zoo.Card(name="coins", summary="independent coins", config=PixelsConfig,
                    trains_on="bits", latent=None, samples="means")

    @zoo.hookimpl
    def build(self, data):
        module = nn.Module()
        module.register_buffer("p", torch.full(data.shape, 0.5))
        return module

    @zoo.hookimpl
    def fit(self, model, train, budget):
        model.p.copy_(train.mean(0))

    @zoo.hookimpl
    def encode(self, model, x):
        raise zoo.Unsupported("independent coins have no code")

    @zoo.hookimpl
    def decode(self, model, z):
        raise zoo.Unsupported("independent coins have no code")

    @zoo.hookimpl
    def sample(self, model, n):
        return model.p.expand(n, *model.p.shape)
'''


@pytest.fixture(scope="module")
def zoo_command(tmp_path_factory):
    """The command `zoo` in an environment where the stranger's distribution is installed as well."""
    source = tmp_path_factory.mktemp("elsewhere")
    site = source / "site"
    (source / "pyproject.toml").write_text(PYPROJECT)
    (source / "zoo_pixels.py").write_text(PLUGIN)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(site),
    ]
    subprocess.run([*pip, str(source)], check=True, capture_output=True)

    def run(*arguments):
        environment = {**os.environ, "PYTHONPATH": str(site), "ZOO_CACHE": str(source / "cache")}
        done = subprocess.run(
            [sys.executable, "-m", "zoo", *arguments], env=environment, cwd=source, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_a_stranger_s_model_is_listed(zoo_command):
    listed = {each["name"]: each for each in zoo_command("list", "--json")}
    assert listed["coins"]["status"] == "installed"
    assert (listed["coins"]["distribution"], listed["coins"]["version"]) == ("zoo-coins", "1.2.3")


def test_a_stranger_s_model_trains_and_samples(zoo_command):
    run = zoo_command("train", "coins", "--epochs", "1", "--json")["run"]
    assert zoo_command("sample", run, "-n", "4", "-o", "x.npy", "--json")["shape"] == [4, 8, 8]


def test_a_stranger_s_model_stands_in_the_table_beside_the_others(zoo_command):
    results = zoo_command("compare", "coins", "vae", "--seeds", "1", "--epochs", "2", "--json")
    coins, vae, real = results["rows"]
    assert coins["settings"]["model"] == "zoo-coins/coins"
    assert coins["summary"]["frechet"]["mean"] > real["summary"]["frechet"]["mean"]
    assert coins["summary"]["reconstruction"]["unsupported"] == "independent coins have no code"
    assert vae["summary"]["reconstruction"]["mean"] > 0
