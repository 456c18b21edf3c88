"""An Adult-like table through a comparison: the official models, the controls, and the columns for tables."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

import zoo
from tests.adult import HEADER, adult, write
from zoo.builtin.metrics.records import places

TABLE = ("marginals", "associations", "train-on-synthetic", "closest-record")


@pytest.mark.slow
def test_an_adult_like_table_is_compared_with_the_official_models_and_the_copula(tmp_path, compare):
    path = write(tmp_path / "adult.csv", adult(600))
    contestants = ["rbm:sample.steps=100,sample.temperatures=50,sample.burn_in=50", "ae@gmm", "vae:sample.k=20"]
    found = compare(
        zoo, contestants, f"{path}:table=mixed", controls=True, seeds=1, epochs=20, jobs=1, out=tmp_path / "runs"
    )
    assert found.failed == []
    means = {row["contestant"]: {name: row["summary"][name]["mean"] for name in TABLE} for row in found.rows}
    assert {*contestants, "copula", "real"} <= set(means)
    for figures in (means[name] for name in (*contestants, "copula")):
        assert figures["marginals"] < 0.3 < means["mean"]["marginals"]
        assert figures["associations"] < means["mean"]["associations"]
        assert figures["train-on-synthetic"] < means["pixels"]["train-on-synthetic"]
        assert 0.4 < figures["closest-record"] < 0.6
    assert means["memoriser"]["closest-record"] > 0.8
    data = zoo.load_data(f"{path}:table=mixed")
    row = next(row for row in found.rows if row["contestant"] == "copula")
    x = zoo.load(found.path / row["folder"] / "seed-0").sample(720, seed=0)[:240]
    ages = [each[:, places(data)[HEADER.index("age")].values].numpy()[:, 0] for each in (x, data.test)]
    assert ks_2samp(*ages).statistic < 0.15
    assert np.isin(x.numpy()[:, 1:5], (0, 1)).all()
