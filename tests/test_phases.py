"""Phases and players: whose turn it is, what a turn changes, and what a checkpoint keeps."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from torch import nn

import zoo
from zoo.api import Registry
from zoo.contestant import parse_contestant, sets_itself, with_setting
from zoo.training.checkpoints import CheckpointPolicy, earlier_states
from zoo.training.resume import RunRecord, plan_resumed
from zoo.training.train import train

RATE = 0.125  # powers of two, so that sums are exact


class Part(nn.Module):
    """One weight w of value 0."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(()))


class Game(nn.Module):
    """Three weights of value 0, a log of calls, and a weight that some models do not have."""

    def __init__(self):
        super().__init__()
        self.base, self.critic, self.maker = Part(), Part(), Part()
        self.register_parameter("absent", None)
        self.calls, self.initialised = [], []


PHASES = (
    zoo.Phase("base"),
    zoo.Phase("game", zoo.Player("critic", ("critic", "absent"), steps=2), zoo.Player("maker"), share=3.0),
)


class GamePlugin:
    """Each player's loss is the sum of all three weights, so that a step of SGD moves its own by −RATE."""

    card = zoo.Card(
        name="game",
        summary="a game of linear losses",
        config=zoo.Config,
        trains_on="grey",
        latent=None,
        samples="means",
        training=zoo.Training(optimiser="sgd", learning_rate=RATE, batch_size=4),
        phases=PHASES,
    )

    @zoo.hookimpl
    def build(self, data):
        model = Game()
        model.shape = data.shape
        return model

    @zoo.hookimpl
    def initialise(self, model, phase, train, generator):
        weights = [part.w.item() for part in (model.base, model.critic, model.maker)]
        model.initialised.append((phase, weights, len(train), float(torch.rand((), generator=generator))))

    @zoo.hookimpl
    def loss(self, model, x, step, player):
        if model.training:
            modes = [part.training for part in (model, model.base, model.critic, model.maker)]
            model.calls.append((step.index, step.phase, player, step.progress, modes))
        return {"loss": model.base.w + model.critic.w + model.maker.w, "index": torch.tensor(float(step.index))}

    @zoo.hookimpl
    def encode(self):
        raise zoo.Unsupported("it has no code")

    @zoo.hookimpl
    def decode(self):
        raise zoo.Unsupported("it has no code")

    @zoo.hookimpl
    def sample(self, model, n):
        return torch.full((n, *model.shape), 0.5)


def with_card(plugin=GamePlugin, **changes):
    """The plugin with another card."""
    return type("Changed", (plugin,), {"card": dataclasses.replace(plugin.card, **changes)})


def registry_of(plugin):
    registry = Registry(entry_points=False)
    registry.register(plugin)
    return registry


@pytest.fixture
def registry():
    return registry_of(GamePlugin)


@pytest.fixture(scope="module")
def data():
    """20 examples of 2 grey values, 10 of them for training: three steps an epoch."""
    return zoo.Data.from_arrays(torch.linspace(0.1, 0.9, 40).reshape(20, 2), name="ramp")


def weights(model):
    return [part.w.item() for part in (model.module.base, model.module.critic, model.module.maker)]


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_phases_have_their_shares_and_players_their_turns(registry, data):
    """Of 16 steps the first phase has 4; in the second, two steps of the critic precede one of the maker."""
    calls = registry.train("game", data, steps=16).module.calls
    assert [(phase, player) for _, phase, player, _, _ in calls[:4]] == [("base", "base")] * 4
    assert [player for _, _, player, _, _ in calls[4:]] == ["critic", "critic", "maker"] * 4
    assert [index for index, *_ in calls] == list(range(16))
    assert [progress for *_, progress, _ in calls] == [i / 4 for i in range(4)] + [i / 12 for i in range(12)]


def test_a_step_moves_the_weights_of_its_player_alone(registry, data):
    assert weights(registry.train("game", data, steps=16)) == [-4 * RATE, -8 * RATE, -4 * RATE]


def test_modules_that_the_phase_does_not_train_are_in_evaluation_mode(registry, data):
    calls = registry.train("game", data, steps=16).module.calls
    assert [modes for *_, modes in calls[:4]] == [[True, True, False, False]] * 4
    assert [modes for *_, modes in calls[4:]] == [[True, False, True, True]] * 12


