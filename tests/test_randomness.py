"""Seeds are pure functions, scopes leave no trace, and bits have the probability that they are asked for."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

import zoo
from zoo.randomness import derive_seed, generator, scoped_randomness


def _draws():
    return torch.rand(3).tolist(), np.random.rand(3).tolist(), [random.random() for _ in range(3)]


def test_a_derived_seed_is_a_pure_function_of_seed_and_purpose():
    # printf 'zoo:0:train' | sha256sum: the first 8 bytes, little-endian, halved; a run of today can be repeated
    first_bytes = bytes.fromhex("ba544b825dc1f45f")
    assert derive_seed(0, "train") == int.from_bytes(first_bytes, "little") // 2


def test_seeds_and_purposes_do_not_meet():
    purposes = ("train", "sample", "epoch 1", "epoch 11")
    seeds = {derive_seed(seed, purpose) for seed in range(100) for purpose in purposes}
    assert len(seeds) == 400
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) >= 2**62  # all 63 bits are used: 400 draws all below the half happen once in 2^400


def test_a_generator_repeats_its_draws_and_another_purpose_gives_others():
    assert torch.equal(torch.rand(5, generator=generator(3, "a")), torch.rand(5, generator=generator(3, "a")))
    assert not torch.equal(torch.rand(5, generator=generator(3, "a")), torch.rand(5, generator=generator(3, "b")))
    assert not torch.equal(torch.rand(5, generator=generator(3, "a")), torch.rand(5, generator=generator(4, "a")))


@pytest.mark.parametrize("seed", [0, 7, 2**32 + 7, 2**63 - 1])
def test_a_scope_repeats_the_draws_of_all_three_global_states(seed):
    with scoped_randomness(seed):
        first = _draws()
    with scoped_randomness(seed):
        again = _draws()
    assert first == again
    with scoped_randomness(seed - 1 if seed else 1):
        other = _draws()
    assert all(mine != theirs for mine, theirs in zip(first, other, strict=True))


@pytest.mark.parametrize("fails", [False, True])
def test_a_scope_leaves_the_callers_states_as_they_were_even_after_an_error(fails):
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    expected = _draws()
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    try:
        with scoped_randomness(5):
            _draws()
            if fails:
                raise ValueError("inside")
    except ValueError:
        assert fails
    assert _draws() == expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bits_are_zeros_and_ones_in_the_shape_and_dtype_of_their_probabilities(dtype):
    p = torch.rand(4, 5, 6, generator=generator(0, "p"), dtype=dtype)
    bits = zoo.bernoulli(p, generator(0, "bits"))
    assert (bits.shape, bits.dtype) == (p.shape, dtype)
    assert set(bits.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_probability_0_never_gives_1_and_probability_1_always_does(dtype):
    n = 2**18  # float16 draws an exact 0 once in 2^11
    draws = generator(0, "bits")
    assert not zoo.bernoulli(torch.zeros(n, dtype=dtype), draws).any()
    assert zoo.bernoulli(torch.ones(n, dtype=dtype), draws).all()


def test_the_share_of_ones_is_the_probability():
    n = 200_000
    p = torch.tensor([0.01, 0.3, 0.5, 0.95])
    share = zoo.bernoulli(p.expand(n, 4), generator(0, "bits")).mean(0)
    standard_error = (p * (1 - p) / n).sqrt()
    assert ((share - p).abs() < 4 * standard_error).all()


def test_bits_come_from_the_generator_or_else_from_the_global_state():
    p = torch.full((64,), 0.5)
    state = torch.get_rng_state()
    assert torch.equal(zoo.bernoulli(p, generator(1, "x")), zoo.bernoulli(p, generator(1, "x")))
    assert torch.equal(torch.get_rng_state(), state)
    with scoped_randomness(3):
        first = zoo.bernoulli(p)
    with scoped_randomness(3):
        assert torch.equal(zoo.bernoulli(p), first)
