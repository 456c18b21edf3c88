"""The grid and its table: the same numbers however it is run, and nothing hidden."""

import dataclasses
import json
import math
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn

import zoo
from zoo.api import Registry
from zoo.comparison.jobs import from_json
from zoo.engine.executor import InlineExecutor, TaskExecutor, default_jobs
from zoo.engine.processes import SpawnExecutor

SMALL = "latent_dim=2,hidden=[8],sample.k=5"
VAE = f"vae:{SMALL}"


class MeansConfig(zoo.Config):
    fail: bool = False


class MeansPlugin:
    """Independent pixels, in this process alone."""

    card = zoo.Card(
        name="means", summary="pixel means", config=MeansConfig, trains_on="bits", latent=None, samples="means"
    )

    @zoo.hookimpl
    def build(self, config, data):
        module = nn.Module()
        module.register_buffer("p", torch.full(data.shape, 0.5))
        module.fail = config.fail
        return module

    @zoo.hookimpl
    def fit(self, model, train, generator):
        if model.fail:
            raise RuntimeError("no luck")
        model.p.copy_(train.mean(0))

    @zoo.hookimpl
    def encode(self, model, x):
        raise zoo.Unsupported("no code")

    @zoo.hookimpl
    def decode(self, model, z):
        raise zoo.Unsupported("no code")

    @zoo.hookimpl
    def sample(self, model, n):
        return model.p.expand(n, *model.p.shape)


@pytest.fixture
def registry():
    registry = Registry()
    registry.register(MeansPlugin)
    return registry


def weights(comparison):
    """Every model file of a comparison by its place in the folder."""
    return {file.relative_to(comparison.path): file.read_bytes() for file in comparison.path.rglob("*.safetensors")}


def figures(comparison):
    return [(cell["seed"], cell["metrics"]) for row in comparison.rows for cell in row["cells"]]


def test_models_and_figures_are_the_same_whatever_the_jobs_and_the_start_method(tmp_path, executor):
    contestants = ["rbm:hidden=8,sample.steps=5", "vae@gmm:latent_dim=2,hidden=[8],sample.k=5"]
    settings = {"data": torch.rand(200, 4, 4, generator=torch.Generator().manual_seed(0)), "seeds": 1, "steps": 5}
    one, two = (
        zoo.compare(contestants, out=tmp_path / str(jobs), jobs=jobs, executor=executor, **settings) for jobs in (1, 2)
    )
    assert len(weights(one)) == 2
    assert weights(two) == weights(one)
    assert figures(two) == figures(one)
    with SpawnExecutor(1) as spawning:

        class Spawned(TaskExecutor):
            """Each training in a process that imports everything, which takes its time; the rest as before."""

            def launch(self, fn, args=(), kwargs=None, **more):
                its = spawning if from_json(*args).kind == "train" else executor
                return its.launch(fn, args, kwargs, **more)

        spawned = zoo.compare(contestants[1], out=tmp_path / "spawned", executor=Spawned(), **settings)
    assert len(weights(spawned)) == 1
    assert weights(spawned).items() <= weights(one).items()
    assert figures(spawned) == figures(one)[1:]


@pytest.mark.slow
def test_busy_neighbours_on_every_core_change_no_hash_and_no_figure(tmp_path, compare):
    contestants = ["rbm:hidden=32,sample.steps=20", "ae@gmm:latent_dim=4,hidden=[32]", "vae:latent_dim=4,hidden=[32]"]
    quiet = compare(zoo, contestants, seeds=2, epochs=10, out=tmp_path / "quiet")
    neighbours = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * default_jobs())]
    try:
        loud = compare(zoo, contestants, seeds=2, epochs=10, out=tmp_path / "loud")
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()
    assert len(weights(quiet)) == 6
    assert weights(loud) == weights(quiet)
    assert figures(loud) == figures(quiet)


def test_every_cell_of_another_seed_starts_from_other_weights(tmp_path, compare):
    contestants = [
        "rbm:hidden=8,sample.steps=2,train.learning_rate=1e-30",
        "ae:hidden=[8],latent_dim=2,train.learning_rate=1e-30",
        "vae:hidden=[8],latent_dim=2,sample.k=2,train.learning_rate=1e-30",
    ]
    comparison = compare(zoo, contestants, "bars-and-stripes:2", seeds=2, steps=1, out=tmp_path)
    for row in comparison.rows[:3]:
        states = [
            torch.cat([each.flatten() for each in zoo.load(folder).module.parameters()])
            for folder in sorted((comparison.path / row["folder"]).iterdir())
        ]
        assert len(states) == 2
        assert not torch.equal(*states)


