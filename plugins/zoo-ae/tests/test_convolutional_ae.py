"""The convolutional form: the same equations, each W but the code's a 3×3 convolution of stride 2."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Generator
from zoo_ae.model import AE, AEConfig
from zoo_ae.plugin import AEPlugin

import zoo

PLUGIN = AEPlugin()


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def build(shape=(4, 3), support="unit", **config) -> AE:
    settings = {"network": "conv", "channels": (2, 3), "latent_dim": 2, "activation": "tanh"} | config
    torch.manual_seed(0)
    model = PLUGIN.build(AEConfig(**settings), zoo.DataSpec(shape, support)).double()
    with torch.no_grad():
        for bias in [*model.b, *model.c]:
            bias.uniform_(-1, 1)
    return model


def images(n: int, *shape: int) -> torch.Tensor:
    return torch.rand(n, *shape, generator=seeded(9), dtype=torch.float64)


def convolved(x: torch.Tensor, W: torch.Tensor) -> torch.Tensor:
    """y_cij = Σ_duv W_cduv x_d,2i+u−1,2j+v−1, x being 0 outside: (B, D, H, W) -> (B, C, ⌈H/2⌉, ⌈W/2⌉)."""
    _, _, height, width = x.shape
    y = x.new_zeros(len(x), len(W), -(-height // 2), -(-width // 2))
    for i, j, u, v in product(range(y.shape[2]), range(y.shape[3]), range(3), range(3)):
        row, column = 2 * i + u - 1, 2 * j + v - 1
        if 0 <= row < height and 0 <= column < width:
            y[:, :, i, j] += x[:, :, row, column] @ W[:, :, u, v].T
    return y


@pytest.mark.parametrize("leading", [(), (1,), (3,)])
def test_the_reconstruction_has_the_shape_of_the_image_for_all_sides_and_channels(leading):
    sides = [sides for sides in product(range(1, 10), repeat=2) if max(sides) > 2]
    for height, width in [*sides, (28, 28), (13, 32)]:
        x = images(2, *leading, height, width)
        model = build(x.shape[1:])
        h = PLUGIN.encode(model, x)
        assert h.shape == (2, 2)
        assert PLUGIN.decode(model, h).shape == x.shape


@pytest.mark.parametrize("shape", [(6, 5), (1, 6, 5), (3, 7, 4)])
def test_the_code_is_the_chain_written_out(shape):
    model, x = build(shape, code="relu"), images(3, *shape)
    W1, W2, W3 = model.W
    b1, b2, b3 = model.b
    h = x.reshape(3, -1, *shape[-2:])
    h = (convolved((convolved(h, W1) + b1).tanh(), W2) + b2).tanh()
    torch.testing.assert_close(PLUGIN.encode(model, x), (h.flatten(1) @ W3.T + b3).relu())


@pytest.mark.parametrize("shape", list(product((4, 5, 6, 7), repeat=2)))
def test_a_tied_decoder_is_the_transpose_of_the_encoder(shape):
    # Without biases, and with tanh'(0) = 1, the derivative at 0 is the product of the linear maps.
    model = build(shape, "real", tied=True)
    with torch.no_grad():
        for bias in [*model.b, *model.c]:
            bias.zero_()
    up = torch.autograd.functional.jacobian(model.encode, torch.zeros(1, *shape, dtype=torch.float64))
    down = torch.autograd.functional.jacobian(model.decode, torch.zeros(1, 2, dtype=torch.float64))
    torch.testing.assert_close(down.reshape(-1, 2), up.reshape(2, -1).T)


@pytest.mark.parametrize("shape", [(4, 4), (5, 7)])
def test_an_untied_decoder_with_the_encoders_weights_is_the_tied_one(shape):
    tied, own = build(shape, tied=True), build(shape)
    with torch.no_grad():
        for kept, source in zip([*own.W, *own.b, *own.c], [*tied.W, *tied.b, *tied.c], strict=True):
            kept.copy_(source)
        for W_star, W in zip(own.W_star, tied.W, strict=True):
            W_star.copy_(W.transpose(0, 1))
    x = images(5, *shape)
    errors = [PLUGIN.loss(model, x, seeded())["loss"] for model in (tied, own)]
    torch.testing.assert_close(errors[0], errors[1])
    for error in errors:
        error.backward()
    for shared, W, W_star in zip(tied.W, own.W, own.W_star, strict=True):
        torch.testing.assert_close(shared.grad, W.grad + W_star.grad.transpose(0, 1))


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("support", ["unit", "real"])
def test_the_gradient_matches_finite_differences_and_reaches_every_parameter(tied, support):
    model = build((3, 7, 5), support, tied=tied)
    x = images(3, 3, 7, 5)
    names, values = zip(*model.named_parameters(), strict=True)

    def objective(*parameters):
        arguments = {f"model.{name}": value for name, value in zip(names, parameters, strict=True)}
        reconstruction = torch.func.functional_call(Reconstruction(model), arguments, (x,))
        return (reconstruction - x).square().flatten(1).sum(1).mean()

    torch.testing.assert_close(PLUGIN.loss(model, x, seeded())["loss"], objective(*values))
    assert torch.autograd.gradcheck(objective, values)
    PLUGIN.loss(model, x, seeded())["loss"].backward()
    assert all((p.grad != 0).all() for p in model.parameters())


class Reconstruction(torch.nn.Module):
    """decode(encode(x)) as a forward pass, which `functional_call` wants."""

    def __init__(self, model: AE):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model.decode(self.model.encode(x))


@pytest.mark.parametrize("shape", [(3, 5), (3, 3, 5)])
def test_initialise_starts_every_value_of_the_output_at_its_own_clipped_mean(shape):
    train = images(4, *shape).round()
    model = build(shape)
    PLUGIN.initialise(model, train)
    with torch.no_grad():
        model.W_star[0].zero_()
    x = PLUGIN.decode(model, torch.randn(2, 2, generator=seeded(), dtype=torch.float64))
    torch.testing.assert_close(x, train.mean(0).clamp(0.01, 0.99).expand(2, *shape))


def test_the_image_is_the_same_with_and_without_its_one_channel():
    plain, one = build((5, 4)), build((1, 5, 4))
    x = images(3, 5, 4)
    h = PLUGIN.encode(plain, x)
    torch.testing.assert_close(PLUGIN.encode(one, x[:, None]), h)
    torch.testing.assert_close(PLUGIN.decode(one, h), PLUGIN.decode(plain, h)[:, None])


def test_a_few_epochs_of_the_defaults_reconstruct_unseen_digits_better_than_pca_with_as_many_values():
    x = torch.from_numpy(load_digits().images / 16).float()
    x = x[torch.randperm(len(x), generator=seeded())]
    train, test = x[:899], x[899:]
    training, batches = PLUGIN.card.training, seeded(1)
    torch.manual_seed(0)
    model = PLUGIN.build(AEConfig(network="conv"), zoo.DataSpec((8, 8), "unit"))
    PLUGIN.initialise(model, train)
    optimiser = torch.optim.Adam(model.parameters(), training.learning_rate)
    for _ in range(20):
        for batch in torch.randperm(len(train), generator=batches).split(training.batch_size):
            optimiser.zero_grad()
            PLUGIN.loss(model, train[batch], batches)["loss"].backward()
            optimiser.step()
    mean = train.flatten(1).mean(0)
    axes = torch.linalg.svd(train.flatten(1) - mean, full_matrices=False).Vh[: AEConfig().latent_dim]
    centred = test.flatten(1) - mean
    pca = (centred - centred @ axes.T @ axes).square().sum(1).mean()
    assert PLUGIN.loss(model.eval(), test, seeded())["loss"].item() < pca.item()


@pytest.mark.parametrize("tied", ["false", "true"])
def test_a_trained_model_is_the_same_after_saving_and_loading(tied, tmp_path):
    model = zoo.train(f"ae@gaussian:network=conv,channels=[4],tied={tied}", "digits", steps=3, folder=tmp_path)
    loaded = zoo.load(tmp_path)
    assert loaded.config == AEConfig(network="conv", channels=(4,), tied=tied == "true")
    x = images(5, 8, 8).float()
    torch.testing.assert_close(loaded.reconstruct(x), model.reconstruct(x), rtol=0, atol=0)
    torch.testing.assert_close(loaded.sample(5, seed=1), model.sample(5, seed=1), rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(64,), (2, 8, 8), (8, 8, 3), (1, 3, 8, 8)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(zoo.ConfigError, match=r"network = conv is for images.*got .*network = mlp takes any shape"):
        build(shape)


@pytest.mark.parametrize(("shape", "most"), [((1, 1), 0), ((2, 2), 1), ((1, 9), 4), ((8, 8), 3), ((3, 17, 5), 5)])
def test_as_many_convolutions_are_taken_as_there_is_something_to_halve(shape, most):
    if most:
        assert build(shape, channels=(2,) * most).W[most - 1].shape == (2, 2 if most > 1 else 1, 3, 3)
    with pytest.raises(zoo.ConfigError, match=rf"at most {most} convolutions for images of .*, got {most + 1}\."):
        build(shape, channels=(2,) * (most + 1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "conv", "hidden": [64]}, r"hidden needs network = mlp, got hidden = \[64\] with network = conv"),
        ({"network": "conv", "hidden": []}, r"hidden needs network = mlp, got hidden = \[\] with network = conv"),
        ({"channels": [8]}, r"channels needs network = conv, got channels = \[8\] with network = mlp"),
        ({"network": "conv", "channels": []}, "channels .*at least 1"),
        ({"network": "conv", "channels": [8, 0]}, "channels.1 must be greater than 0"),
    ],
)
def test_layers_of_the_other_network_and_empty_ones_are_refused(settings, message):
    with pytest.raises(zoo.ConfigError, match=message):
        AEConfig.parse(settings, "ae")


@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_a_config_that_spells_out_every_default_is_taken(network):
    config = AEConfig(network=network)
    assert AEConfig.parse(config.model_dump(mode="json"), "ae") == config
