"""The two losses and the penalty, against closed forms; and what playing learns."""

from __future__ import annotations

import json
import random

import pytest
import torch
from torch import Generator, nn
from zoo_gan.model import GAN, GANConfig
from zoo_gan.plugin import GANPlugin

import zoo

PLUGIN = GANPlugin()


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def build(shape=(3,), support="real", **config) -> GAN:
    torch.manual_seed(0)
    return GAN(GANConfig(**{"latent_dim": 2, "hidden": (8,)} | config), zoo.DataSpec(shape, support))


def linear(w: list[float]) -> nn.Sequential:
    """f(x) = wᵀx."""
    f = nn.Linear(len(w), 1, bias=False)
    f.weight.data = torch.tensor([w])
    return nn.Sequential(f)


@pytest.mark.parametrize("w", [[3.0, 4.0, 0.0], [0.3, 0.0, -0.4], [0.0, 1.0, 0.0]])
def test_the_penalty_of_a_linear_critic_is_the_square_of_its_slope_minus_one(w):
    model = build()
    model.critic = linear(w)
    x, fake = torch.randn(2, 6, 3, generator=seeded(1))
    norm = torch.tensor(w).norm()
    torch.testing.assert_close(model.gradient_penalty(x, fake, seeded()), (norm - 1).square(), atol=1e-6, rtol=1e-5)


def test_the_penalty_is_taken_on_the_line_between_each_pair():
    """For f(x) = ½ x² in one dimension, f' = x̂ = u x + (1 − u) G, with the u that the generator draws."""

    class Half(nn.Module):
        def forward(self, x):
            return x.square() / 2

    model = build((1,))
    model.critic = Half()
    x, fake = torch.tensor([[2.0], [5.0]]), torch.tensor([[-1.0], [3.0]])
    u = torch.rand(2, generator=seeded())[:, None]
    expected = ((u * x + (1 - u) * fake).abs() - 1).square().mean()
    torch.testing.assert_close(model.gradient_penalty(x, fake, seeded()), expected)


@pytest.mark.parametrize("penalty", [0.0, 10.0])
def test_the_critics_loss_is_e_f_fake_minus_e_f_real_plus_the_penalty(penalty):
    model = build(penalty=penalty)
    w = [3.0, 4.0, 0.0]
    model.critic = linear(w)
    x = torch.randn(6, 3, generator=seeded(1))
    losses = PLUGIN.loss(model, x, seeded(), "critic")
    fake = model.G(torch.randn(6, 2, generator=seeded()))
    expected = (fake @ torch.tensor(w)).mean() - (x @ torch.tensor(w)).mean() + penalty * (5 - 1) ** 2
    torch.testing.assert_close(losses["loss"], expected)
    torch.testing.assert_close(losses["penalty"], torch.tensor(16.0))


def test_the_generators_loss_is_minus_e_f_fake_and_the_critics_has_no_gradient_in_the_generator():
    model = build()
    x = torch.randn(6, 3, generator=seeded(1))
    found = PLUGIN.loss(model, x, seeded(), "generator")["loss"]
    torch.testing.assert_close(found, -model.critic(model.G(torch.randn(6, 2, generator=seeded()))).mean())
    loss = PLUGIN.loss(model, x, seeded(), "critic")["loss"]
    gradients = torch.autograd.grad(loss, list(model.generator.parameters()), allow_unused=True)
    assert all(gradient is None for gradient in gradients)


@pytest.mark.parametrize("shift", [0.5, 3.0])
def test_the_best_linear_critic_of_two_points_finds_their_distance(shift):
    """With slope s, the loss is −s d + λ (s − 1)²: least at s = 1 + d/2λ, where E f(x) − E f(G) = d + d²/2λ."""
    model = build((1,), penalty=10.0)
    model.critic = linear([0.1])
    for parameter in model.generator.parameters():
        parameter.data.zero_()
    x = torch.full((16, 1), shift)
    optimiser, draws = torch.optim.SGD(model.critic.parameters(), lr=0.02), seeded()
    for _ in range(200):
        optimiser.zero_grad()
        losses = PLUGIN.loss(model, x, draws, "critic")
        losses["loss"].backward()
        optimiser.step()
    assert losses["distance"].item() == pytest.approx(shift + shift**2 / 20, rel=1e-4)


@pytest.fixture(scope="module")
def registry() -> zoo.Registry:
    registry = zoo.Registry()
    if "gan" not in registry.names():
        registry.register(GANPlugin)
    return registry


PATTERNS = torch.tensor([[1.0, 1, 1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0, 1, 1]])


