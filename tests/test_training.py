"""The trainer: what a step sees, when it ends, what it leaves behind."""

import dataclasses
import json
import random
import time

import numpy as np
import pytest
import torch
from torch import nn

import zoo
from zoo.api import Registry
from zoo.contestant import parse_contestant
from zoo.training.average import Average
from zoo.training.budget import TrainingBudget
from zoo.training.learner import schedule


class Recorder(nn.Module):
    """Independent units: one log-odds per value; remembers every batch that it was shown."""

    def __init__(self, size):
        super().__init__()
        self.logits = nn.Parameter(torch.randn(size))
        self.batches = []
        self.steps = []


class RecorderConfig(zoo.Config):
    grey: bool = False
    poison: int = -1


class RecorderPlugin:
    card = zoo.Card(
        name="recorder",
        summary="independent units",
        config=RecorderConfig,
        trains_on=lambda config: "grey" if config.grey else "bits",
        latent=None,
        samples="means",
        training=zoo.Training(learning_rate=0.05, batch_size=4),
    )

    @zoo.hookimpl
    def build(self, config, data):
        model = Recorder(data.size)
        model.config, model.shape = config, data.shape
        return model

    @zoo.hookimpl
    def loss(self, model, x, step):
        if model.training:
            model.batches.append(x.clone())
            model.steps.append((step.index, step.epoch, step.progress))
        flat = x.flatten(1)
        nll = nn.functional.binary_cross_entropy_with_logits(model.logits.expand_as(flat), flat, reduction="none")
        loss = nll.sum(1).mean()
        value = loss * float("nan") if step.index == model.config.poison else loss
        return {"loss": value, "half": loss.detach() / 2, "one": torch.ones(()), "chance": torch.rand(())}

    @zoo.hookimpl
    def encode(self, model, x):
        raise zoo.Unsupported("it has no code")

    @zoo.hookimpl
    def decode(self, model, z):
        raise zoo.Unsupported("it has no code")

    @zoo.hookimpl
    def sample(self, model, n):
        return torch.sigmoid(model.logits.detach()).expand(n, -1).unflatten(1, model.shape)


@pytest.fixture
def registry():
    registry = Registry()
    registry.register(RecorderPlugin)
    return registry


@pytest.fixture
def data():
    """20 examples of 2 grey values, 10 of them for training, every one different."""
    x = torch.linspace(0.1, 0.9, 40).reshape(20, 2)
    return zoo.Data.from_arrays(x, name="ramp")


def rows(batches):
    return sorted(tuple(row.tolist()) for batch in batches for row in batch)


def test_every_epoch_shows_each_training_example_once_in_another_order(registry, data):
    model = registry.train("recorder", data, epochs=2, grey=True)
    batches = model.module.batches
    assert [len(batch) for batch in batches] == [4, 4, 2, 4, 4, 2]
    assert rows(batches[:3]) == rows(batches[3:]) == rows([data.train])
    assert not torch.equal(torch.cat(batches[:3]), torch.cat(batches[3:]))


def test_bits_are_drawn_anew_each_epoch_from_the_grey_values(registry, data):
    model = registry.train("recorder", data, epochs=400)
    shown = torch.cat(model.module.batches)
    assert set(shown.unique().tolist()) == {0.0, 1.0}
    p = data.train.mean(0)
    error = (p * (1 - p) / len(shown)).sqrt()
    assert ((shown.mean(0) - p).abs() < 4 * error).all()


def test_data_of_bits_are_shown_as_they_are(registry):
    x = (torch.arange(60).reshape(20, 3) % 7 > 2).float()
    data = zoo.Data.from_arrays(x)
    model = registry.train("recorder", data, epochs=1)
    assert rows(model.module.batches) == rows([data.train])


@pytest.mark.parametrize("optimiser", ["adam", "adamw"])
@pytest.mark.parametrize(
    ("settings", "betas", "epsilon"),
    [
        ("", (0.9, 0.999), 1e-8),
        (",train.epsilon=0.5", (0.9, 0.999), 0.5),
        (",train.betas=[0.3,0.6]", (0.3, 0.6), 1e-8),
        (",train.betas=[0,0.0]", (0.0, 0.0), 1e-8),
    ],
)
def test_betas_and_epsilon_are_those_of_the_update(registry, data, optimiser, settings, betas, epsilon):
    """m ← β₁ m + (1 − β₁) g, s ← β₂ s + (1 − β₂) g², w ← w − η m/(1 − β₁ᵗ) / (√(s/(1 − β₂ᵗ)) + ε), three times."""
    start = registry.create("recorder", data).module.logits.detach().double()
    model = registry.train(f"recorder:train.optimiser={optimiser}{settings}", data, steps=3, grey=True)
    w, m, s = start, torch.zeros(2).double(), torch.zeros(2).double()
    for t, batch in enumerate(model.module.batches, 1):
        g = w.sigmoid() - batch.double().mean(0)
        m, s = betas[0] * m + (1 - betas[0]) * g, betas[1] * s + (1 - betas[1]) * g**2
        w = w - 0.05 * m / (1 - betas[0] ** t) / ((s / (1 - betas[1] ** t)).sqrt() + epsilon)
    torch.testing.assert_close(model.module.logits.detach().double(), w, rtol=0, atol=1e-6)
    assert model.protocol["training"]["betas"] == list(betas)
    assert model.protocol["training"]["epsilon"] == epsilon


