"""The likelihood of an autoencoder: when there is one, under which noise, and what the answer says."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor
from zoo_ae.model import AE, AEConfig
from zoo_ae.plugin import AEPlugin

import zoo
from zoo.models.declared_likelihood import DeclaredLikelihood

PLUGIN = AEPlugin()
V, H, SIGMA = 4, 2, 0.7


class Normal:
    """p(h) = N(0, I), as the core attaches it: flat codes in double precision."""

    def sample(self, n: int, generator: Generator) -> Tensor:
        return torch.randn(n, H, generator=generator, dtype=torch.float64)

    def log_prob(self, h: Tensor) -> Tensor:
        return torch.distributions.Normal(0.0, 1.0).log_prob(h).sum(1)


NORMAL = Normal()


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def build(shape=(V,), support="real", seed=0, **config) -> AE:
    torch.manual_seed(seed)
    model = PLUGIN.build(AEConfig(**{"hidden": (), "latent_dim": H} | config), zoo.DataSpec(shape, support)).double()
    with torch.no_grad():
        for bias in [*model.b, *model.c]:
            bias.uniform_(-1, 1)
    return model


def bound(model: AE, x: Tensor, k: int, prior=NORMAL, sigma: float | None = SIGMA, seed: int = 2) -> Tensor:
    width = max(c.numel() for c in model.c)
    return DeclaredLikelihood(model.o, model.encode, prior, sigma, seeded(seed), width=width).bound(x, k)


def log_prob(model: AE, x: Tensor, prior: Normal | None = NORMAL, **options) -> zoo.LogProb:
    (answer,) = PLUGIN.log_prob(model, x, seeded(2), zoo.DeclaredNoise(**options), prior)
    return answer


@pytest.mark.parametrize("support", ["unit", "bits", "real"])
def test_the_answer_is_a_lower_bound_that_names_the_declared_noise(support):
    model, x = build(support=support).float(), torch.rand(6, V, generator=seeded()).round()
    if support == "real":
        answer = log_prob(model, x, decoder_noise="gaussian", sigma=0.25, k=4)
        assert answer.method == "declared Gaussian decoder noise, σ = 0.25; importance-weighted bound, k = 4"
        torch.testing.assert_close(answer.nats, bound(model, x, 4, sigma=0.25))
    else:
        answer = log_prob(model, x)  # auto: as comparisons draw bits from samples
        torch.testing.assert_close(answer.nats, log_prob(model, x, decoder_noise="bernoulli").nats)
        assert answer.method == "declared Bernoulli decoder noise; importance-weighted bound, k = 200"
        torch.testing.assert_close(answer.nats, bound(model, x, 200, sigma=None))
    assert (answer.kind, answer.declared) == ("lower", True)
    assert answer.nats.dtype == torch.float64


@pytest.mark.parametrize(("support", "noise"), [("unit", "bernoulli"), ("real", "gaussian")])
def test_without_a_density_or_a_declared_noise_there_is_no_likelihood_and_the_message_says_how_to_get_one(
    support, noise
):
    model, x = build(support=support), torch.zeros(2, V, dtype=torch.float64)
    for prior, options in [(None, {}), (NORMAL, {"decoder_noise": "none"}), (None, {"decoder_noise": noise})]:
        with pytest.raises(zoo.Unsupported, match=f"no likelihood.*ae@gmm:sample.decoder_noise={noise}"):
            log_prob(model, x, prior, **options)


@pytest.mark.parametrize(("support", "noise"), [("unit", "gaussian"), ("real", "bernoulli")])
def test_a_noise_that_the_data_cannot_have_is_refused(support, noise):
    with pytest.raises(zoo.Unsupported, match=f"decoder_noise must be .*, got {noise}"):
        log_prob(build(support=support), torch.zeros(2, V, dtype=torch.float64), decoder_noise=noise)


@pytest.mark.parametrize("options", [{"sigma": 0.3}, {"sigma": 0.3, "decoder_noise": "bernoulli"}])
def test_a_sigma_that_nothing_would_use_is_refused(options):
    with pytest.raises(zoo.ConfigError, match="sigma needs decoder_noise = gaussian, got sigma = 0.3"):
        zoo.DeclaredNoise.parse(options, "the sampling of ae")


def test_the_diagnosis_is_the_spread_of_each_value_of_the_code_over_a_bounded_number_of_examples():
    model = build(latent_dim=3)
    valid = torch.randn(2000, V, generator=seeded(), dtype=torch.float64)
    wild = torch.full((1, V), 1e6, dtype=torch.float64)
    found = PLUGIN.diagnose(model, torch.cat([valid, wild]))["standard deviations of the code"]
    W = model.W[0].detach()
    assert found == pytest.approx(
        (W @ torch.cov(valid.T, correction=0) @ W.T).diagonal().sqrt().sort(descending=True)[0].tolist()
    )
