"""Two small correct plugins, and subtly wrong copies, each with the check that must catch it."""

from __future__ import annotations

import dataclasses
import math
import tempfile
import warnings
from pathlib import Path
from typing import Annotated, Any, NoReturn

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

import zoo


class CoinsConfig(zoo.Config):
    """The settings of coins."""

    smoothing: Annotated[float, Field(gt=0, description="pseudo-count of each value of a bit")] = 1.0


class Coins(nn.Module):
    """Means and standard deviations of independent values, each of shape (*data.shape); bits use only the means."""

    def __init__(self, data: zoo.DataSpec) -> None:
        super().__init__()
        self.real = data.support == "real"
        self.register_buffer("mean", torch.full(data.shape, 0.0 if self.real else 0.5))
        self.register_buffer("sd", torch.ones(data.shape))


class CoinsPlugin:
    """p(x) = ∏_j p_j^{x_j} (1 − p_j)^{1 − x_j}, or ∏_j N(x_j; m_j, s_j²): fitted in closed form, exact."""

    card = zoo.Card(
        name="coins",
        summary="every value is independent of the others",
        config=CoinsConfig,
        trains_on="grey",
        latent=None,
        samples="draws",
    )

    @zoo.hookimpl
    def build(self, data):
        return Coins(data)

    @zoo.hookimpl
    def fit(self, model, train):
        pseudo = 0.0 if model.real else 1.0
        model.mean.copy_((train.sum(0) + pseudo) / (len(train) + 2 * pseudo))
        model.sd.copy_(train.std(0))

    @zoo.hookimpl
    def encode(self) -> NoReturn:
        raise zoo.Unsupported("independent values have no code")

    @zoo.hookimpl
    def decode(self) -> NoReturn:
        raise zoo.Unsupported("independent values have no code")

    @zoo.hookimpl
    def sample(self, model, n, generator):
        mean = model.mean.expand(n, *model.mean.shape)
        if model.real:
            return mean + model.sd * torch.randn(mean.shape, generator=generator, device=mean.device)
        return zoo.bernoulli(mean, generator)

    @zoo.hookimpl
    def log_prob(self, model, x):
        return (zoo.LogProb(nats(model, x), "exact", method="closed form"),)


def nats(model: Coins, x: Tensor) -> Tensor:
    """log p(x) of coins, shape (N,)."""
    if model.real:
        z = (x - model.mean) / model.sd
        each = -z.square() / 2 - model.sd.log() - math.log(2 * math.pi) / 2
    else:
        each = x * model.mean.log() + (1 - x) * (-model.mean).log1p()
    return each.flatten(1).sum(1)


class TinyConfig(zoo.Config):
    """The size of the tiny VAE."""

    latent_dim: Annotated[int, Field(gt=0, description="values in z")] = 3
    beta: Annotated[float, Field(ge=0, description="weight of the KL term")] = 1.0