def test_contestants_of_equal_settings_share_one_training(tmp_path, compare):
    contestants = [f"ae@normal:{SMALL}", f"ae@gmm:{SMALL}", f"ae:{SMALL},tied=false", VAE]
    comparison = compare(zoo, contestants, "bars-and-stripes:2", seeds=1, steps=2, out=tmp_path)
    assert [row["folder"] for row in comparison.rows] == ["ae", "ae", "ae", "vae", "real"]
    seconds = [row["train_seconds"] for row in comparison.rows]
    assert seconds[0] == seconds[1] == seconds[2]


def test_the_result_says_how_it_was_found(tmp_path, compare):
    comparison = compare(zoo, [VAE], seeds=[3, 5], steps=2, out=tmp_path)
    protocol = comparison.results["protocol"]
    assert protocol["seeds"] == [3, 5]
    assert protocol["budget"] == {"value": 2, "unit": "steps"}
    assert protocol["data"]["sizes"] == [899, 180, 718]
    assert protocol["samples"] == 7180
    assert protocol["reference"] == "718 test images; real: 180 validation images"
    assert protocol["binarisation_seed"] == protocol["data"]["split_seed"] == 0
    assert comparison.rows[0]["settings"]["options"] == {"k": 5}
    assert protocol["versions"]["torch"] == torch.__version__
    assert json.loads((comparison.path / "results.json").read_text()) == comparison.results
    reopened = zoo.Comparison.open(comparison.path)
    assert str(reopened) == str(comparison)
    assert "7,180 samples each" in str(comparison)
    assert (comparison.path / "samples.png").read_bytes().startswith(b"\x89PNG")
    assert "<html" in (comparison.path / "report.html").read_text()


def test_a_model_registered_here_stands_beside_installed_ones_and_is_marked(registry, tmp_path, compare):
    comparison = compare(registry, ["means", VAE], seeds=1, steps=2, out=tmp_path)
    assert comparison.results["protocol"]["in_process"] == ["means"]
    assert "mean" in comparison.rows[0]["summary"]["frechet"]
    assert comparison.rows[0]["summary"]["reconstruction"]["unsupported"] == "no code"


def test_a_model_without_samples_is_shown_with_its_reason(tmp_path, compare):
    comparison = compare(zoo, [f"ae:{SMALL}", f"ae@normal:{SMALL}"], seeds=1, steps=2, out=tmp_path)
    summary = comparison.rows[0]["summary"]
    assert "no distribution" in summary["frechet"]["unsupported"]
    assert summary["reconstruction"]["mean"] == comparison.rows[1]["summary"]["reconstruction"]["mean"]
    assert f"n/a, ae:{SMALL}: " in " ".join(str(comparison).split())


def test_a_failed_cell_is_shown_and_costs_no_other(registry, tmp_path, compare):
    comparison = compare(registry, ["means:fail=true", VAE], seeds=2, steps=2, out=tmp_path)
    assert comparison.failed == [f"means:fail=true seed {seed}: RuntimeError: no luck" for seed in (0, 1)]
    nothing = {"unsupported": "RuntimeError: no luck", "standing": None, "difference": None}
    assert comparison.rows[0]["summary"]["frechet"] == nothing
    assert comparison.rows[1]["summary"]["frechet"]["n"] == 2
    assert "2 of 2 seeds failed" in str(comparison)


def test_bars_and_stripes_are_scored_by_exact_likelihood_and_valid_patterns(tmp_path, compare):
    comparison = compare(zoo, ["rbm:hidden=8,sample.steps=50"], "bars-and-stripes:3", seeds=1, epochs=20, out=tmp_path)
    summary = comparison.rows[0]["summary"]
    assert summary["likelihood"]["kind"] == "exact"
    assert summary["likelihood"]["mean"] < -math.log(14)
    assert 0 <= summary["valid-patterns"]["mean"] <= 1
    assert comparison.rows[-1]["role"] == "real"
    assert comparison.rows[-1]["summary"]["valid-patterns"]["mean"] == 1.0


@pytest.mark.parametrize("kind", ["array", "tensor", "data"])
def test_data_of_one_s_own_can_be_compared_on(kind, tmp_path, compare):
    x = torch.rand(200, 4, 4, generator=torch.Generator().manual_seed(0))
    data = {"array": x.numpy(), "tensor": x, "data": zoo.Data.from_arrays(x)}[kind]
    comparison = compare(zoo, [VAE], data, seeds=1, steps=2, out=tmp_path)
    assert comparison.results["protocol"]["data"]["sha256"] == zoo.Data.from_arrays(x).sha256
    assert "mean" in comparison.rows[0]["summary"]["frechet"]


