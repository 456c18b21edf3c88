"""A stranger's plugin: written outside the repository, installed with pip, and at once in every command."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import INDEPENDENT_PIXELS
from zoo.api import Registry
from zoo.installation.removal import find_distribution
from zoo.installation.resolution import resolve_request
from zoo.plugins.catalogue import Release, read_catalogue

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


NOISE_PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "zoo-noise"
version = "1.0"
description = "Models that have the names of the core's controls"
requires-python = ">=3.11"
dependencies = ["genzoo>=0.1,<0.2"]

[project.entry-points."zoo.models"]
ppca = "zoo_noise:PPCAPlugin"
mean = "zoo_noise:MeanPlugin"

[tool.setuptools]
py-modules = ["zoo_noise"]
"""

NOISE_PLUGINS = """
import dataclasses

class PPCAPlugin(IndependentPixels):
    card = dataclasses.replace(IndependentPixels.card, name="ppca")

    @zoo.hookimpl
    def build(self, config, data):
        if data.support == "real":
            raise zoo.Unsupported("pixels are bits")
        return Pixels(config, data)

class MeanPlugin(PPCAPlugin):
    card = dataclasses.replace(IndependentPixels.card, name="mean")
"""


def installed(folder, pyproject, module, source, executor):
    """The command `zoo` in an environment where a distribution made of these files is installed as well.

    `list` is a process that starts from nothing; the others are forked. `run.site` is where it is installed.
    """
    site = folder / "site"
    (folder / "pyproject.toml").write_text(pyproject, encoding="utf-8")
    (folder / module).write_text(source, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", site]
    subprocess.run([*pip, str(folder)], check=True, capture_output=True)

    def run(*arguments, code=0):
        environment = {"PYTHONPATH": str(site)}
        if arguments[0] == "list":
            command, environment = [sys.executable, "-m", "zoo", *arguments], os.environ | environment
            done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
        else:
            done = executor.command(*arguments, folder=folder, path=[site], **environment)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if code == 0 else done.stderr

    run.site = site
    return run


@pytest.fixture(scope="module")
def zoo_command(tmp_path_factory, executor):
    """The command `zoo` with the third party's distribution."""
    return installed(tmp_path_factory.mktemp("elsewhere"), PYPROJECT, "zoo_pixels.py", PLUGIN, executor)


@pytest.fixture(scope="module")
def noise_command(tmp_path_factory, executor):
    """The command `zoo` with `zoo-noise`, whose models have the names of two controls."""
    return installed(
        tmp_path_factory.mktemp("noise"), NOISE_PYPROJECT, "zoo_noise.py", INDEPENDENT_PIXELS + NOISE_PLUGINS, executor
    )


def test_a_stranger_s_model_is_listed(zoo_command):
    listed = {each["name"]: each for each in zoo_command("list", "--json")}
    assert listed["coins"]["status"] == "installed"
    assert (listed["coins"]["distribution"], listed["coins"]["version"]) == ("zoo-coins", "1.2.3")


def test_a_stranger_s_model_trains_and_samples(zoo_command):
    run = zoo_command("train", "coins", "--epochs", "1", "--json")["run"]
    assert zoo_command("sample", run, "-n", "4", "-o", "x.npy", "--json")["shape"] == [4, 8, 8]


def test_a_stranger_s_model_stands_in_the_table_beside_the_others(zoo_command, monkeypatch, tmp_path, compare):
    monkeypatch.syspath_prepend(zoo_command.site)
    coins, vae, real = compare(
        Registry(), ["coins", "vae:latent_dim=2,hidden=[8],sample.k=5"], seeds=1, epochs=2, out=tmp_path
    ).rows
    assert coins["settings"]["model"] == "zoo-coins/coins"
    assert coins["summary"]["frechet"]["mean"] > real["summary"]["frechet"]["mean"]
    assert coins["summary"]["reconstruction"]["unsupported"] == "independent coins have no code"
    assert vae["summary"]["reconstruction"]["mean"] > 0


def test_models_with_the_names_of_controls_are_listed_without_the_controls(noise_command):
    listed = [(each["name"], each["distribution"], each["status"]) for each in noise_command("list", "--json")]
    assert ("ppca", "zoo-noise", "installed") in listed
    assert ("mean", "zoo-noise", "installed") in listed
    assert not [each for each in listed if each[1] == "genzoo" or each[0] in ("noise", "pixels", "mixture")]
    plugins = {
        (each["group"], each["distribution"]) for each in noise_command("plugins", "--json") if each["name"] == "ppca"
    }
    assert plugins == {("zoo.models", "zoo-noise"), ("zoo.controls", "genzoo")}


def test_a_model_with_the_name_of_a_control_trains_and_samples(noise_command):
    run = noise_command("train", "ppca", "--epochs", "1", "--json")["run"]
    assert noise_command("sample", run, "-n", "4", "-o", "x-samples.npy", "--json")["shape"] == [4, 8, 8]


def test_a_control_is_not_trained_as_a_model(noise_command):
    message = noise_command("train", "pixels", "--steps", "1", code=2)
    assert "'pixels' is a control, not a model;" in message


def test_a_model_with_the_name_of_a_control_passes_the_conformance_checks(noise_command):
    verdict = noise_command("check", "ppca", "--json")
    assert verdict["plugin"] == "zoo-noise/ppca"
    assert verdict["passed"]


def test_models_and_controls_of_one_name_stand_in_one_table(noise_command, monkeypatch, tmp_path, compare):
    monkeypatch.syspath_prepend(noise_command.site)
    x = np.random.default_rng(0).random((60, 2, 2)).astype(np.float32)
    comparison = compare(Registry(), ["ppca", "mean"], x, controls=True, seeds=1, steps=1, out=tmp_path)
    rows = {row["contestant"]: row for row in comparison.rows}
    assert [(name, row["role"]) for name, row in rows.items() if row["role"] == "contestant"] == [
        ("ppca", "contestant"),
        ("mean", "contestant"),
    ]
    assert {name for name, row in rows.items() if row["role"] == "control"} == {
        "memoriser",
        "control:mean",
        "pixels",
        "noise",
        "control:ppca",
        "mixture",
    }
    assert [rows[name]["settings"]["model"] for name in ("ppca", "control:ppca", "mean", "control:mean")] == [
        "zoo-noise/ppca",
        "genzoo/ppca",
        "zoo-noise/mean",
        "genzoo/mean",
    ]
    folders = [row["folder"] for row in rows.values()]
    assert len(set(folders)) == len(folders)
    assert not [cell["failed"] for row in rows.values() for cell in row["cells"] if "failed" in cell]
    assert set(comparison.results["fooled"]) == {name for name, row in rows.items() if row["role"] == "control"}
    for name in ("ppca", "control:ppca"):  # each loads with its own plugin
        run = f"{comparison.path}/{rows[name]['folder']}/seed-0"
        assert noise_command("sample", run, "-n", "3", "-o", f"{name[:4]}.npy", "--json")["shape"] == [3, 2, 2]


def test_installing_and_uninstalling_by_the_name_of_a_control_means_the_third_party_s_model(distribution, tmp_path):
    then = "import dataclasses\nIndependentPixels.card = dataclasses.replace(IndependentPixels.card, name='ppca')"
    distribution("zoo-noise", entry="ppca", then=then)
    assert find_distribution("ppca", Registry()) == "zoo-noise"
    catalogue = read_catalogue()
    (control,) = (entry for entry in catalogue.entries if entry.name == "ppca")
    model = replace(control, group="zoo.models", package="zoo-noise", published=True, releases=(Release("1", "index"),))
    for entries in ((control, model), (model, control)):
        assert resolve_request("ppca", replace(catalogue, entries=entries)).argument.startswith("zoo-noise")
