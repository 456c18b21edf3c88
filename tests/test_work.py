"""How often a comparison does what costs most: a guard of its speed that does not depend on the machine."""

from collections import Counter

import pytest
from zoo_rbm import chains

import zoo
from zoo.builtin.features import classifier
from zoo.engine.executor import InlineExecutor
from zoo.models.declared_likelihood import DeclaredLikelihood
from zoo.models.model import Model
from zoo.training import module

TEST_IMAGES = 165  # 1,650 samples: two blocks of more than 512 chains


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the calls of expensive functions."""
    counted: Counter[str] = Counter()

    def count(owner: object, name: str) -> None:
        function = getattr(owner, name)

        def counting(*arguments: object, **options: object) -> object:
            counted[name] += 1
            return function(*arguments, **options)

        monkeypatch.setattr(owner, name, counting)

    count(module, "train_module")
    count(Model, "sample")
    count(Model, "log_prob")
    count(DeclaredLikelihood, "bound")
    count(chains, "traces")
    count(classifier, "train_features")
    return counted


def test_a_comparison_trains_samples_and_scores_no_more_often_than_its_rows_need(tmp_path, monkeypatch, counts):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))  # so that the feature network is trained
    rows = ["ae@normal", "ae@gaussian", "rbm", "vae", "vae@gmm"]
    zoo.compare(rows, seeds=2, steps=2, n=TEST_IMAGES, out=tmp_path, executor=InlineExecutor(), progress=False)
    assert counts == {
        "train_module": 3 * 2,  # one for each model and seed
        "sample": 5 * 2,  # one for each row and seed
        "log_prob": 5 * 2,
        "bound": 2 * 2,
        "traces": 2 * 2,  # a trial for the samples and one diagnosis for each RBM, however many blocks of samples
        "train_features": 1,  # the feature network
    }