@pytest.fixture(scope="module")
def two_patterns() -> zoo.Data:
    """Two patterns of 8 bits, of which the second occurs three times as often."""
    return zoo.Data.from_arrays(PATTERNS.repeat_interleave(torch.tensor([100, 300]), dim=0), name="two patterns")


SMALL = "gan:hidden=[32],latent_dim=4"


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_a_critic_of_two_layers_finds_the_distance_of_two_points(shift):
    """Of all f, one of slope 1 + d/2λ between the points is best: E f(x) − E f(G) = d + d²/2λ, here within 2 %."""
    model = build((3,), hidden=(32,))
    for parameter in model.generator.parameters():
        parameter.data.zero_()
    x, draws = torch.tensor([[0.6, 0.0, -0.8]]).expand(64, 3) * shift, seeded()
    optimiser = torch.optim.Adam(model.critic.parameters())
    for step in range(600):
        optimiser.param_groups[0]["lr"] = 0.01 * (1 - step / 600)
        optimiser.zero_grad()
        losses = PLUGIN.loss(model, x, draws, "critic")
        losses["loss"].backward()
        optimiser.step()
    assert losses["distance"].item() == pytest.approx(shift + shift**2 / 20, rel=0.02)


def test_samples_are_the_patterns_as_often_as_they_occur(registry, two_patterns):
    """A sample that is a pattern has a distance of 0 to the nearest; untrained ones lie in the middle, √8/2 away."""

    def nearest(model):
        return torch.cdist(model.sample(1000, seed=0), PATTERNS).min(1)

    before = nearest(registry.create(SMALL, two_patterns)).values.mean()
    after = nearest(registry.train(SMALL, two_patterns, steps=3000))
    assert before > 1.2
    assert after.values.median() < 0.1
    assert after.indices.float().mean().item() == pytest.approx(0.75, abs=0.1)


def test_the_critic_has_five_steps_for_one_of_the_generator(registry, two_patterns, tmp_path):
    registry.train(SMALL, two_patterns, steps=12, folder=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    logged = {name for line in lines for name in line if "." in name}
    assert logged == {"critic.loss", "critic.distance", "critic.penalty", "generator.loss"}
    one = registry.train(SMALL, two_patterns, steps=5).module
    start = registry.create(SMALL, two_patterns).module
    same = [torch.equal(a, b) for a, b in zip(one.generator.parameters(), start.generator.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(one.critic[0].weight, start.critic[0].weight)


def test_a_training_resumes_bit_for_bit_before_a_step_of_either_player(registry, two_patterns, tmp_path):
    whole = registry.train(SMALL, two_patterns, steps=18, folder=tmp_path, save_every=0, keep=18)
    wanted = (tmp_path / "model.safetensors").read_bytes()
    for step in [*random.Random(0).sample(range(1, 17), 3), 5, 6]:
        registry.resume(tmp_path / f"state-{step}.safetensors", data=two_patterns, save_every=1e9, keep=18)
        assert (tmp_path / "model.safetensors").read_bytes() == wanted, step
    assert whole.protocol["training"]["generator"]["average"] == 0.99


def test_each_player_has_its_settings(registry, two_patterns):
    model = registry.train(f"{SMALL},train.clip=2,train.critic.learning_rate=0.5", two_patterns, steps=1)
    settings = model.protocol["training"]
    assert [settings[player]["learning_rate"] for player in ("critic", "generator")] == [0.5, 2e-3]
    assert [settings[player]["clip"] for player in ("critic", "generator")] == [2.0, 2.0]


@pytest.mark.parametrize(
    ("shape", "support", "kind"),
    [
        ((8, 8), "unit", nn.Conv2d),
        ((3, 16, 16), "unit", nn.Conv2d),
        ((5, 5), "unit", nn.Linear),
        ((4,), "real", nn.Linear),
    ],
)
def test_the_network_follows_the_shape_of_the_data(shape, support, kind):
    model = build(shape, support)
    assert isinstance(next(part for part in model.critic if list(part.parameters())), kind)
    samples = PLUGIN.sample(model, 7, seeded())
    assert samples.shape == (7, *shape)
    assert (0 <= samples.min() <= samples.max() <= 1) == (support == "unit")


def test_convolutions_of_odd_images_are_refused():
    with pytest.raises(
        zoo.Unsupported, match=r"network=conv is for images whose sides are multiples of 4, not \(5, 5\)"
    ):
        build((5, 5), "unit", network="conv")


def test_there_is_no_encoder(registry, two_patterns):
    model = registry.create(SMALL, two_patterns)
    with pytest.raises(zoo.Unsupported, match="a GAN has no encoder"):
        model.encode(two_patterns.test)
    with pytest.raises(zoo.Unsupported, match="no likelihood|log_prob"):
        model.log_prob(two_patterns.test)
