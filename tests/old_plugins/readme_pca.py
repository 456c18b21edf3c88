import torch
import zoo
from torch import nn


class PCAConfig(zoo.Config):
    latent_dim: int = 8


class PCAPlugin:
    """x = m + W z with z ~ N(0, I): probabilistic PCA without its noise (Tipping & Bishop 1999), for data in [0, 1]."""

    card = zoo.Card(name="pca", summary="PCA", config=PCAConfig, trains_on="grey", latent="real", samples="means")

    @zoo.hookimpl
    def build(self, config, data):
        model = nn.Module()
        model.register_buffer("m", torch.zeros(data.shape))
        model.register_buffer("W", torch.zeros(data.size, config.latent_dim))
        return model

    @zoo.hookimpl
    def fit(self, model, train):
        model.m.copy_(train.mean(0))
        _, S, V = torch.pca_lowrank((train - model.m).flatten(1), q=model.W.shape[1])
        model.W.copy_(V * S / len(train) ** 0.5)

    @zoo.hookimpl
    def encode(self, model, x):
        return (x - model.m).flatten(1) @ torch.linalg.pinv(model.W).T

    @zoo.hookimpl
    def decode(self, model, z):
        return (model.m + (z @ model.W.T).unflatten(1, model.m.shape)).clamp(0, 1)

    @zoo.hookimpl
    def sample(self, model, n, generator):
        return self.decode(model, torch.randn(n, model.W.shape[1], generator=generator))