def test_step_counts_updates_epochs_and_progress(registry, data):
    model = registry.train("recorder", data, epochs=2)
    assert model.module.steps == [(i, i // 3, pytest.approx(i / 6)) for i in range(6)]


@pytest.mark.parametrize(("budget", "steps"), [({"epochs": 1.6}, 5), ({"steps": 5}, 5), ({"epochs": 0.01}, 1)])
def test_a_budget_ends_training_after_exactly_its_steps(registry, data, budget, steps):
    assert len(registry.train("recorder", data, **budget).module.steps) == steps


def test_a_budget_of_seconds_ends_training_in_time(registry, data, tmp_path):
    model = registry.train("recorder", data, seconds=0.3, folder=tmp_path)
    progress = [each[2] for each in model.module.steps]
    assert len(progress) > 3
    assert progress == sorted(progress)
    assert progress[-2] < 1.0  # the time may run out between the last step's beginning and its look at the clock


class SlowlySetUp(RecorderPlugin):
    """A model whose parameters take 0.3 s to list, as torch's first optimiser takes seconds to import."""

    card = dataclasses.replace(RecorderPlugin.card, name="slowly-set-up")

    @zoo.hookimpl
    def build(self, config, data):
        model = super().build(config, data)
        listed = model.parameters
        model.parameters = lambda: (time.sleep(0.3), *listed())[1:]
        return model


def test_what_is_set_up_before_the_first_step_is_not_the_budgets(registry, data, tmp_path):
    registry.register(SlowlySetUp)
    model = registry.train("slowly-set-up", data, seconds=0.2, folder=tmp_path)
    assert model.module.steps[0][2] < 0.5
    assert json.loads((tmp_path / "run.json").read_text())["steps"] == len(model.module.steps) > 0


class Slow(RecorderPlugin):
    """A model each of whose steps takes 0.05 s."""

    card = dataclasses.replace(RecorderPlugin.card, name="slow")

    @zoo.hookimpl
    def loss(self, model, x, step):
        time.sleep(0.05)
        return super().loss(model, x, step)


def test_the_seconds_of_a_run_are_those_of_all_its_steps(registry, data, tmp_path):
    registry.register(Slow)
    registry.train("slow", data, epochs=1, folder=tmp_path)
    run = json.loads((tmp_path / "run.json").read_text())
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    for seconds in (run["seconds"], json.loads(line)["seconds"]):
        assert 0.05 * run["steps"] <= seconds < 0.05 * run["steps"] + 5


class Asking(RecorderPlugin):
    """A model with its own fit, which asks whether it may go on."""

    card = dataclasses.replace(RecorderPlugin.card, name="asking", training=zoo.Training())
    loss = None

    @zoo.hookimpl
    def fit(self, model, budget):
        while not budget.exhausted:
            budget.step(model, loss=0.0)


@pytest.mark.parametrize("name", ["recorder", "asking"])
def test_a_budget_that_ends_before_the_first_step_is_an_error(registry, data, tmp_path, name):
    registry.register(Asking)
    with pytest.raises(zoo.ConfigError, match="budget of 1e-09 seconds was used up before the first step; give a larg"):
        registry.train(name, data, seconds=1e-9, folder=tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "failed"
    assert not (tmp_path / "model.safetensors").exists()


def test_a_budget_that_cannot_be_is_refused():
    with pytest.raises(zoo.ConfigError, match="keep one"):
        TrainingBudget.choose(epochs=1, steps=1, seconds=None)
    for value in (0, -1, float("nan"), float("inf")):
        with pytest.raises(zoo.ConfigError, match="finite number above 0"):
            TrainingBudget(value, "seconds")
    with pytest.raises(zoo.ConfigError, match="whole number"):
        TrainingBudget(1.5, "steps")


def test_the_same_seed_gives_identical_weights_and_another_seed_others_from_the_start(registry, data):
    a, b, c = (registry.train("recorder", data, epochs=3, seed=seed).module.logits for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    first = [registry.create("recorder", data, seed=seed).module.logits for seed in (0, 0, 1)]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


def test_create_gives_the_weights_that_training_starts_from(registry, data):
    trained = registry.train("recorder:train.learning_rate=1e-30", data, steps=1, seed=5)
    assert torch.allclose(trained.module.logits, registry.create("recorder", data, seed=5).module.logits)


def test_training_leaves_the_callers_random_state_and_threads_alone(registry, data):
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    threads = torch.get_num_threads()
    expected = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    registry.train("recorder", data, epochs=1)
    assert torch.equal(torch.get_rng_state(), expected[0])
    assert np.random.get_state()[1].tolist() == expected[1]
    assert random.getstate() == expected[2]
    assert torch.get_num_threads() == threads


def test_what_a_loss_draws_from_the_global_state_depends_on_the_seed_alone(registry, data):
    torch.manual_seed(1)
    seen = []
    for seed in (0, 0, 1):
        registry.train("recorder", data, steps=1, seed=seed, progress=lambda each: seen.append(each.losses["chance"]))
    assert seen[0] == seen[1] != seen[2]


def test_the_training_seed_does_not_depend_on_the_callers_random_state(registry, data):
    torch.manual_seed(1)
    a = registry.train("recorder", data, epochs=1).module.logits
    torch.manual_seed(2)
    assert torch.equal(a, registry.train("recorder", data, epochs=1).module.logits)


def test_a_diverged_training_is_stopped_and_writes_no_model(registry, data, tmp_path):
    with pytest.raises(zoo.DivergedError, match="loss is nan at step 6; lower the learning rate") as error:
        registry.train("recorder:poison=4", data, epochs=4, folder=tmp_path)
    assert error.value.exit_code == 6
    assert not (tmp_path / "model.safetensors").exists()


def test_the_log_holds_the_mean_losses_of_each_epoch(registry, data, tmp_path):
    import json

    model = registry.train("recorder:grey=true", data, epochs=2, folder=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["epoch"], line["step"]) for line in lines] == [(1, 3), (2, 6)]
    assert lines[1]["half"] == pytest.approx(lines[1]["loss"] / 2)
    assert lines[1]["one"] == 1.0
    assert lines[1]["learning_rate"] == 0.05
    assert json.loads((tmp_path / "run.json").read_text())["steps"] == len(model.module.steps)


@pytest.mark.parametrize("average", [0.0, 0.5])
def test_early_stopping_keeps_the_weights_with_the_best_validation_loss(registry, data, tmp_path, average):
    """With averaged weights, it validates and keeps averages."""
    import json

    settings = f"train.patience=3,train.learning_rate=3,train.average={average}"
    model = registry.train(f"recorder:grey=true,{settings}", data, epochs=100, folder=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    losses = [line["valid_loss"] for line in lines if "valid_loss" in line]
    assert len(losses) - 1 - losses.index(min(losses)) == 3
    flat = data.valid.flatten(1)
    kept = nn.functional.binary_cross_entropy_with_logits(model.module.logits.expand_as(flat), flat, reduction="none")
    assert kept.sum(1).mean().item() == pytest.approx(min(losses))


def test_averaged_weights_are_the_bias_corrected_moving_average():
    module, decay = nn.Linear(1, 1, bias=False), 0.9
    average, values = Average(module.parameters(), decay), [1.0, 3.0, -2.0]
    for value in values:
        module.weight.data.fill_(value)
        average.update()
    total = sum((1 - decay) * decay ** (2 - i) * value for i, value in enumerate(values))
    with average.applied():
        assert module.weight.item() == pytest.approx(total / (1 - decay**3))
    assert module.weight.item() == -2.0
    average.keep()
    assert module.weight.item() == pytest.approx(total / (1 - decay**3))


def test_the_trained_model_has_the_averaged_weights(registry, data):
    last, averaged = (
        registry.train(f"recorder:grey=true,train.average={decay}", data, steps=1).module.logits for decay in (0.0, 0.9)
    )
    assert torch.equal(last, averaged)  # after one step the average is the weights
    last, averaged = (
        registry.train(f"recorder:grey=true,train.average={decay}", data, steps=9).module.logits for decay in (0.0, 0.9)
    )
    assert not torch.equal(last, averaged)


def test_the_schedule_rises_over_the_warm_up_and_falls_to_zero():
    assert [schedule(zoo.Training(), p) for p in (0.0, 0.5, 1.0)] == [1.0, 1.0, 1.0]
    assert [schedule(zoo.Training(schedule="linear"), p) for p in (0.0, 0.25, 1.0)] == [1.0, 0.75, 0.0]
    cosine = zoo.Training(schedule="cosine", warmup=0.2)
    expected = [0.0, 0.5, 1.0, 0.5, 0.0]
    assert [schedule(cosine, p) for p in (0.0, 0.1, 0.2, 0.6, 1.0)] == pytest.approx(expected)


class ClosedForm(RecorderPlugin):
    """The same model by its closed form: the log-odds of the mean."""

    card = zoo.Card(
        name="closed-form", summary="closed form", config=RecorderConfig, trains_on="grey", latent=None, samples="means"
    )
    loss = None

    @zoo.hookimpl
    def fit(self, model, train, budget):
        model.logits.data = torch.logit(train.flatten(1).mean(0))
        budget.step(model, loss=1.0)


def test_a_model_with_fit_is_trained_by_it_and_logged(data, tmp_path):
    registry = Registry()
    registry.register(ClosedForm)
    model = registry.train("closed-form", data, folder=tmp_path)
    assert torch.allclose(model.sample(3, seed=0)[0], data.train.mean(0))
    assert (tmp_path / "metrics.jsonl").read_text().count("\n") == 1


def test_a_whole_pass_uses_the_steps_to_the_end_of_the_epoch_or_the_budget():
    meter, model, after = zoo.Meter(TrainingBudget(8, "steps"), examples=60, batch_size=20), nn.Identity(), []
    meter.step(model, loss=1.0)
    while not meter.exhausted:
        meter.whole_pass(model, loss=1.0)
        after.append(meter.index)
    assert after == [3, 6, 8]
    with pytest.raises(zoo.PluginError, match="used up"):
        meter.whole_pass(model, loss=1.0)


class Endless(ClosedForm):
    """Takes steps for as long as it is let."""

    @zoo.hookimpl
    def fit(self, model, budget):
        while True:
            budget.step(model)


@pytest.mark.parametrize(("budget", "said"), [({"steps": 3}, r"3 steps \(3 steps\)"), ({"epochs": 2}, r"2 epochs \(")])
def test_a_fit_gets_no_step_beyond_the_budget(data, budget, said):
    registry = Registry()
    registry.register(Endless)
    with pytest.raises(zoo.PluginError, match=f"The budget of {said}.* fit must stop when budget.exhausted is true"):
        registry.train("closed-form", data, **budget)


def test_settings_that_a_fit_of_its_own_would_ignore_are_refused_before_any_work(data):
    registry = Registry()
    registry.register(ClosedForm)
    with pytest.raises(zoo.ConfigError, match=r"remove train\.clip, train\.average, or use its own settings"):
        registry.train("closed-form:train.batch_size=5,train.clip=1,train.average=0.9", "no-such-data.csv")
    assert registry.train("closed-form:train.batch_size=5", data, steps=1).module is not None


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda loss: loss, "must return a dictionary with the key 'loss'"),
        (lambda loss: {"elbo": loss}, "must return a dictionary with the key 'loss'"),
        (lambda loss: {"loss": loss.expand(2)}, "must return scalars"),
        (lambda loss: {"loss": loss.detach()}, "without a gradient"),
    ],
)
def test_a_loss_that_breaks_the_contract_is_named_with_its_plugin(data, answer, message):
    class Wrong(RecorderPlugin):
        @zoo.hookimpl
        def loss(self, model, x):
            return answer((model.logits**2).sum())

    registry = Registry()
    registry.register(Wrong)
    with pytest.raises(zoo.PluginError, match=f"hook 'loss' of 'recorder'.*{message}"):
        registry.train("recorder", data, epochs=1)


def test_settings_are_refused_all_at_once_before_any_work(registry):
    with pytest.raises(
        zoo.ConfigError, match=r"poison must be a valid integer, got 1.5; no key 'gray'\. Did you mean 'grey'"
    ):
        registry.train("recorder:gray=true,poison=1.5", "no-such-data.csv")


def test_a_density_over_other_codes_is_refused_in_a_sentence(registry, data):
    with pytest.raises(zoo.ConfigError, match="recorder has no codes, and normal is a density over 'real' codes"):
        registry.train("recorder@normal", data)


def test_contestant_settings_reach_model_training_and_sampling():
    parsed = parse_contestant("recorder:grey=true,train.batch_size=2,sample.steps=3")
    assert (parsed.config, parsed.training, parsed.options) == ({"grey": True}, {"batch_size": 2}, {"steps": 3})
