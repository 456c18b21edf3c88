"""`zoo info METRIC` shows what a metric measures, and what it cannot see."""

import json

import pytest

import zoo
from zoo.cli.main import run


def test_a_metric_s_card_is_shown_with_its_limits(capsys):
    assert run(["info", "clipped-density", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["direction"], facts["plugin"]) == ("higher", "genzoo/clipped-density")
    assert run(["info", "clipped-density"]) == 0
    printed = capsys.readouterr().out
    assert facts["limits"]
    assert all(limit in printed for limit in facts["limits"])
    assert zoo.info("c2st")["ideal"] == 0.5
    with pytest.raises(
        zoo.ConfigError, match="No plugin or run named 'clipped-densty'. Did you mean 'clipped-density'"
    ):
        zoo.info("clipped-densty")
