import math

import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal
from zoo_extras.kde import KernelDensity

KDE = KernelDensity()


def codes(n=50):
    draws = torch.Generator().manual_seed(0)
    return torch.randn(n, 3, generator=draws, dtype=torch.float64) * torch.tensor([1.0, 5.0, 0.1]) + 2


def test_the_width_is_silvermans():
    z = codes()
    h = KDE.fit(z)["h"]
    expected = [(4 / (5 * 50)) ** (1 / 7) * math.sqrt(((each - each.mean()) ** 2).mean()) for each in z.T]
    torch.testing.assert_close(h, torch.tensor(expected, dtype=torch.float64))


def test_the_density_is_that_of_torchs_mixture():
    state, z = KDE.fit(codes()), codes(700) + 0.3
    kernels = MultivariateNormal(state["codes"], torch.diag(state["h"].square()))
    mixture = MixtureSameFamily(Categorical(torch.ones(50, dtype=torch.float64)), kernels)
    torch.testing.assert_close(KDE.log_prob(state, z), mixture.log_prob(z))


def test_samples_have_the_moments_of_the_mixture():
    z, n = codes(), 200_000
    state = KDE.fit(z)
    x = KDE.sample(state, n, torch.Generator().manual_seed(1))
    variance = z.var(0, correction=0) + state["h"].square()
    assert ((x.mean(0) - z.mean(0)).abs() < 5 * (variance / n).sqrt()).all()
    fourth = ((x - x.mean(0)) ** 4).mean(0) - variance**2
    assert ((x.var(0) - variance).abs() < 5 * (fourth / n).sqrt()).all()


def test_a_value_that_never_varies_has_a_proper_density():
    z = codes()
    z[:, 1] = 3.0
    state = KDE.fit(z)
    assert KDE.log_prob(state, z).isfinite().all()
    assert (KDE.sample(state, 10, torch.Generator().manual_seed(0))[:, 1] - 3).abs().max() < 1e-4
