"""Two exact models of p(x|y) = N(x; m_y, I) of standardised data: fitted in closed form, or by gradient descent."""

from __future__ import annotations

import math

import torch
from torch import nn

import zoo


class ClassMeans(nn.Module):
    """One mean for each class, shape (K, *data.shape); K classes."""

    def __init__(self, data: zoo.DataSpec) -> None:
        super().__init__()
        self.m = nn.Parameter(torch.zeros(data.n_classes, *data.shape))


class ClassMeansPlugin:
    """The code of x is x − m_y."""

    card = zoo.Card(
        name="class-means",
        summary="a normal distribution around the mean of each class",
        config=zoo.Config,
        trains_on="real",
        latent="real",
        samples="draws",
        conditional="class",
    )

    @zoo.hookimpl
    def build(self, data):
        return ClassMeans(data)

    @zoo.hookimpl
    def fit(self, model, train, y):
        with torch.no_grad():
            for c in y.unique():
                model.m[c] = train[y == c].mean(0)

    @zoo.hookimpl
    def encode(self, model, x, y):
        return x - model.m[y]

    @zoo.hookimpl
    def decode(self, model, z, generator, y):
        x = z + model.m[y]
        return x if generator is None else x + torch.randn(x.shape, generator=generator)

    @zoo.hookimpl
    def sample(self, model, n, generator, y):
        return self.decode(model, self.sample_codes(model, n, generator), None, y)

    @zoo.hookimpl
    def sample_codes(self, model, n, generator):
        return torch.randn(n, *model.m.shape[1:], generator=generator)

    @zoo.hookimpl
    def log_prob(self, model, x, y):
        each = -(x - model.m[y]).square() / 2 - math.log(2 * math.pi) / 2
        return (zoo.LogProb(each.flatten(1).sum(1), "exact"),)

    @zoo.hookimpl
    def diagnose(self, model, train, valid, y, valid_y):
        spreads = ((x - model.m[c]).square().mean().item() for x, c in ((train, y), (valid, valid_y)))
        return dict(zip(("training", "validation"), spreads, strict=True))


class LearnedClassMeansPlugin(ClassMeansPlugin):
    """The same means, each learned from its own class; `initialise` starts them at half the means."""

    card = zoo.Card(
        name="learned-class-means",
        summary="a normal distribution around the learned mean of each class",
        config=zoo.Config,
        trains_on="real",
        latent="real",
        samples="draws",
        conditional="class",
        training=zoo.Training(optimiser="sgd", learning_rate=0.2, batch_size=20, schedule="linear"),
    )
    fit = None

    @zoo.hookimpl
    def initialise(self, model, train, y):
        with torch.no_grad():
            for c in y.unique():
                model.m[c] = train[y == c].mean(0) / 2

    @zoo.hookimpl
    def loss(self, model, x, y):
        return {"loss": (x - model.m[y]).square().sum(1).mean()}