def test_initialise_is_called_at_each_phase_with_the_weights_of_those_before(registry, data):
    (first, before, n, u), (second, after, _, v) = registry.train("game", data, steps=16).module.initialised
    assert (first, before, n) == ("base", [0, 0, 0], len(data.train))
    assert (second, after) == ("game", [-4 * RATE, 0, 0])
    assert u != v
    again = registry.train("game", data, steps=16).module.initialised
    assert [draw for *_, draw in again] == [u, v]


def test_initialise_without_a_phase_is_called_once(data):
    class Old(GamePlugin):
        @zoo.hookimpl
        def initialise(self, model):
            model.initialised.append("once")

    assert registry_of(Old).train("game", data, steps=16).module.initialised == ["once"]


def test_a_phase_without_steps_is_not_begun(data):
    phases = (zoo.Phase("base", share=3.0), zoo.Phase("game", *PHASES[1].players))
    model = registry_of(with_card(phases=phases)).train("game", data, steps=1)
    assert [phase for phase, *_ in model.module.initialised] == ["base"]
    assert weights(model) == [-RATE, 0, 0]


def test_a_player_has_its_own_settings_and_schedule(registry, data):
    """A linear schedule is about the progress in the phase: the maker's turns come at 2/12, 5/12, 8/12 and 11/12."""
    model = registry.train(
        "game:train.base.learning_rate=0.5,train.maker.schedule=linear,train.critic.clip=0.25", data, steps=16
    )
    turns = sum(1 - i / 12 for i in (2, 5, 8, 11))
    assert weights(model) == pytest.approx([-4 * 0.5, -8 * RATE * 0.25, -RATE * turns])
    settings = model.protocol["training"]
    assert list(settings) == ["base", "critic", "maker"]
    assert [settings[player]["learning_rate"] for player in settings] == [0.5, RATE, RATE]
    assert [settings[player]["clip"] for player in settings] == [0.0, 0.25, 0.0]


def test_a_setting_for_all_players_replaces_the_cards_and_is_replaced_by_that_of_one(data):
    phases = (PHASES[0], zoo.Phase("game", zoo.Player("critic", training=zoo.Training(clip=0.5)), zoo.Player("maker")))
    registry = registry_of(with_card(phases=phases))

    def clips(settings):
        return [each["clip"] for each in registry.train(f"game{settings}", data, steps=1).protocol["training"].values()]

    assert clips("") == [0, 0.5, 0]
    assert clips(":train.clip=0.25") == [0.25, 0.25, 0.25]
    assert clips(":train.clip=0.25,train.critic.clip=0.75") == [0.25, 0.75, 0.25]


def test_a_player_has_its_own_averaged_weights_from_the_beginning_of_its_phase(registry, data):
    """After n steps, w_t = −RATE t, and the average is Σ (1 − d) d^(n−t) w_t / (1 − d^n)."""
    model = registry.train("game:train.maker.average=0.5,train.base.average=0.75", data, steps=16)

    def average(n, d):
        return -RATE * sum((1 - d) * d ** (n - t) * t for t in range(1, n + 1)) / (1 - d**n)

    assert weights(model) == pytest.approx([average(4, 0.75), -8 * RATE, average(4, 0.5)])
    assert model.module.initialised[1][1] == pytest.approx([average(4, 0.75), 0, 0])


def test_the_log_names_the_players_where_there_are_several(registry, data, tmp_path):
    """Means are over a player's own steps, and a line ends with the phase: 4 steps, of which 3 are an epoch."""
    registry.train("game", data, steps=16, folder=tmp_path)
    found = lines(tmp_path)
    assert [line["step"] for line in found] == [3, 4, 6, 9, 12, 15, 16]
    assert found[0]["base.index"] == 1
    assert "index" not in found[0]
    assert (found[3]["maker.index"], found[3]["critic.index"]) == (6, (7 + 8) / 2)
    assert found[6]["maker.index"] == 15
    assert "critic.index" not in found[6]


def test_an_early_stop_begins_the_next_phase(registry, data, tmp_path):
    """The loss in evaluation falls without end, except with a rate of 0 in single precision."""
    model = registry.train(
        "game:train.base.patience=2,train.base.learning_rate=1e-300", data, steps=64, folder=tmp_path
    )
    stopped = 3 * 3  # the first epoch is the best, and two without a better one follow
    assert [phase for _, phase, *_ in model.module.calls] == ["base"] * stopped + ["game"] * 48
    assert [line["step"] for line in lines(tmp_path) if "base.valid_loss" in line] == [3, 6, 9]
    assert json.loads((tmp_path / "run.json").read_text())["steps"] == stopped + 48