class TinyVAE(nn.Module):
    """q(z|x) and p(x|z) with one hidden layer each; p(x|z) has one learned σ for real data."""

    def __init__(self, config: TinyConfig, data: zoo.DataSpec) -> None:
        super().__init__()
        self.shape, self.D, self.real = data.shape, config.latent_dim, data.support == "real"
        self.beta = config.beta
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(data.size, 32), nn.Tanh(), nn.Linear(32, 2 * self.D))
        self.decoder = nn.Sequential(nn.Linear(self.D, 32), nn.Tanh(), nn.Linear(32, data.size))
        self.register_parameter("log_sigma", nn.Parameter(torch.zeros(())) if self.real else None)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu, log_sigma = self.encoder(x).chunk(2, -1)
        return mu, log_sigma.exp()

    def mean(self, z: Tensor) -> Tensor:
        o = self.decoder(z)
        return (o if self.real else o.sigmoid()).reshape(-1, *self.shape)

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z), x (B, *shape) and z (…, B, D) -> (…, B)."""
        o, flat = self.decoder(z), x.flatten(1)
        if self.real:
            return log_normal(flat, o, self.log_sigma.exp())
        return (flat * o - F.softplus(o)).sum(-1)


def log_normal(x: Tensor, mu: Any, sigma: Tensor) -> Tensor:
    return -(((x - mu) / sigma).square() / 2 + sigma.log() + math.log(2 * math.pi) / 2).sum(-1)


def draw(mu: Tensor, sigma: Tensor, generator) -> Tensor:
    return mu + sigma * torch.randn(mu.shape, generator=generator, dtype=mu.dtype, device=mu.device)


ONE = torch.tensor(1.0)
K = 64


class TinyVAEPlugin:
    """A variational autoencoder for all three kinds of data."""

    card = zoo.Card(
        name="tiny",
        summary="a variational autoencoder of one hidden layer",
        config=TinyConfig,
        trains_on="bits",
        latent="real",
        samples="means",
        training=zoo.Training(learning_rate=1e-2, batch_size=40),
        objective=("beta",),
    )

    @zoo.hookimpl
    def build(self, config, data):
        return TinyVAE(config, data)

    @zoo.hookimpl
    def loss(self, model, x, generator):
        mu, sigma = model.posterior(x)
        kl = ((mu.square() + sigma.square() - 1) / 2 - sigma.log()).sum(-1)
        return {"loss": (model.beta * kl - model.log_likelihood(x, draw(mu, sigma, generator))).mean(), "kl": kl.mean()}

    @zoo.hookimpl
    def encode(self, model, x, generator):
        mu, sigma = model.posterior(x)
        return mu if generator is None else draw(mu, sigma, generator)

    @zoo.hookimpl
    def decode(self, model, z, generator):
        x = model.mean(z)
        return draw(x, model.log_sigma.exp(), generator) if model.real and generator is not None else x

    @zoo.hookimpl
    def sample_codes(self, model, n, generator):
        return torch.randn(n, model.D, generator=generator, device=generator.device)

    @zoo.hookimpl
    def sample_path(self, model, n, generator):
        x = self.sample(model, n, generator)
        return torch.stack([torch.zeros_like(x), x])

    @zoo.hookimpl
    def log_prob_codes(self, model, z):
        return log_normal(z, 0.0, ONE)

    @zoo.hookimpl
    def sample(self, model, n, generator):
        return self.decode(model, self.sample_codes(model, n, generator), generator)

    @zoo.hookimpl
    def log_prob(self, model, x, generator, prior):
        return (zoo.LogProb(weights(model, x, generator, prior).logsumexp(0) - math.log(K), "lower"),)

    @zoo.hookimpl
    def diagnose(self, model, valid):
        return {"spread of the code": model.posterior(valid)[0].std(0).tolist()}


def weights(model: TinyVAE, x: Tensor, generator, prior) -> Tensor:
    """log p(x|z_i) + log p(z_i) − log q(z_i|x) for K draws, shape (K, N)."""
    mu, sigma = model.posterior(x)
    z = draw(mu.expand(K, -1, -1), sigma, generator)
    log_prior = log_normal(z, 0.0, ONE) if prior is None else prior.log_prob(z.flatten(0, 1)).view(z.shape[:2])
    return model.log_likelihood(x, z) + log_prior - log_normal(z, mu, sigma)


class ClassVAE(TinyVAE):
    """q(z|x, y) and p(x|z, y): the class is joined to both inputs as a one-hot vector, times 4."""

    def __init__(self, config: TinyConfig, data: zoo.DataSpec) -> None:
        super().__init__(config, data)
        self.K = data.n_classes
        self.encoder[1] = nn.Linear(data.size + self.K, 32)
        self.decoder[0] = nn.Linear(self.D + self.K, 32)

    def joined(self, v: Tensor, y: Tensor) -> Tensor:
        """(…, B, D) and (B,) -> (…, B, D + K)."""
        return torch.cat([v, 4 * F.one_hot(y, self.K).to(v.dtype).expand(*v.shape[:-1], -1)], -1)


class ClassVAEPlugin(TinyVAEPlugin):
    """A conditional variational autoencoder for all three kinds of data."""

    card = dataclasses.replace(TinyVAEPlugin.card, name="class-vae", conditional="class")

    @zoo.hookimpl
    def build(self, config, data):
        return ClassVAE(config, data)

    @zoo.hookimpl
    def loss(self, model, x, generator, y):
        mu, sigma = model.posterior(model.joined(x.flatten(1), y))
        kl = ((mu.square() + sigma.square() - 1) / 2 - sigma.log()).sum(-1)
        z = model.joined(draw(mu, sigma, generator), y)
        return {"loss": (kl - model.log_likelihood(x, z)).mean()}

    @zoo.hookimpl
    def encode(self, model, x, generator, y):
        return super().encode(model, model.joined(x.flatten(1), y), generator)

    @zoo.hookimpl
    def decode(self, model, z, generator, y):
        return super().decode(model, model.joined(z, y), generator)

    @zoo.hookimpl
    def sample_path(self, model, n, generator, y):
        x = self.sample(model, n, generator, y)
        return torch.stack([torch.zeros_like(x), x])

    @zoo.hookimpl
    def sample(self, model, n, generator, y):
        return self.decode(model, self.sample_codes(model, n, generator), generator, y)

    @zoo.hookimpl
    def log_prob(self, model, x, generator, prior, y):
        mu, sigma = model.posterior(model.joined(x.flatten(1), y))
        z = draw(mu.expand(K, -1, -1), sigma, generator)
        log_prior = log_normal(z, 0.0, ONE) if prior is None else prior.log_prob(z.flatten(0, 1)).view(z.shape[:2])
        log_w = model.log_likelihood(x, model.joined(z, y)) + log_prior - log_normal(z, mu, sigma)
        return (zoo.LogProb(log_w.logsumexp(0) - math.log(K), "lower"),)

    @zoo.hookimpl
    def diagnose(self, valid, valid_y):
        return {"examples with a class": float((valid_y >= 0).sum())}


class ClassCoinsPlugin(CoinsPlugin):
    """Coins with means of their own for each class, whose likelihood is exact."""

    card = dataclasses.replace(CoinsPlugin.card, name="class-coins", conditional="class")

    @zoo.hookimpl
    def build(self, data):
        return nn.ModuleList(Coins(data) for _ in range(data.n_classes))

    @zoo.hookimpl
    def fit(self, model, train, y):
        for c, coins in enumerate(model):
            super().fit(coins, train[y == c])

    @zoo.hookimpl
    def sample(self, model, n, generator, y):
        each = torch.stack([super(ClassCoinsPlugin, self).sample(coins, n, generator) for coins in model])
        return each[y, torch.arange(n, device=y.device)]

    @zoo.hookimpl
    def log_prob(self, model, x, y):
        each = torch.stack([nats(coins, x) for coins in model])  # (K, N)
        return (zoo.LogProb(each.gather(0, y[None])[0], "exact"),)


class AlternatingVAEPlugin(TinyVAEPlugin):
    """The same model and loss; trained as a whole at first, and then encoder and decoder in turn."""

    card = dataclasses.replace(
        TinyVAEPlugin.card,
        name="alternating",
        phases=(
            zoo.Phase("whole", zoo.Player("all", modules=("",))),
            zoo.Phase(
                "turns",
                zoo.Player("recognition", modules=("encoder",)),
                zoo.Player("generation", modules=("decoder", "log_sigma"), steps=2),
                share=2.0,
            ),
        ),
    )


GOOD = (CoinsPlugin, TinyVAEPlugin, ClassVAEPlugin, ClassCoinsPlugin, AlternatingVAEPlugin)
MUTANTS: list[tuple[type, str]] = []


def caught_by(check: str):
    """Register a class that this check must catch."""

    def register(cls: type) -> type:
        MUTANTS.append((cls, check))
        return cls

    return register


@caught_by("the-card-says-what-the-model-is")
class ASummaryOfTwoLines(CoinsPlugin):
    card = zoo.Card(
        name="coins",
        summary="one line\nand another",
        config=CoinsConfig,
        trains_on="grey",
        latent=None,
        samples="draws",
    )


class BareConfig(zoo.Config):
    """A config whose setting has no description."""

    smoothing: float = 1.0


@caught_by("every-setting-is-described")
class ASettingWithoutADescription(CoinsPlugin):
    card = zoo.Card(
        name="coins",
        summary="every value is independent",
        config=BareConfig,
        trains_on="grey",
        latent=None,
        samples="draws",
    )


@caught_by("expected-failures-name-checks")
class AnExpectedFailureOfNoCheck(CoinsPlugin):
    card = dataclasses.replace(CoinsPlugin.card, expected_failures={"no-such-check": "why not"})


@caught_by("nothing-is-printed")
class AnExpectedFailureThatPasses(CoinsPlugin):
    card = dataclasses.replace(CoinsPlugin.card, expected_failures={"nothing-is-printed": "it prints"})


@caught_by("the-model-generates-or-has-a-code")
class UnsupportedWithoutAReason(CoinsPlugin):
    @zoo.hookimpl
    def encode(self) -> NoReturn:
        raise zoo.Unsupported


@caught_by("the-model-is-for-some-data")
class ForNoData(CoinsPlugin):
    @zoo.hookimpl
    def build(self) -> NoReturn:
        raise zoo.Unsupported("nothing is good enough")


@caught_by("samples-have-the-shape-of-the-data")
class FlatSamples(TinyVAEPlugin):
    @zoo.hookimpl
    def sample(self, model, n, generator):
        return super().sample(model, n, generator).reshape(n, -1)


@caught_by("codes-have-one-shape")
class ACodeSqueezedInABatchOfOne(TinyVAEPlugin):
    @zoo.hookimpl
    def encode(self, model, x, generator):
        z = super().encode(model, x, generator)
        return z[:, 0] if len(x) == 1 else z


@caught_by("drawn-codes-have-the-shape-of-codes")
class DrawnCodesWithAnExtraSide(TinyVAEPlugin):
    @zoo.hookimpl
    def sample_codes(self, model, n, generator):
        return super().sample_codes(model, n, generator).unsqueeze(1)


@caught_by("a-path-ends-in-the-samples")
class APathToOtherSamples(TinyVAEPlugin):
    @zoo.hookimpl
    def sample_path(self, model, n, generator):
        z = self.sample_codes(model, n, generator)
        return torch.stack([model.mean(t * z) for t in (0.0, 0.5, 0.9)])


@caught_by("decoded-codes-have-the-shape-of-the-data")
class DecodedLogits(TinyVAEPlugin):
    @zoo.hookimpl
    def decode(self, model, z):
        return model.decoder(z).reshape(-1, *model.shape)


@caught_by("results-are-float32")
class SamplesInFloat64(CoinsPlugin):
    @zoo.hookimpl
    def sample(self, model, n, generator):
        return super().sample(model, n, generator).double()


@caught_by("results-are-float32")
class CodesInFloat64(TinyVAEPlugin):
    @zoo.hookimpl
    def encode(self, model, x, generator):
        return super().encode(model, x, generator).double()


@caught_by("a-later-call-leaves-earlier-results-as-they-are")
class OneBufferHandedOutTwice(TinyVAEPlugin):
    @zoo.hookimpl
    def sample(self, model, n, generator):
        x = super().sample(model, n, generator)
        if getattr(model, "handed_out", torch.empty(0)).shape != x.shape:
            model.handed_out = torch.empty_like(x)
        return model.handed_out.copy_(x)


@caught_by("a-later-call-leaves-earlier-results-as-they-are")
class AViewOfWhatTheNextCallOverwrites(CoinsPlugin):
    @zoo.hookimpl
    def log_prob(self, model, x):
        model.kept = getattr(model, "kept", torch.empty(5000))
        model.kept[: len(x)] = nats(model, x)
        return (zoo.LogProb(model.kept[: len(x)], "exact"),)


@caught_by("a-loss-is-a-mean-over-the-batch")
class ALossSummedOverTheBatch(TinyVAEPlugin):
    @zoo.hookimpl
    def loss(self, model, x, generator):
        return {"loss": super().loss(model, x, generator)["loss"] * len(x)}


@caught_by("the-same-generator-gives-the-same")
class SamplesThatDependOnTheSeedBefore(CoinsPlugin):
    @zoo.hookimpl
    def sample(self, model, n, generator):
        x = super().sample(model, n, generator)
        last, model.last = getattr(model, "last", x), x
        return torch.where(last.sum() > x.sum(), x, x.flip(0))


@caught_by("a-likelihood-is-one-value-per-example")
class AnErrorOfNone(CoinsPlugin):
    @zoo.hookimpl
    def log_prob(self, model, x):
        return (zoo.LogProb(nats(model, x), "exact", stderr=None),)


@caught_by("a-likelihood-is-one-value-per-example")
class AMeanLikelihood(CoinsPlugin):
    @zoo.hookimpl
    def log_prob(self, model, x):
        return (zoo.LogProb(nats(model, x).mean().reshape(1), "exact"),)


@caught_by("a-diagnosis-is-plain-values")
class ADiagnosisOfNan(CoinsPlugin):
    @zoo.hookimpl
    def diagnose(self, model):
        return {"entropy": float("nan")}


@caught_by("other-shapes-work")
class EightPixelsOnly(TinyVAEPlugin):
    @zoo.hookimpl
    def encode(self, model, x, generator):
        if x.ndim == 4:
            x = x[:, 0]
        return super().encode(model, x, generator)


@caught_by("codes-are-of-the-declared-kind")
class RealCodesThatAreCalledBits(TinyVAEPlugin):
    card = zoo.Card(
        name="tiny", summary="a small variational autoencoder", config=TinyConfig, trains_on="bits", latent="bits",
        samples="means",
    )  # fmt: skip


@caught_by("codes-are-of-the-declared-kind")
class ACodeThatTheCardDenies(CoinsPlugin):
    @zoo.hookimpl
    def encode(self, x):
        return x.flatten(1).clone()


@caught_by("samples-are-what-the-card-says")
class MeansThatAreCalledDraws(CoinsPlugin):
    @zoo.hookimpl
    def sample(self, model, n, generator):
        return model.mean.repeat(n, *(1 for _ in model.mean.shape))


@caught_by("samples-are-what-the-card-says")
class DrawsThatAreCalledMeans(TinyVAEPlugin):
    @zoo.hookimpl
    def sample(self, model, n, generator):
        x = super().sample(model, n, generator)
        return x if model.real else zoo.bernoulli(x, generator)


@caught_by("extreme-examples-stay-finite")
class LogOddsOfPixels(TinyVAEPlugin):
    @zoo.hookimpl
    def encode(self, model, x, generator):
        z = super().encode(model, x, generator)
        return z if model.real else z + x.logit().flatten(1).sum(1, keepdim=True)


@caught_by("the-same-generator-gives-the-same")
class SamplesThatDependOnTheLastCall(CoinsPlugin):
    calls = 0

    @zoo.hookimpl
    def sample(self, model, n, generator):
        type(self).calls += 1
        return super().sample(model, n, generator.manual_seed(self.calls))


@caught_by("another-generator-gives-other-samples")
class AGeneratorOfItsOwn(CoinsPlugin):
    @zoo.hookimpl
    def sample(self, model, n):
        return super().sample(model, n, torch.Generator().manual_seed(0))


@caught_by("samples-of-one-call-differ")
class OneSampleManyTimes(CoinsPlugin):
    @zoo.hookimpl
    def sample(self, model, n, generator):
        return super().sample(model, 1, generator).repeat(n, *(1 for _ in model.mean.shape))


@caught_by("no-hook-draws-from-the-global-state")
class CodesDrawnFromTheGlobalState(TinyVAEPlugin):
    @zoo.hookimpl
    def encode(self, model, x, generator):
        mu, sigma = model.posterior(x)
        return mu if generator is None else mu + sigma * torch.randn(mu.shape)


@caught_by("no-hook-reseeds")
class WeightsFromAFixedSeed(TinyVAEPlugin):
    @zoo.hookimpl
    def build(self, config, data):
        torch.manual_seed(0)
        return TinyVAE(config, data)


@caught_by("no-hook-reseeds")
class ALossThatReseeds(TinyVAEPlugin):
    @zoo.hookimpl
    def loss(self, model, x, generator):
        torch.manual_seed(0)
        return super().loss(model, x, generator)


@caught_by("the-same-seed-gives-the-same-weights")
class WeightsFromTheClock(CoinsPlugin):
    @zoo.hookimpl
    def fit(self, model, train):
        super().fit(model, train)
        model.mean.mul_(1 - 1e-3 * torch.rand((), generator=torch.Generator().manual_seed(torch.seed() % 2**31)))


@caught_by("another-seed-gives-other-weights")
class ATrainingThatIgnoresTheSeed(TinyVAEPlugin):
    @zoo.hookimpl
    def build(self, config, data):
        model = TinyVAE(config, data)
        for parameter in model.parameters():
            nn.init.constant_(parameter, 0.1)
        return model

    @zoo.hookimpl
    def loss(self, model):
        return {"loss": sum(parameter.square().sum() for parameter in model.parameters())}


@caught_by("codes-do-not-depend-on-the-batch")
class CodesCentredOverTheBatch(TinyVAEPlugin):
    @zoo.hookimpl
    def encode(self, model, x, generator):
        z = super().encode(model, x, generator)
        return z - z.mean(0)


@caught_by("likelihoods-do-not-depend-on-the-batch")
class LikelihoodsCentredOverTheBatch(CoinsPlugin):
    @zoo.hookimpl
    def log_prob(self, model, x):
        value = nats(model, x)
        return (zoo.LogProb(value - value.mean() - 4, "exact"),)


@caught_by("using-a-model-leaves-it-as-it-is")
class AModelLeftInTrainingMode(TinyVAEPlugin):
    @zoo.hookimpl
    def encode(self, model, x, generator):
        return super().encode(model.train(), x, generator)


@caught_by("using-a-model-leaves-it-as-it-is")
class ACounterOfSamples(CoinsPlugin):
    @zoo.hookimpl
    def build(self, data):
        model = Coins(data)
        model.register_buffer("drawn", torch.zeros(()), persistent=False)
        return model

    @zoo.hookimpl
    def sample(self, model, n, generator):
        model.drawn += n
        return super().sample(model, n, generator)


@caught_by("a-loss-in-evaluation-leaves-the-model-as-it-is")
class ALossThatMovesABufferInEvaluation(TinyVAEPlugin):
    @zoo.hookimpl
    def build(self, config, data):
        model = TinyVAE(config, data)
        model.register_buffer("seen", torch.zeros(()))
        return model

    @zoo.hookimpl
    def loss(self, model, x, generator):
        model.seen += len(x)
        return super().loss(model, x, generator)


@caught_by("a-loaded-model-gives-the-same")
class WhatItLearnedInAPlainAttribute(CoinsPlugin):
    @zoo.hookimpl
    def build(self, data):
        model = Coins(data)
        del model.mean
        model.mean = torch.full(data.shape, 0.0 if model.real else 0.5)
        return model


@caught_by("the-objective-leaves-the-model-as-it-is")
class SamplesThatReadTheObjective(TinyVAEPlugin):
    @zoo.hookimpl
    def sample_codes(self, model, n, generator):
        return model.beta * super().sample_codes(model, n, generator)


@caught_by("a-stopped-training-goes-on")
class ARunningMeanInAPlainAttribute(TinyVAEPlugin):
    @zoo.hookimpl
    def build(self, config, data):
        model = TinyVAE(config, data)
        model.typical = 1.0
        return model

    @zoo.hookimpl
    def loss(self, model, x, generator):
        losses = super().loss(model, x, generator)
        if model.training:
            model.typical = 0.9 * model.typical + 0.1 * abs(losses["loss"].item())
        return losses | {"loss": losses["loss"] / model.typical}


@caught_by("a-stopped-training-goes-on")
class ChainsInAPlainList(TinyVAEPlugin):
    @zoo.hookimpl
    def build(self, config, data):
        model = TinyVAE(config, data)
        model.chains = [torch.zeros(1, model.D) for _ in range(4)]
        return model

    @zoo.hookimpl
    def loss(self, model, x, generator):
        chains = [0.9 * z + torch.randn(z.shape, generator=generator) for z in model.chains]
        if model.training:
            model.chains = chains
        return {"loss": super().loss(model, x, generator)["loss"] + model.mean(torch.cat(chains)).mean()}


@caught_by("a-stopped-training-goes-on")
class AWarmUpThatThePluginCounts(TinyVAEPlugin):
    steps = 0

    @zoo.hookimpl
    def build(self, config, data):
        type(self).steps = 0
        return TinyVAE(config, data)

    @zoo.hookimpl
    def loss(self, model, x, generator):
        type(self).steps += model.training
        losses = super().loss(model, x, generator)
        return losses | {"loss": losses["loss"] - 0.5**self.steps * losses["kl"]}


CHAINS: dict[int, Tensor] = {}


@caught_by("a-stopped-training-goes-on")
class ChainsByTheIdOfTheModel(TinyVAEPlugin):
    @zoo.hookimpl
    def build(self, config, data):
        model = TinyVAE(config, data)
        CHAINS[id(model)] = torch.zeros(4, model.D)
        return model

    @zoo.hookimpl
    def loss(self, model, x, generator):
        z = 0.9 * CHAINS[id(model)] + torch.randn(4, model.D, generator=generator)
        if model.training:
            CHAINS[id(model)] = z
        return {"loss": super().loss(model, x, generator)["loss"] + model.mean(z).mean()}


@caught_by("a-stopped-training-goes-on")
class AGeneratorThatTheModelKeeps(TinyVAEPlugin):
    @zoo.hookimpl
    def build(self, config, data):
        model = TinyVAE(config, data)
        model.draws = torch.Generator().manual_seed(torch.randint(2**31, ()).item())
        return model

    @zoo.hookimpl
    def loss(self, model, x):
        return super().loss(model, x, model.draws)


@caught_by("a-stopped-training-goes-on")
class ABufferThatTheFirstStepRegisters(TinyVAEPlugin):
    @zoo.hookimpl
    def loss(self, model, x, generator):
        if not hasattr(model, "centre"):
            model.register_buffer("centre", x.mean(0), persistent=False)
        return super().loss(model, x, generator)


@caught_by("training-lowers-the-loss")
class ALossThatRisesInEvaluation(TinyVAEPlugin):
    @zoo.hookimpl
    def loss(self, model, x, generator):
        losses = super().loss(model, x, generator)
        return losses if model.training else {"loss": -losses["loss"]}


@caught_by("training-brings-samples-nearer-to-the-data")
class AFitThatLearnsNothing(CoinsPlugin):
    @zoo.hookimpl
    def fit(self):
        pass


@caught_by("training-raises-the-likelihood")
class AKLOfTheWrongSign(TinyVAEPlugin):
    @zoo.hookimpl
    def loss(self, model, x, generator):
        losses = super().loss(model, x, generator)
        return {"loss": losses["loss"] - 2 * losses["kl"].clamp(max=50)}


@caught_by("training-improves-reconstructions")
class ADecoderThatIgnoresTheCode(TinyVAEPlugin):
    @zoo.hookimpl
    def decode(self, model, z):
        return model.mean(torch.zeros_like(z)) * 0


@caught_by("an-exact-likelihood-sums-to-one")
class AnUnnormalisedLikelihood(CoinsPlugin):
    @zoo.hookimpl
    def log_prob(self, model, x):
        return (zoo.LogProb(nats(model, x) + 0.01, "exact"),)


@caught_by("an-exact-likelihood-does-not-depend-on-draws")
class ABoundThatIsCalledExact(TinyVAEPlugin):
    @zoo.hookimpl
    def log_prob(self, model, x, generator, prior):
        (bound,) = super().log_prob(model, x, generator, prior)
        return (zoo.LogProb(bound.nats, "exact"),)


@caught_by("a-bound-is-on-its-side")
class ABoundWithoutLogK(TinyVAEPlugin):
    @zoo.hookimpl
    def log_prob(self, model, x, generator, prior):
        return (zoo.LogProb(weights(model, x, generator, prior).logsumexp(0), "lower"),)


@caught_by("a-bound-is-on-its-side")
class AReconstructionThatIsCalledABound(TinyVAEPlugin):
    @zoo.hookimpl
    def log_prob(self, model, x, generator):
        return (zoo.LogProb(model.log_likelihood(x, model.posterior(x)[0]), "lower"),)


@caught_by("a-bound-is-on-its-side")
class ALowerBoundThatIsCalledUpper(TinyVAEPlugin):
    @zoo.hookimpl
    def log_prob(self, model, x, generator, prior):
        return (zoo.LogProb(weights(model, x, generator, prior).mean(0) - 1, "upper"),)


@caught_by("a-bound-under-a-latent-density-is-on-its-side")
class APriorThatIsLeftOut(TinyVAEPlugin):
    @zoo.hookimpl
    def log_prob(self, model, x, generator, prior):
        mu, sigma = model.posterior(x)
        z = draw(mu.expand(K, -1, -1), sigma, generator)
        log_prior = log_normal(z, 0.0, ONE) if prior is None else 0.0
        log_w = model.log_likelihood(x, z) + log_prior - log_normal(z, mu, sigma)
        return (zoo.LogProb(log_w.logsumexp(0) - math.log(K), "lower"),)


@caught_by("a-bound-under-a-latent-density-is-on-its-side")
class APriorThatIsIgnored(TinyVAEPlugin):
    @zoo.hookimpl
    def log_prob(self, model, x, generator, prior):
        return super().log_prob(model, x, generator, None)


@caught_by("a-bracket-is-in-order")
class ABracketTurnedRound(TinyVAEPlugin):
    @zoo.hookimpl
    def log_prob(self, model, x, generator, prior):
        (bound,) = super().log_prob(model, x, generator, prior)
        return bound, zoo.LogProb(bound.nats - 0.5, "upper")


@caught_by("samples-occur-as-often-as-the-likelihood-says")
class SamplesOfAnotherModel(TinyVAEPlugin):
    @zoo.hookimpl
    def sample(self, model, n, generator):
        return self.decode(model, torch.zeros(n, model.D), generator)


@caught_by("samples-are-as-likely-as-they-should-be")
class SamplesThatAreTooSharp(CoinsPlugin):
    @zoo.hookimpl
    def sample(self, model, n, generator):
        if model.real:
            return super().sample(model, n, generator) * 0.8
        return zoo.bernoulli((1.5 * model.mean.logit()).sigmoid().expand(n, *model.mean.shape), generator)


@caught_by("sample-decodes-the-codes-of-sample-codes")
class SamplesOfNarrowCodes(TinyVAEPlugin):
    @zoo.hookimpl
    def sample(self, model, n, generator):
        return self.decode(model, 0.5 * self.sample_codes(model, n, generator), generator)


@caught_by("codes-follow-their-log-prob")
class CodesOfAnotherWidth(TinyVAEPlugin):
    @zoo.hookimpl
    def log_prob_codes(self, model, z):
        return log_normal(z, 0.0, 1.25 * ONE)


@caught_by("gradients-are-those-of-the-loss")
class AGradientThatStopsAtTheCode(TinyVAEPlugin):
    @zoo.hookimpl
    def loss(self, model, x, generator):
        mu, sigma = model.posterior(x)
        kl = ((mu.square() + sigma.square() - 1) / 2 - sigma.log()).sum(-1)
        z = draw(mu, sigma, generator).detach()
        return {"loss": (kl - model.log_likelihood(x, z)).mean()}


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


@caught_by("gradients-are-those-of-the-loss")
class AHandMadeGradientTwiceTooLarge(TinyVAEPlugin):
    @zoo.hookimpl
    def loss(self, model, x, generator):
        return {"loss": Doubled.apply(super().loss(model, x, generator)["loss"])}


@caught_by("every-parameter-is-trained")
class AParameterThatNothingUses(TinyVAEPlugin):
    @zoo.hookimpl
    def build(self, config, data):
        model = TinyVAE(config, data)
        model.spare = nn.Parameter(torch.zeros(3))
        return model


@caught_by("another-device-gives-the-same")
class DrawsOnTheProcessor(CoinsPlugin):
    @zoo.hookimpl
    def sample(self, model, n, generator):
        u = torch.rand(n, *model.mean.shape, generator=generator)
        return (u < model.mean).float() if not model.real else model.mean + model.sd * u


@caught_by("another-device-gives-the-same")
class FitsInNumpy(CoinsPlugin):
    @zoo.hookimpl
    def fit(self, model, train):
        super().fit(model, train)
        model.mean.copy_(torch.from_numpy(train.numpy().mean(0)))


@caught_by("another-device-gives-the-same")
class HoldsATensorThatIsNoBuffer(TinyVAEPlugin):
    @zoo.hookimpl
    def build(self, config, data):
        model = TinyVAE(config, data)
        model.one = torch.ones(data.shape)
        return model

    @zoo.hookimpl
    def decode(self, model, z, generator):
        return super().decode(model, z, generator) * model.one


@caught_by("another-device-gives-the-same")
class AnswersOtherwiseThere(TinyVAEPlugin):
    @zoo.hookimpl
    def encode(self, model, x, generator):
        return super().encode(model, x, generator) * (2 if x.is_cuda else 1)


@caught_by("nothing-is-printed")
class Prints(CoinsPlugin):
    @zoo.hookimpl
    def fit(self, model, train):
        print("fitting", len(train))
        super().fit(model, train)


@caught_by("nothing-is-printed")
class Warns(CoinsPlugin):
    @zoo.hookimpl
    def sample(self, model, n, generator):
        warnings.warn("few samples", stacklevel=2)
        return super().sample(model, n, generator)


@caught_by("nothing-is-written")
class WritesAFile(CoinsPlugin):
    @zoo.hookimpl
    def fit(self, model, train):
        super().fit(model, train)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "means.txt").write_text(str(model.mean))


@caught_by("settings-of-the-process-are-kept")
class SetsTheThreads(CoinsPlugin):
    @zoo.hookimpl
    def build(self, data):
        torch.set_num_threads(2)
        return Coins(data)


@caught_by("the-plugin-keeps-no-state")
class RemembersTheModel(CoinsPlugin):
    @zoo.hookimpl
    def fit(self, model, train):
        super().fit(model, train)
        self.last = model


@caught_by("what-a-model-learns-from-is-left-as-it-is")
class CentresTheBatchInPlace(TinyVAEPlugin):
    @zoo.hookimpl
    def loss(self, model, x, generator):
        x -= 0.0 if model.real else 0.001
        return super().loss(model, x, generator)


@caught_by("what-a-model-learns-from-is-left-as-it-is")
class SortsTheTrainingSplit(CoinsPlugin):
    @zoo.hookimpl
    def fit(self, model, train):
        super().fit(model, train)
        train.copy_(train.sort(0).values)


@caught_by("a-player-changes-its-own-modules-only")
class ATurnThatMovesTheOtherPlayer(AlternatingVAEPlugin):
    @zoo.hookimpl
    def loss(self, model, x, generator, player):
        if player == "recognition":
            with torch.no_grad():
                model.decoder[0].bias.mul_(0.99)
        return super().loss(model, x, generator)


class NormedVAE(TinyVAE):
    """A tiny VAE whose code is normalised by moving averages."""

    def __init__(self, config: TinyConfig, data: zoo.DataSpec) -> None:
        super().__init__(config, data)
        self.encoder.append(nn.BatchNorm1d(2 * self.D))


@caught_by("a-player-changes-its-own-modules-only")
class AFrozenModuleThatMoves(AlternatingVAEPlugin):
    """The encoder, which the second phase does not train, is set to training mode again, so that its averages move."""

    card = dataclasses.replace(
        AlternatingVAEPlugin.card,
        phases=(zoo.Phase("encoder"), zoo.Phase("decoder", zoo.Player("decoder", modules=("decoder", "log_sigma")))),
    )

    @zoo.hookimpl
    def build(self, config, data):
        return NormedVAE(config, data)

    @zoo.hookimpl
    def loss(self, model, x, generator):
        model.encoder.train(model.training)
        return super().loss(model, x, generator)


@caught_by("a-training-stopped-in-any-turn-goes-on")
class ATurnThatCountsOnTheSide(AlternatingVAEPlugin):
    """The decoder's loss is scaled by the number of its turns so far, which no checkpoint contains."""

    @zoo.hookimpl
    def loss(self, model, x, generator, player):
        losses = super().loss(model, x, generator)
        if player == "generation" and model.training:
            model.turns = getattr(model, "turns", 0) + 1
            losses["loss"] = losses["loss"] * model.turns
        return losses


