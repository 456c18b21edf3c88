"""A model without codes that samples step by step: each step halves the distance to the middle of the data."""

from torch import nn, randn, stack, zeros

import zoo

STEPS = 3


class StepwisePlugin:
    card = zoo.Card(
        name="steps", summary="halves the distance", config=zoo.Config, trains_on="grey", latent=None, samples="means"
    )

    @zoo.hookimpl
    def build(self, config, data):
        model = nn.Module()
        model.register_buffer("middle", zeros(data.shape) + (0.0 if data.support == "real" else 0.5))
        model.real = data.support == "real"
        return model

    @zoo.hookimpl
    def fit(self):
        pass

    @zoo.hookimpl
    def encode(self):
        raise zoo.Unsupported("no code")

    @zoo.hookimpl
    def decode(self):
        raise zoo.Unsupported("no code")

    @zoo.hookimpl
    def sample(self, model, n, generator):
        return self.sample_path(model, n, generator)[-1]

    @zoo.hookimpl
    def sample_path(self, model, n, generator):
        noise = randn(n, *model.middle.shape, generator=generator, device=generator.device)
        states = model.middle + stack([noise / 2**t for t in range(STEPS + 1)])
        return states if model.real else states.clamp(0, 1)