def test_of_a_budget_of_time_each_phase_has_its_share(data, monkeypatch):
    now = [0.0]

    class Slow(GamePlugin):
        @zoo.hookimpl
        def loss(self, model, x, step, player):
            now[0] += 1.0
            return super().loss(model, x, step, player)

    clock = type("Clock", (), {"monotonic": staticmethod(lambda: now[0])})
    monkeypatch.setattr("zoo.runtime.ranks.time", clock)
    calls = registry_of(Slow).train("game", data, seconds=16).module.calls
    assert [phase for _, phase, *_ in calls] == ["base"] * 4 + ["game"] * 12
    assert [progress for *_, progress, _ in calls] == [i / 4 for i in range(4)] + [i / 12 for i in range(12)]


class NoisyPlugin(GamePlugin):
    """Losses that depend on draws, with optimisers that have moments, averages and early stopping."""

    card = dataclasses.replace(
        GamePlugin.card,
        phases=(
            zoo.Phase("base", zoo.Player("base", training=zoo.Training(optimiser="adam", average=0.5, patience=2))),
            zoo.Phase(
                "game",
                zoo.Player("critic", training=zoo.Training(optimiser="adamw", clip=0.1), steps=2),
                zoo.Player("maker", training=zoo.Training(momentum=0.9, average=0.5)),
                share=3.0,
            ),
        ),
    )

    @zoo.hookimpl
    def initialise(self, model, phase, generator):
        if phase == "game":
            with torch.no_grad():
                model.maker.w.add_(torch.randn((), generator=generator))

    @zoo.hookimpl
    def loss(self, model, x, generator, step, player):
        w = model.base.w + 2 * model.critic.w - model.maker.w
        noise = torch.randn((), generator=generator) + torch.rand(())
        return {"loss": (w - noise - x.mean()).square() * (2 if player == "critic" else 1)}


@pytest.mark.parametrize("steps", [17, 40])
def test_a_training_resumed_at_any_step_ends_with_the_same_bytes(data, tmp_path, steps):
    """Optimisers, averages, early stopping, turn and phase are in each checkpoint; of 40 steps, some are not used."""
    registry = registry_of(NoisyPlugin)
    whole, run = tmp_path / "whole", tmp_path / "run"
    registry.train("game", data, steps=steps, folder=whole, save_every=0, keep=100)
    wanted = [(whole / name).read_bytes() for name in ("model.safetensors",)]
    logged = [{k: v for k, v in line.items() if k != "seconds"} for line in lines(whole)]
    states = earlier_states(whole)
    assert len(states) >= steps - 3
    for state in states:
        run.mkdir()
        for file in (whole / "run.json", whole / "metrics.jsonl", state):
            (run / file.name).write_bytes(file.read_bytes())
        record = RunRecord.read(run / state.name)
        train(plan_resumed(registry, record, data=data, checkpoints=CheckpointPolicy(every=1e9)))
        assert (run / "model.safetensors").read_bytes() == wanted[0], state.name
        assert [{k: v for k, v in line.items() if k != "seconds"} for line in lines(run)] == logged, state.name
        for file in run.iterdir():
            file.unlink()
        run.rmdir()


def test_a_checkpoint_of_a_phase_that_the_model_does_not_have_is_refused(registry, data, tmp_path):
    registry.train("game", data, steps=16, folder=tmp_path)
    other = registry_of(with_card(phases=(PHASES[0], zoo.Phase("match", *PHASES[1].players))))
    with pytest.raises(zoo.CheckpointError, match="in the phase 'game', but the phases of the model are base, ma"):
        other.resume(tmp_path, data=data, allow_changes=True)


def test_a_run_with_more_budget_goes_on_in_its_last_phase(registry, data, tmp_path):
    registry.train("game", data, steps=16, folder=tmp_path)
    model = registry.resume(tmp_path, data=data, steps=24, allow_changes=True)
    assert weights(model) == [-4 * RATE, -12 * RATE, -6 * RATE]