@caught_by("samples-are-of-their-class")
class IgnoresTheClass(ClassCoinsPlugin):
    @zoo.hookimpl
    def sample(self, model, n, generator, y):
        return super().sample(model, n, generator, torch.zeros_like(y))


@caught_by("samples-are-of-their-class")
class SamplesOfTheNextClass(ClassVAEPlugin):
    @zoo.hookimpl
    def sample(self, model, n, generator, y):
        return super().sample(model, n, generator, (y + 1) % model.K)


@caught_by("each-row-has-its-own-class")
class CodesWithTheClassOfTheNextRow(ClassVAEPlugin):
    @zoo.hookimpl
    def encode(self, model, x, generator, y):
        return super().encode(model, x, generator, y.roll(1))


@caught_by("each-row-has-its-own-class")
class DecodesEveryRowAsTheFirstClass(ClassVAEPlugin):
    @zoo.hookimpl
    def decode(self, model, z, generator, y):
        return super().decode(model, z, generator, y[:1].expand(len(z)))


@caught_by("each-row-has-its-own-class")
class LikelihoodsOfTheClassOfTheNextRow(ClassCoinsPlugin):
    @zoo.hookimpl
    def log_prob(self, model, x, y):
        return super().log_prob(model, x, y.roll(1))


@caught_by("examples-are-most-likely-under-their-class")
class LikelihoodsWithoutTheClass(ClassVAEPlugin):
    @zoo.hookimpl
    def log_prob(self, model, x, generator, prior, y):
        return super().log_prob(model, x, generator, prior, torch.zeros_like(y))


@caught_by("examples-are-most-likely-under-their-class")
class LikelihoodsOfTheNextClass(ClassCoinsPlugin):
    @zoo.hookimpl
    def log_prob(self, model, x, y):
        return super().log_prob(model, x, (y + 1) % len(model))
