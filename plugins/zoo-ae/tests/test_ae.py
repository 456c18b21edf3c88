from __future__ import annotations

import copy
import math

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


def build(shape=(5,), support="unit", seed=0, **config) -> AE:
    torch.manual_seed(seed)
    model = PLUGIN.build(AEConfig(**config), zoo.DataSpec(shape, support)).double()
    with torch.no_grad():
        for bias in [*model.b, *model.c]:
            bias.uniform_(-1, 1)
    return model


def loss(model: AE, x: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return PLUGIN.loss(model, x, seeded(seed))["loss"]


def pca_error(x: torch.Tensor, components: int) -> float:
    """1/m Σ_i ‖x_i − its projection‖²: the sum of the discarded eigenvalues of the covariance."""
    return torch.linalg.eigvalsh(torch.cov(x.T, correction=0))[:-components].sum().item()


def real_data() -> torch.Tensor:
    mixing = torch.randn(8, 8, generator=seeded(1), dtype=torch.float64)
    return torch.randn(200, 8, generator=seeded(2), dtype=torch.float64) @ mixing + 3


def test_the_objective_of_a_worked_example_is_the_mean_over_examples_of_the_sum_over_values():
    model = build((2,), "real", hidden=(), latent_dim=1)
    with torch.no_grad():
        model.W[0].copy_(torch.tensor([[1.0, 2.0]]))
        model.b[0].copy_(torch.tensor([0.5]))
        model.W_star[0].copy_(torch.tensor([[1.0], [-1.0]]))
        model.c[0].copy_(torch.tensor([0.0, 1.0]))
    x = torch.tensor([[1.0, 1.0], [0.0, -1.0]], dtype=torch.float64)
    torch.testing.assert_close(model.encode(x), torch.tensor([[3.5], [-1.5]], dtype=torch.float64))
    torch.testing.assert_close(model.decode(model.encode(x))[0], torch.tensor([3.5, -2.5], dtype=torch.float64))
    # (2.5² + 3.5²) for the first, (1.5² + 3.5²) for the second
    assert loss(model, x).item() == pytest.approx((18.5 + 14.5) / 2)


def test_the_worked_example_with_sigmoids_at_code_and_output():
    model = build((2,), "bits", hidden=(), latent_dim=1, code="sigmoid")
    with torch.no_grad():
        model.W[0].copy_(torch.tensor([[1.0, 2.0]]))
        model.b[0].copy_(torch.tensor([-1.0]))
        model.W_star[0].copy_(torch.tensor([[1.0], [-2.0]]))
        model.c[0].copy_(torch.tensor([0.0, 1.0]))
    h = 1 / (1 + math.exp(-(1 * 1 + 2 * 0 - 1)))
    reconstruction = [1 / (1 + math.exp(-h)), 1 / (1 + math.exp(-(1 - 2 * h)))]
    expected = (reconstruction[0] - 1) ** 2 + (reconstruction[1] - 0) ** 2
    assert loss(model, torch.tensor([[1.0, 0.0]], dtype=torch.float64)).item() == pytest.approx(expected)


@pytest.mark.parametrize("tied", [False, True])
def test_a_deep_one_is_the_chain_written_out(tied):
    model = build(hidden=(4, 3), latent_dim=2, tied=tied, activation="tanh", code="relu")
    x = torch.rand(6, 5, generator=seeded(), dtype=torch.float64)
    W1, W2, W3 = model.W
    V1, V2, V3 = (W1.T, W2.T, W3.T) if tied else model.W_star
    (b1, b2, b3), (c1, c2, c3) = model.b, model.c
    h = (((x @ W1.T + b1).tanh() @ W2.T + b2).tanh() @ W3.T + b3).relu()
    reconstruction = (((h @ V3.T + c3).tanh() @ V2.T + c2).tanh() @ V1.T + c1).sigmoid()
    torch.testing.assert_close(PLUGIN.encode(model, x), h)
    torch.testing.assert_close(PLUGIN.decode(model, h), reconstruction)


def test_tied_weights_are_the_one_matrix():
    tied, own = build(hidden=(4,), latent_dim=3, tied=True), build(hidden=(4,), latent_dim=3)
    matrices, biases = 5 * 4 + 4 * 3, (4 + 3) + (4 + 5)
    assert sum(p.numel() for p in tied.parameters()) == matrices + biases
    assert sum(p.numel() for p in own.parameters()) == 2 * matrices + biases


def test_the_gradient_of_a_tied_matrix_is_that_of_both_its_uses():
    tied = build(hidden=(4,), latent_dim=3, tied=True, code="sigmoid")
    own = build(hidden=(4,), latent_dim=3, code="sigmoid")
    with torch.no_grad():
        for kept, source in zip([*own.W, *own.b, *own.c], [*tied.W, *tied.b, *tied.c], strict=True):
            kept.copy_(source)
        for W_star, W in zip(own.W_star, tied.W, strict=True):
            W_star.copy_(W.T)
    x = torch.rand(6, 5, generator=seeded(), dtype=torch.float64)
    loss(tied, x).backward()
    loss(own, x).backward()
    for shared, W, W_star in zip(tied.W, own.W, own.W_star, strict=True):
        torch.testing.assert_close(shared.grad, W.grad + W_star.grad.T)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("support", ["unit", "real"])
def test_the_gradient_matches_finite_differences(tied, support):
    model = build((4,), support, hidden=(3,), latent_dim=2, tied=tied, activation="tanh", noise=0.3)
    x = torch.rand(5, 4, generator=seeded(), dtype=torch.float64)
    names, values = zip(*model.named_parameters(), strict=True)

    def objective(*parameters):
        seen = model.corrupt(x, seeded(3))
        arguments = dict(zip(names, parameters, strict=True))
        reconstruction = torch.func.functional_call(Reconstruction(model), prefixed(arguments), (seen,))
        return (reconstruction - x).square().sum(1).mean()

    assert torch.autograd.gradcheck(objective, values)
    torch.testing.assert_close(loss(model, x, seed=3), objective(*values))


class Reconstruction(torch.nn.Module):
    """decode(encode(x)) as a forward pass, which `functional_call` wants."""

    def __init__(self, model: AE):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model.decode(self.model.encode(x))


def prefixed(parameters):
    return {f"model.{name}": value for name, value in parameters.items()}


@pytest.mark.parametrize("tied", [False, True])
def test_a_linear_autoencoder_reaches_the_error_of_pca(tied):
    x = real_data()
    model = build((8,), "real", hidden=(), latent_dim=3, tied=tied)
    PLUGIN.initialise(model, x)
    optimiser = torch.optim.LBFGS(
        model.parameters(), max_iter=2000, tolerance_grad=1e-10, line_search_fn="strong_wolfe"
    )

    def closure():
        optimiser.zero_grad()
        value = loss(model, x)
        value.backward()
        return value

    optimiser.step(closure)
    assert loss(model, x).item() == pytest.approx(pca_error(x, 3), rel=1e-8)


def test_no_linear_autoencoder_beats_pca():
    x = real_data()
    for seed in range(20):
        model = build((8,), "real", hidden=(), latent_dim=3, seed=seed)
        PLUGIN.initialise(model, x)
        assert loss(model, x).item() >= pca_error(x, 3)


def test_a_few_epochs_of_the_defaults_reconstruct_unseen_digits_better_than_pca_with_as_many_values():
    x = torch.from_numpy(load_digits().images / 16).float()
    x = x[torch.randperm(len(x), generator=seeded())]
    train, test = x[:899], x[899:]
    training, batches = PLUGIN.card.training, seeded(1)
    torch.manual_seed(0)
    model = PLUGIN.build(AEConfig(), zoo.DataSpec((8, 8), "unit"))
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
    assert loss(model.eval(), test).item() < pca.item()


def test_masked_values_are_zero_with_the_stated_probability_and_the_others_are_kept():
    model = build((1000,), "unit", noise=0.3)
    x = torch.rand(100, 1000, generator=seeded(), dtype=torch.float64) + 0.1
    seen = model.corrupt(x, seeded(1))
    masked = seen == 0
    torch.testing.assert_close(seen[~masked], x[~masked])
    assert masked.double().mean().item() == pytest.approx(0.3, abs=4 * math.sqrt(0.3 * 0.7 / x.numel()))


def test_the_corruption_of_real_data_has_the_stated_standard_deviation():
    model = build((1000,), "real", noise=0.3)
    x = torch.randn(100, 1000, generator=seeded(), dtype=torch.float64)
    error = model.corrupt(x, seeded(1)) - x
    assert error.mean().item() == pytest.approx(0, abs=4 * 0.3 / math.sqrt(x.numel()))
    assert error.std().item() == pytest.approx(0.3, rel=4 / math.sqrt(2 * x.numel()))


def test_denoising_sees_corrupted_values_and_is_judged_against_the_clean_ones_in_training_only():
    model = build(noise=0.5, hidden=(4,), latent_dim=3)
    x = torch.rand(6, 5, generator=seeded(), dtype=torch.float64)
    seen = model.corrupt(x, seeded(4))
    reconstruction = model.decode(model.encode(seen))
    torch.testing.assert_close(loss(model, x, seed=4), (reconstruction - x).square().sum(1).mean())
    model.eval()
    clean = model.decode(model.encode(x))
    torch.testing.assert_close(loss(model, x, seed=4), (clean - x).square().sum(1).mean())


@pytest.mark.parametrize("noise", [1.0, 1.5])
def test_masking_everything_is_refused_and_strong_gaussian_noise_is_not(noise):
    with pytest.raises(zoo.ConfigError, match=r"noise must be below 1 .* got 1"):
        build(noise=noise)
    assert build(support="real", noise=noise).noise == noise


def test_initialise_starts_the_output_at_the_clipped_mean_of_the_data():
    train = torch.tensor([[0.0, 1.0, 0.5], [0.0, 1.0, 1.0]], dtype=torch.float64)
    model = build((3,), "unit", hidden=(4,), latent_dim=2)
    PLUGIN.initialise(model, train)
    with torch.no_grad():
        model.W_star[0].zero_()
    x = PLUGIN.decode(model, torch.randn(2, 2, generator=seeded(), dtype=torch.float64))
    torch.testing.assert_close(x, torch.tensor([0.01, 0.99, 0.75], dtype=torch.float64).expand(2, 3))


def test_initialise_starts_the_output_at_the_mean_of_real_data():
    model = build((8,), "real", hidden=(4,), latent_dim=2)
    PLUGIN.initialise(model, real_data())
    torch.testing.assert_close(model.c[0].detach(), real_data().mean(0))


def test_images_are_the_same_examples_as_their_flat_values():
    images, flat = build((2, 3), hidden=(4,), latent_dim=3), build((6,), hidden=(4,), latent_dim=3)
    x = torch.rand(5, 2, 3, generator=seeded(), dtype=torch.float64)
    h = PLUGIN.encode(images, x)
    torch.testing.assert_close(h, PLUGIN.encode(flat, x.flatten(1)))
    torch.testing.assert_close(PLUGIN.decode(images, h), PLUGIN.decode(flat, h).reshape(5, 2, 3))
    torch.testing.assert_close(loss(images, x), loss(flat, x.flatten(1)))


def test_evaluation_leaves_the_model_as_it_is():
    model = build(noise=0.5, hidden=(4,), latent_dim=3).eval()
    before = copy.deepcopy(model.state_dict())
    x = torch.rand(6, 5, generator=seeded(), dtype=torch.float64)
    assert loss(model, x, seed=1) == loss(model, x, seed=2)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_sample_says_that_no_distribution_over_codes_was_learned_and_what_to_attach():
    with pytest.raises(zoo.Unsupported, match=r"no distribution over h.*ae@gmm"):
        PLUGIN.sample()


def test_a_width_that_is_not_positive_is_refused():
    with pytest.raises(zoo.ConfigError, match="hidden.1 must be greater than 0"):
        AEConfig.parse({"hidden": [16, 0]}, "ae")
