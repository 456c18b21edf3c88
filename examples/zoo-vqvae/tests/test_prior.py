"""The prior, against enumeration of all words and seeded draws."""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import Generator
from zoo_vqvae.prior import Prior

P, K = 3, 4
WORDS = torch.tensor(list(product(range(K), repeat=P)))


def drawn_prior() -> Prior:
    torch.manual_seed(0)
    prior = Prior(P, K, 6)
    for parameter in prior.parameters():
        torch.nn.init.normal_(parameter)
    return prior.double()


def test_probabilities_of_all_words_sum_to_one():
    torch.testing.assert_close(drawn_prior().log_prob(WORDS).exp().sum(), torch.tensor(1.0).double())


def test_it_begins_uniform():
    torch.testing.assert_close(Prior(P, K, 6).log_prob(WORDS), torch.full((K**P,), -P * math.log(K)))


def test_a_conditional_depends_on_the_letters_before_alone():
    prior, z = drawn_prior(), torch.tensor([[0, 1, 2]])
    for i in range(P):
        changed = z.clone()
        changed[:, i] = 3
        differs = (prior.log_conditionals(z) != prior.log_conditionals(changed)).any(-1)
        assert differs.tolist() == [[j > i for j in range(P)]]


def test_a_conditional_is_the_softmax_of_its_equation():
    prior, (z,) = drawn_prior(), torch.tensor([[2, 0, 3]])
    h = torch.tanh(prior.c + prior.U[0, z[0]] + prior.U[1, z[1]])
    expected = (prior.b[2] + prior.V[2] @ h).log_softmax(0)
    torch.testing.assert_close(prior.log_conditionals(z[None])[0, 2], expected)


def test_words_are_drawn_as_often_as_their_probability_says():
    prior, n = drawn_prior(), 20_000
    z = prior.sample(n, Generator().manual_seed(0))
    found = torch.bincount((z * torch.tensor([K * K, K, 1])).sum(1), minlength=K**P) / n
    p = prior.log_prob(WORDS).exp()
    assert ((found - p).abs() < 5 * (p * (1 - p) / n).sqrt() + 1e-3).all()
