"""The work of a comparison, counted: seconds depend on the machine, the number of passes and chains does not."""

from __future__ import annotations

from collections import Counter

import pytest
import zoo_rbm.chains
import zoo_vae.model
from zoo_rbm.model import RBM

import zoo
from zoo.builtin.features import classifier
from zoo.engine.executor import InlineExecutor
from zoo.models.declared_likelihood import DeclaredLikelihood
from zoo.models.model import Model
from zoo.training import module

SMALL = "hidden=[4],latent_dim=2,sample.k=2"


class Counting(InlineExecutor):
    """Counts the jobs, each of which is a process elsewhere."""

    def __init__(self, counts):
        self.counts = counts

    def launch(self, *args, **more):
        self.counts["jobs"] += 1
        return super().launch(*args, **more)


@pytest.fixture
def counts():
    return Counter()


@pytest.fixture
def count(counts, monkeypatch):
    """Count the calls of a function or method under a key."""

    def watch(owner, name, key):
        real = getattr(owner, name)

        def counted(*args, **more):
            counts[key] += 1
            return real(*args, **more)

        monkeypatch.setattr(owner, name, counted)

    return watch


def test_a_comparison_does_each_piece_of_work_once(tmp_path, monkeypatch, counts, count):
    count(zoo_rbm.chains, "traces", "chains that are traced")
    count(RBM, "sample_codes", "chains that sample")
    count(zoo_vae.model, "log_normal", "passes of the VAE")  # q(z|x), once for each block of a bound that is computed
    count(DeclaredLikelihood, "bound", "passes of the AE")
    monkeypatch.setattr(zoo_rbm.chains, "MOST", 40)
    contestants = ["rbm:hidden=3", f"ae@normal:{SMALL}", f"vae:{SMALL}", f"vae@gmm:{SMALL}"]
    zoo.compare(contestants, "digits", n=50, seeds=1, steps=2, out=tmp_path, executor=Counting(counts))
    described, trainings = len(contestants), 3
    assert counts == {
        "jobs": 1 + described + trainings + 1,  # the data, the settings, the cells, the real images
        "chains that are traced": 1,  # the diagnosis
        "chains that sample": 2,  # the samples, and the codes on the map
        "passes of the VAE": 1,  # both latent densities weigh the same draws
        "passes of the AE": 1,
    }


def test_rows_share_trainings_and_features_and_blocks_of_samples_share_a_trial(tmp_path, monkeypatch, counts, count):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))  # so that the feature network is trained
    count(module, "train_module", "trainings")
    count(classifier, "train_features", "feature networks")
    count(Model, "sample", "sets of samples")
    count(Model, "log_prob", "likelihoods")
    count(zoo_rbm.chains, "traces", "chains that are traced")
    contestants = ["rbm", "ae@normal", "ae@gaussian", "vae", "vae@gmm"]
    more_than_512_in_two_blocks = 165  # test images, with ten samples each
    zoo.compare(
        contestants, "digits", n=more_than_512_in_two_blocks, seeds=2, steps=2, out=tmp_path, executor=InlineExecutor()
    )
    assert counts == {
        "trainings": 3 * 2,  # one for each model and seed
        "feature networks": 1,
        "sets of samples": 5 * 2,  # one for each row and seed
        "likelihoods": 5 * 2,
        "chains that are traced": 2 * 2,  # the trial and the diagnosis of each RBM
    }