def test_weights_of_another_run_are_not_overwritten_by_later_phases(data, tmp_path):
    class Zeroing(GamePlugin):
        @zoo.hookimpl
        def initialise(self, model, phase):
            with torch.no_grad():
                (model.base if phase == "base" else model.maker).w.fill_(0)

    registry = registry_of(Zeroing)
    registry.train("game", data, steps=16, folder=tmp_path)
    model = registry.train("game", data, steps=16, weights=tmp_path)
    assert weights(model) == [-8 * RATE, -16 * RATE, -8 * RATE]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("train.critc.clip=1", "game has no player 'critc', .* Did you mean 'critic'. Players: base, critic, maker"),
        ("train.critic.clipp=1", "Settings of the training of game: no key 'clipp'. Did you mean 'clip'"),
        ("train.critic.batch_size=2", "batch_size is the same for all players, got 2 for 'critic'"),
        ("train.critic.patience=2", "patience must be 0 for 'critic', which takes turns .* measure the quality"),
        ("train.patience=2", "patience must be 0 for 'critic'"),
    ],
)
def test_settings_of_players_are_checked_before_any_work(registry, data, settings, message):
    with pytest.raises(zoo.ConfigError, match=message):
        registry.train(f"game:{settings}", data)


def test_a_model_without_phases_has_no_players(data):
    with pytest.raises(zoo.ConfigError, match="game has no player 'model', .* It has no players"):
        registry_of(with_card(phases=())).train("game:train.model.clip=1", data)


@pytest.mark.parametrize(
    ("player", "message"),
    [
        (zoo.Player("critc"), "trains 'critc', which is neither a module nor a parameter .* Did you mean 'critic'"),
        (zoo.Player("all", ("critic", "maker.v")), "The model has 'base', 'critic', 'maker', 'absent'"),
        (zoo.Player("absent"), "must train at least one parameter that requires a gradient, but 'absent' has none"),
    ],
)
def test_the_modules_of_a_player_are_checked_once_the_model_is_built(data, player, message):
    registry = registry_of(with_card(phases=(zoo.Phase("one", player),)))
    with pytest.raises(zoo.PluginError, match=f"The player '{player.name}' of 'game' .*{message}"):
        registry.train("game", data)


def test_two_players_of_a_phase_share_no_parameter(data):
    phase = zoo.Phase("game", zoo.Player("critic"), zoo.Player("all", ("",)))
    with pytest.raises(zoo.PluginError, match="'critic' and 'all' of 'game' .* in one phase, but both train critic.w"):
        registry_of(with_card(phases=(phase,))).train("game", data)


def test_phases_may_depend_on_the_config(data):
    class Config(zoo.Config):
        rounds: int = 1

    def phases(config):
        return tuple(zoo.Phase(f"round_{i}", zoo.Player(f"critic_{i}", ("critic",))) for i in range(config.rounds))

    registry = registry_of(with_card(config=Config, phases=phases))
    model = registry.train("game:rounds=3,train.critic_2.learning_rate=0.5", data, steps=6)
    assert weights(model) == [0, -4 * RATE - 2 * 0.5, 0]
    with pytest.raises(zoo.ConfigError, match="no player 'critic_2'"):
        registry.train("game:train.critic_2.learning_rate=0.5", data)


def test_what_a_step_costs_is_said_for_all_and_for_each_player(registry, data, tmp_path):
    registry.train("game", data, steps=16, folder=tmp_path)
    ms = json.loads((tmp_path / "run.json").read_text())["step_ms"]
    assert list(ms) == ["all", "base", "critic", "maker"]
    assert ms["all"] == pytest.approx((4 * ms["base"] + 8 * ms["critic"] + 4 * ms["maker"]) / 16)


def test_info_shows_the_phases_and_the_settings_in_which_players_differ(data):
    phases = (PHASES[0], zoo.Phase("game", zoo.Player("critic", steps=2), zoo.Player("maker"), share=3.0))
    own = zoo.Phase("late", zoo.Player("late", ("base",), zoo.Training(clip=0.5)), share=4.0)
    facts = registry_of(with_card(phases=(*phases, own))).info("game")
    assert facts["phases"] == (
        "base (12% of the budget): base; game (38% of the budget): critic ×2, maker; late (50% of the budget): late"
    )
    rows = {row["name"]: row["default"] for row in facts["training"]}
    assert rows["learning_rate"] == RATE
    assert "clip" not in rows
    assert [rows[f"{player}.clip"] for player in ("base", "critic", "maker", "late")] == [0, 0, 0, 0.5]


def test_a_sensitivity_may_vary_a_setting_of_one_player():
    contestant = parse_contestant("game:train.clip=1")
    varied = with_setting(contestant, "train.critic.clip", 0.5)
    assert varied.training == {"clip": 1, "critic": {"clip": 0.5}}
    assert parse_contestant(varied.text).training == varied.training
    assert not sets_itself(contestant, "train.critic.clip")
    assert sets_itself(varied, "train.critic.clip")
    assert sets_itself(contestant, "train.clip")
