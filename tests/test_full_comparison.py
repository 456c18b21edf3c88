"""The whole evaluator, once, on digits: the control rows stand where they must, and everything is written."""

import csv
import json

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

import zoo
from zoo.api import Registry
from zoo.cli.main import run
from zoo.files.names import slug

IMAGES = 900  # half of the digits, split 450/90/360
VAE = "vae@gmm:latent_dim=4,hidden=[32],sample.k=10"
EMPTY = ("mean", "pixels", "noise")  # controls without any structure of the data


class ChainConfig(zoo.Config):
    share: float = 1.0


class ChainOptions(zoo.Config):
    steps: int = 4


class ChainPlugin:
    """Training images out of a fog that clears with the steps: a model whose curve is known."""

    card = zoo.Card(
        name="chain",
        summary="a fog that clears",
        config=ChainConfig,
        options=ChainOptions,
        trains_on="grey",
        latent=None,
        samples="means",
        sensitivity={"share": (np.float32(0.5),), "sample.steps": (np.int64(1), 100)},
    )

    @zoo.hookimpl
    def build(self, config, data):
        module = nn.Module()
        module.register_buffer("x", torch.zeros(IMAGES // 2, *data.shape))
        module.share = config.share
        return module

    @zoo.hookimpl
    def fit(self, model, train):
        model.x.copy_(train)

    @zoo.hookimpl
    def encode(self):
        raise zoo.Unsupported("no code")

    @zoo.hookimpl
    def decode(self):
        raise zoo.Unsupported("no code")

    @zoo.hookimpl
    def sample(self, model, n, generator, options):
        x = model.x[torch.randint(int(IMAGES // 2 * model.share), (n,), generator=generator)]
        return x.lerp(torch.rand(x.shape, generator=generator), 1 / options.steps)


@pytest.fixture(scope="module")
def events():
    return []


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    digits = load_digits()
    path = tmp_path_factory.mktemp("data") / "half.npz"
    np.savez(path, images=digits.images[:IMAGES] / 16.0, labels=digits.target[:IMAGES])
    return f"{path}:labels=labels"


@pytest.fixture(scope="module")
def comparison(tmp_path_factory, events, compare, half):
    registry = Registry()
    registry.register(ChainPlugin)
    return compare(
        registry,
        [VAE, "chain"],
        data=half,
        full=True,
        steps=200,
        out=tmp_path_factory.mktemp("full"),
        on_event=lambda job, event: events.append(event),
    )


@pytest.fixture(scope="module")
def means(comparison):
    """metric -> row -> mean over the seeds."""
    return {
        metric["name"]: {
            row["contestant"]: row["summary"][metric["name"]]["mean"]
            for row in comparison.rows
            if "mean" in row["summary"][metric["name"]]
        }
        for metric in comparison.results["metrics"]
    }


def test_nothing_failed(comparison):
    assert comparison.failed == []
    roles = {row["contestant"]: row["role"] for row in comparison.rows}
    assert roles.pop("real") == "real"
    assert [name for name, role in roles.items() if role == "contestant"] == [VAE, "chain"]
    assert sorted(name for name, role in roles.items() if role == "control") == [
        "mean", "memoriser", "mixture", "noise", "pixels", "ppca",
    ]  # fmt: skip


@pytest.mark.parametrize("metric", ["frechet", "kernel"])
def test_in_distance_real_images_are_best_and_structureless_controls_last(means, metric):
    figures = means[metric]
    structured = max(figures[name] for name in ("real", "memoriser", "ppca", "mixture"))
    assert all(figures["real"] < figures[name] for name in figures if name not in ("real", "memoriser"))
    assert all(figures[name] > 2 * structured for name in EMPTY)


@pytest.mark.parametrize("metric", ["coverage", "recall"])
def test_structureless_controls_cover_and_recall_less_than_any_model_of_the_data(means, metric):
    figures = means[metric]
    least = min(figures[name] for name in ("real", "memoriser", "ppca", "mixture"))
    assert all(figures[name] < 0.95 * least for name in EMPTY)
    assert figures["mean"] < 0.05


def test_a_classifier_tells_structureless_controls_from_real_images_and_no_real_from_real(means):
    assert means["c2st"]["real"] == pytest.approx(0.5, abs=0.06)
    assert all(means["c2st"][name] > 0.75 for name in EMPTY)


def test_the_memoriser_is_as_good_as_real_images_in_quality(means, comparison):
    real = next(row["summary"] for row in comparison.rows if row["role"] == "real")
    for metric in ("frechet", "coverage", "density", "c2st"):
        slack = max(3 * (real[metric]["half_width"] or 0), 0.05)
        assert means[metric]["memoriser"] == pytest.approx(means[metric]["real"], abs=slack), metric
    assert {"frechet", "clipped-coverage", "c2st"} <= set(comparison.results["fooled"]["memoriser"])


def test_the_memoriser_is_caught_by_the_measures_of_memorisation(means):
    assert means["authenticity"]["memoriser"] < means["authenticity"]["real"] - 0.3
    assert means["privacy-loss"]["memoriser"] > means["privacy-loss"]["real"] + 0.2


def test_a_mean_image_has_one_effective_sample(means):
    assert means["vendi"]["mean"] == pytest.approx(1.0, abs=1e-6)
    assert means["vendi"]["real"] > 2


def test_no_single_metric_suffices(comparison):
    """At least one structureless control passes for real on some metric, and on no distance."""
    fooled = comparison.results["fooled"]
    assert any(fooled[name] for name in EMPTY)
    assert not any({"frechet", "kernel", "coverage"} & set(fooled[name]) for name in EMPTY)


def test_no_control_but_the_memoriser_looks_real_in_a_headline_column(comparison):
    """The memoriser does, and is flagged."""
    headline = {metric["name"] for metric in comparison.results["metrics"] if metric["level"] == "headline"}
    fooled = {name: headline & set(metrics) for name, metrics in comparison.results["fooled"].items()}
    assert fooled["memoriser"] == {"frechet", "kernel", "clipped-coverage", "c2st"}
    assert "near-copies" in next(
        row["summary"]["copies"]["warning"] for row in comparison.rows if row["contestant"] == "memoriser"
    )
    assert {name for name, columns in fooled.items() if columns} == {"memoriser"}


def test_likelihoods_come_with_what_they_are(comparison):
    kinds = {row["contestant"]: row["summary"]["likelihood"].get("kind") for row in comparison.rows}
    assert kinds[VAE] == "lower"
    assert kinds["noise"] == kinds["pixels"] == "exact"
    assert kinds["real"] is None
    noise = next(row for row in comparison.rows if row["contestant"] == "noise")
    assert noise["summary"]["likelihood"]["mean"] == pytest.approx(-64 * np.log(2), rel=1e-5)


def test_the_time_is_estimated_first(events):
    estimates = [place for place, event in enumerate(events) if "estimate" in event]
    assert len(estimates) == 1
    assert events[estimates[0]]["estimate"] > 0
    first_training = next(place for place, event in enumerate(events) if "progress" in event)
    assert estimates[0] < first_training


def test_the_first_seed_of_every_row_is_announced(events, comparison):
    (found,) = [event["provisional"] for event in events if "provisional" in event]
    assert [row.contestant for row in found.rows] == [row["contestant"] for row in comparison.rows]
    assert all(len(row.cells) == 1 for row in found.rows)


def test_sensitivity_is_what_the_cards_declare_but_what_the_contestant_sets(comparison):
    found: dict[str, list] = {}
    for entry in comparison.results["sensitivity"]:
        assert "frechet" in entry["metrics"]
        found.setdefault(entry["contestant"], []).append((entry["key"], entry["value"], entry["default"]))
    assert found["chain"] == [
        ("share", 0.5, False),
        ("", None, True),
        ("sample.steps", 1, False),
        ("sample.steps", 100, False),
    ]
    keys = {key for key, _, _ in found[VAE]}
    assert keys == {"", "beta"}  # latent_dim is set; with a density, the sampling is not the model's own


def test_the_curve_over_a_sampling_setting_is_measured_on_one_trained_model(comparison):
    curve = {
        entry["value"]: entry["metrics"]["frechet"]["value"]
        for entry in comparison.results["sensitivity"]
        if entry["key"] == "sample.steps"
    }
    assert curve[100] < 0.2 * curve[1]
    assert not (comparison.path / "sensitivity").exists() or not list(
        (comparison.path / "sensitivity").glob("*steps*/*.safetensors")
    )


def test_everything_is_written_and_can_be_made_again(comparison, capsys):
    for name in ("results.json", "results.csv", "results.md", "report.html", "samples.png"):
        assert (comparison.path / name).stat().st_size > 100
    report = comparison.path / "report.html"
    before = report.read_bytes()
    report.unlink()
    assert run(["report", str(comparison.path)]) == 0
    assert report.read_bytes() == before
    assert "vae@gmm" in capsys.readouterr().out
    with (comparison.path / "results.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {line["contestant"] for line in lines} == {row["contestant"] for row in comparison.rows}


def test_pictures_hold_what_the_report_shows(comparison):
    pictures = comparison.results["pictures"]
    assert set(pictures) == {row["contestant"] for row in comparison.rows}
    with np.load(comparison.path / pictures[VAE]) as arrays:
        assert arrays["samples"].shape == (64, 8, 8)
        assert arrays["nearest"].shape == arrays["originals"].shape == arrays["reconstructions"].shape == (16, 8, 8)
        assert arrays["interpolation"].shape == (6, 9, 8, 8)
        assert arrays["traversal"].shape == (4, 9, 8, 8)
        assert arrays["codes"].shape == arrays["drawn_codes"].shape == (360, 2)
        assert arrays["code_labels"].shape == (360,)
    with np.load(comparison.path / pictures["memoriser"]) as arrays:
        assert np.array_equal(arrays["nearest"], arrays["samples"][:16])


def test_a_finished_run_and_outside_samples_stand_in_the_table(comparison, half, tmp_path, compare):
    file = comparison.path / "vae" / "seed-0" / f"{slug(VAE)}.safetensors"
    np.save(tmp_path / "mine.npy", zoo.load(file).sample(3600, seed=0).numpy())
    other = f"{file}:sample.k=1"
    again = compare(zoo, [str(file), f"samples:{tmp_path / 'mine.npy'}", other], data=half, out=tmp_path, seeds=1)
    run_row, samples_row, other_row, _ = again.rows
    before = next(row for row in comparison.rows if row["contestant"] == VAE)["cells"][0]["metrics"]
    for name in ("frechet", "kernel", "c2st"):
        assert run_row["cells"][0]["metrics"][name] == before[name]
        assert samples_row["cells"][0]["metrics"][name]["value"] == pytest.approx(before[name]["value"], rel=1e-6)
    assert run_row["summary"]["likelihood"]["mean"] == pytest.approx(before["likelihood"]["value"])
    assert "unsupported" in samples_row["summary"]["likelihood"]
    assert other_row["summary"]["likelihood"]["mean"] < before["likelihood"]["value"]  # L_1 is below L_500
    assert other_row["settings"]["options"] == {"k": 1}


def test_evaluate_measures_one_run_without_training(comparison, half, tmp_path, warm, capsys):
    file = comparison.path / "vae" / "seed-0" / f"{slug(VAE)}.safetensors"
    assert run(["evaluate", str(file), "--data", half, "--out", str(tmp_path), "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert [row["contestant"] for row in results["rows"]] == [str(file), "real"]
    assert results["rows"][0]["train_seconds"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": "bars-and-stripes:3"}, "was trained on half.npz with another content"),
        ({"data": "digits", "source": "samples:few.npy"}, "must hold at least 718 samples"),
        ({"data": "digits", "source": "samples:flat.npy"}, r"must hold examples of shape \(N, 8, 8\), got \(800, 63\)"),
        ({"data": "digits", "source": "samples:bright.npy"}, r"must hold values in \[0, 1\], got values in \[2, 2\]"),
        ({"source": "samples:few.npy"}, "name them with --data"),
        ({"source": "nowhere"}, "is not a run folder"),
        ({"data": "half", "options": ":sample.steps=3"}, "Settings of the sampling of vae: no key 'steps'"),
    ],
)
def test_what_does_not_match_is_refused(comparison, arguments, message, half, tmp_path, monkeypatch, executor):
    monkeypatch.chdir(tmp_path)
    np.save("few.npy", np.zeros((100, 8, 8)))
    np.save("flat.npy", np.zeros((800, 63)))
    np.save("bright.npy", np.full((800, 8, 8), 2.0))
    source = arguments.get("source", comparison.path / "vae" / "seed-0" / f"{slug(VAE)}.safetensors")
    source = f"{source}{arguments.get('options', '')}"
    data = half if arguments.get("data") == "half" else arguments.get("data")
    with pytest.raises(zoo.ZooError, match=message):
        zoo.evaluate(source, data, executor=executor)
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_full_needs_seeds_enough_for_an_interval(compare):
    with pytest.raises(zoo.ConfigError, match="at least 5 seeds, got 2"):
        compare(zoo, ["vae"], full=True, seeds=2)