@pytest.mark.parametrize(
    ("contestants", "settings", "error", "message"),
    [
        (["vea"], {}, zoo.ConfigError, "Did you mean 'vae'"),
        (["vae@gnm"], {}, zoo.ConfigError, "Did you mean 'gmm'"),
        (["vae", "vae"], {}, zoo.ConfigError, "may be given once, got vae twice"),
        (["vae:latent_dim=0"], {}, zoo.ConfigError, "latent_dim must be greater than 0"),
        (["rbm@gmm"], {}, zoo.ConfigError, "density over 'real' codes"),
        (["vae"], {"data": "digts"}, zoo.ConfigError, "Did you mean 'digits'"),
        (["vae"], {"seeds": 0}, zoo.ConfigError, "seeds must be a number >= 1"),
        (["vae"], {"seeds": [1, 1]}, zoo.ConfigError, "seeds must be a number >= 1"),
        (["vae"], {"seeds": [-1]}, zoo.ConfigError, r"or distinct whole numbers >= 0, got \[-1\]\."),
        (["vae"], {"seeds": [[1]]}, zoo.ConfigError, r"or distinct whole numbers >= 0, got \[\[1\]\]\."),
        (["vae"], {"seeds": 2.5}, zoo.ConfigError, r"seeds must be a number >= 1, .*, got 2\.5\."),
        (["vae"], {"seeds": True}, zoo.ConfigError, r"seeds must be a number >= 1, .*, got True\."),
        (["vae"], {"seeds": "12"}, zoo.ConfigError, r"seeds must be a number >= 1, .*, got '12'\."),
        (["vae"], {"seeds": 10**12}, zoo.ConfigError, "at most 1,000 seeds, got 1000000000000; give fewer"),
        (["vae"], {"epochs": 0}, zoo.ConfigError, "finite number above 0"),
        (["vae"], {"epochs": 1, "steps": 1}, zoo.ConfigError, "keep one"),
    ],
)
def test_what_is_asked_wrongly_is_refused_before_any_training(tmp_path, contestants, settings, error, message, compare):
    with pytest.raises(error, match=message):
        compare(zoo, contestants, out=tmp_path, **settings)
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
import sys, zoo, zoo.comparison.run
zoo.comparison.run.PRELOAD = ("zoo.comparison.measuring", "zoo.training.train")  # a server that is there sooner
comparison = zoo.compare({vae!r}, "bars-and-stripes:2", seeds=1, steps=1, out={out!r}, jobs=1)
print("rows:", len(comparison.rows) - 1, "failed:", comparison.failed, "torch:", "torch" in sys.modules)
"""


@pytest.mark.parametrize(
    "how", ["script", *(pytest.param(how, marks=pytest.mark.slow) for how in ("standard input", "notebook"))]
)
def test_compare_works_without_a_main_guard(how, tmp_path):
    source = textwrap.dedent(SCRIPT.format(vae=VAE, out=str(tmp_path)))
    if how == "notebook":
        import nbformat
        from nbclient import NotebookClient

        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        NotebookClient(notebook, timeout=100).execute()
        printed = "".join(output.get("text", "") for output in notebook.cells[0].outputs)
    elif how == "script":
        (tmp_path / "script.py").write_text(source)
        printed = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True).stdout
    else:
        printed = subprocess.run([sys.executable], input=source, capture_output=True, text=True).stdout
    assert printed.strip().endswith("rows: 1 failed: [] torch: False")


class QuittingOptions(zoo.Config):
    quits: bool = False


class QuittingConfig(zoo.Config):
    raises: bool = False


class QuittingPlugin(MeansPlugin):
    """Means that call sys.exit when sampled, or raise what is no Exception when trained, if told so."""

    card = dataclasses.replace(MeansPlugin.card, name="quitting", config=QuittingConfig, options=QuittingOptions)

    @zoo.hookimpl
    def build(self, config, data):
        module = nn.Module()
        module.register_buffer("p", torch.full(data.shape, 0.5))
        module.raises = config.raises
        return module

    @zoo.hookimpl
    def fit(self, model):
        if model.raises:
            raise BaseException("no luck")

    @zoo.hookimpl
    def sample(self, model, n, options):
        if options.quits:
            sys.exit("no more")
        return model.p.expand(n, *model.p.shape)


def test_a_contestant_that_raises_anything_at_all_costs_no_other(tmp_path):
    registry = Registry(extensions=False)
    registry.register(QuittingPlugin)
    contestants = ["quitting", "quitting:sample.quits=true", "quitting:raises=true"]
    comparison = registry.compare(
        contestants, "bars-and-stripes:3", seeds=1, steps=1, executor=InlineExecutor(), out=tmp_path
    )
    assert comparison.failed == [
        "quitting:sample.quits=true seed 0: something called sys.exit('no more')",
        "quitting:raises=true seed 0: BaseException: no luck",
    ]
    assert comparison["quitting"].cells[0].metrics
