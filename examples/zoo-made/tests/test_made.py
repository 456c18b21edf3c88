"""MADE against enumeration of all patterns, the Jacobian of its outputs, and its own one pass."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Generator, Tensor
from torch.distributions import Bernoulli
from zoo_made.model import MADE, MADEConfig, draw_degrees
from zoo_made.plugin import MADEPlugin

import zoo

PLUGIN = MADEPlugin()
STRUCTURES = [{"hidden": (), "orderings": 1}, {"hidden": (7,), "orderings": 3}, {"hidden": (7, 5), "orderings": 2}]


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def build(shape=(5,), seed=0, **config) -> MADE:
    """A MADE with random weights everywhere, direct connections included."""
    torch.manual_seed(seed)
    model = PLUGIN.build(MADEConfig(**config), zoo.DataSpec(shape, "bits")).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=seeded(1), dtype=torch.float64))
    return model.eval()


def patterns(V: int) -> Tensor:
    return torch.tensor(list(product([0.0, 1.0], repeat=V)), dtype=torch.float64)


def nats(model: MADE, x: Tensor) -> Tensor:
    (answer,) = PLUGIN.log_prob(model, x)
    assert answer.kind == "exact"
    return answer.nats.detach()


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_probabilities_of_all_patterns_sum_to_one_for_the_mixture_and_for_each_ordering(structure):
    model, x = build(**structure), patterns(5)
    assert nats(model, x).exp().sum().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(model.log_probs(x).exp().sum(1), torch.ones(len(model.m0), dtype=torch.float64))


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_jacobian_is_zero_where_an_output_must_not_look_and_only_there(structure):
    model = build(**structure | {"activation": "tanh"})
    x = torch.rand(5, generator=seeded(), dtype=torch.float64)
    for k in range(structure["orderings"]):
        J = torch.autograd.functional.jacobian(lambda x, k=k: model.o(x[None], k)[0], x)  # (d, d')
        place = model.m0[k]
        assert torch.equal(J != 0, place[:, None] > place)


def test_without_direct_connections_a_deep_network_still_looks_only_back():
    model = build(hidden=(40, 40), orderings=2, activation="tanh")
    with torch.no_grad():
        model.A.zero_()
    x = torch.rand(5, generator=seeded(), dtype=torch.float64)
    for k in range(2):
        J = torch.autograd.functional.jacobian(lambda x, k=k: model.o(x[None], k)[0], x)
        assert torch.equal(J != 0, model.m0[k][:, None] > model.m0[k])


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_outputs_are_the_conditionals_of_the_joint_distribution(structure):
    model, x = build(**structure), patterns(5)
    for k in range(structure["orderings"]):
        p = model.log_prob_of_ordering(x, k).exp()
        place, found = model.m0[k], model.o(x, k).sigmoid()
        for d in range(5):
            before = x[:, place < place[d]]
            same = (before[:, None] == before).all(-1)  # (32, 32): patterns that agree before d
            wanted = (same * (x[:, d] == 1) * p).sum(1) / (same * p).sum(1)
            torch.testing.assert_close(found[:, d], wanted)


def test_log_prob_is_the_sum_of_the_logs_of_the_conditionals():
    model, x = build(hidden=(7,), orderings=1), patterns(5)
    wanted = Bernoulli(logits=model.o(x, 0)).log_prob(x).sum(1)
    torch.testing.assert_close(nats(model, x), wanted.detach())


def test_the_mixture_is_the_mean_of_the_orderings_probabilities():
    model, x = build(hidden=(7,), orderings=3), patterns(5)
    wanted = torch.stack([model.log_prob_of_ordering(x, k).exp() for k in range(3)]).mean(0).log()
    torch.testing.assert_close(nats(model, x), wanted.detach())


def test_one_ordering_without_hidden_layers_is_a_chain_of_logistic_regressions():
    model, x = build((3,), hidden=(), orderings=1), patterns(3)
    W = (model.U + model.A).tril(-1)
    torch.testing.assert_close(model.o(x, 0), x @ W.T + model.b)


def test_log_prob_stays_finite_where_a_probability_rounds_to_one():
    model = build(hidden=(), orderings=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.b.fill_(800.0)
    assert nats(model, torch.zeros(1, 5, dtype=torch.float64)).item() == pytest.approx(-4000)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_bits_found_one_by_one_are_those_that_one_pass_gives(structure):
    model = build(**structure)
    u = torch.rand(200, 5, generator=seeded(3), dtype=torch.float64)
    for k in range(structure["orderings"]):
        x = model.ancestral(u, k)
        assert torch.equal(x, (u < model.o(x, k).sigmoid()).double())
        assert 0 < x.mean() < 1


def test_samples_occur_as_often_as_their_probability_says():
    model, n = build((4,), hidden=(7,), orderings=3), 40_000
    x = PLUGIN.sample(model, n, seeded())
    found = torch.bincount((x @ torch.tensor([8.0, 4.0, 2.0, 1.0], dtype=torch.float64)).long(), minlength=16) / n
    p = nats(model, patterns(4)).exp()
    assert ((found - p).abs() < 5 * (p * (1 - p) / n).sqrt() + 1 / n).all()


def test_the_same_generator_gives_the_same_samples_and_another_one_others():
    model = build()
    first, again, other = (PLUGIN.sample(model, 50, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_degrees_are_a_permutation_and_then_between_the_least_before_and_the_last_input():
    torch.manual_seed(0)
    m = draw_degrees((6, 400, 300), natural=False)
    assert m[0].sort().values.tolist() == [1, 2, 3, 4, 5, 6]
    assert m[0].tolist() != [1, 2, 3, 4, 5, 6]
    assert m[1].unique().tolist() == [1, 2, 3, 4, 5]
    assert m[2].unique().tolist() == [1, 2, 3, 4, 5]
    narrow = draw_degrees((6, 1, 200), natural=True)
    assert narrow[0].tolist() == [1, 2, 3, 4, 5, 6]
    assert narrow[2].min() == narrow[1].min()


def test_one_ordering_is_the_datas_own_and_several_differ():
    assert build(orderings=1).m0.tolist() == [[1, 2, 3, 4, 5]]
    assert len({tuple(m) for m in build((8,), orderings=4).m0.tolist()}) == 4


def test_orderings_take_turns_in_training_and_are_mixed_in_evaluation():
    model, x = build(hidden=(7,), orderings=3), patterns(5)
    for index in range(6):
        loss = PLUGIN.loss(model.train(), x, zoo.Step(index=index))["loss"]
        torch.testing.assert_close(loss, -model.log_probs(x)[index % 3].mean())
    torch.testing.assert_close(PLUGIN.loss(model.eval(), x, zoo.Step(index=1))["loss"], -nats(model, x).mean())


def test_initialise_starts_at_independent_pixels_with_the_clipped_mean_of_the_data():
    train = torch.tensor([[0.0, 1.0, 0.5], [0.0, 1.0, 1.0]])
    model = PLUGIN.build(MADEConfig(hidden=(4,)), zoo.DataSpec((3,), "unit"))
    PLUGIN.initialise(model, train)
    x = patterns(3).float()
    wanted = Bernoulli(torch.tensor([0.01, 0.99, 0.75])).log_prob(x).sum(1)
    torch.testing.assert_close(nats(model, x), wanted)


def test_the_gradient_matches_finite_differences():
    model, x = build((3,), hidden=(4, 3), orderings=2, activation="tanh"), patterns(3)
    names, values = zip(*model.named_parameters(), strict=True)

    class Loss(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x):
            return PLUGIN.loss(self.model, x, zoo.Step())["loss"]

    def objective(*parameters):
        arguments = {f"model.{name}": value for name, value in zip(names, parameters, strict=True)}
        return torch.func.functional_call(Loss(), arguments, (x,))

    assert torch.autograd.gradcheck(objective, values)


def test_images_are_the_same_examples_as_their_flat_values():
    images, flat, x = build((2, 3)), build((6,)), patterns(6)
    torch.testing.assert_close(nats(images, x.reshape(-1, 2, 3)), nats(flat, x))
    assert torch.equal(PLUGIN.sample(images, 9, seeded()), PLUGIN.sample(flat, 9, seeded()).reshape(9, 2, 3))


def test_a_single_bit_is_a_coin():
    model = build((1,))
    p = model.b.sigmoid().item()
    torch.testing.assert_close(nats(model, patterns(1)).exp(), torch.tensor([1 - p, p], dtype=torch.float64))


def test_there_is_no_code_and_no_real_valued_data():
    with pytest.raises(zoo.Unsupported, match="no latent space"):
        PLUGIN.encode(patterns(3))
    with pytest.raises(zoo.Unsupported, match="no latent space"):
        PLUGIN.decode(patterns(3))
    with pytest.raises(zoo.Unsupported, match="those of bits, not of real data"):
        PLUGIN.build(MADEConfig(), zoo.DataSpec((3,), "real"))


def test_the_diagnosis_is_the_mean_log_probability_of_each_split_and_of_single_orderings():
    model, x = build(hidden=(7,), orderings=3), patterns(5)
    found = PLUGIN.diagnose(model, x[:8], x[8:])
    assert found["log p(x) (training)"] == pytest.approx(nats(model, x[:8]).mean().item())
    assert found["log p(x) (validation)"] == pytest.approx(nats(model, x[8:]).mean().item())
    assert found["log p(x) of one ordering (validation)"] == pytest.approx(model.log_probs(x[8:]).mean().item())


def test_a_few_epochs_of_the_defaults_explain_unseen_digits_better_than_independent_pixels():
    x = torch.from_numpy(load_digits().images / 16).float()
    x = x[torch.randperm(len(x), generator=seeded())]
    train, test = x[:899], zoo.bernoulli(x[899:], seeded(1))
    training, draws, step = PLUGIN.card.training, seeded(2), zoo.Step()
    torch.manual_seed(0)
    model = PLUGIN.build(MADEConfig(), zoo.DataSpec((8, 8), "unit"))
    PLUGIN.initialise(model, train)
    optimiser = torch.optim.Adam(model.parameters(), training.learning_rate)
    for _ in range(10):
        bits = zoo.bernoulli(train, draws)
        for batch in torch.randperm(len(train), generator=draws).split(training.batch_size):
            optimiser.zero_grad()
            PLUGIN.loss(model, bits[batch], step)["loss"].backward()
            optimiser.step()
            step.index += 1
    independent = Bernoulli(train.mean(0).clamp(1e-3, 1 - 1e-3)).log_prob(test).flatten(1).sum(1)
    gain = nats(model.eval(), test) - independent
    assert gain.mean() > 1 + 4 * gain.std() / math.sqrt(len(gain))
