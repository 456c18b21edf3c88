"""Seeds are pure functions, scopes leave no trace, and bits have the probability that they are asked for."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
import torch

import zoo
from zoo.runtime.randomness import generator, scoped_randomness
from zoo.runtime.seeds import checked_seed, derive_seed


def _draws():
    return torch.rand(3).tolist(), np.random.rand(3).tolist(), [random.random() for _ in range(3)]


def test_a_derived_seed_is_a_pure_function_of_seed_and_purpose():
    # printf 'zoo:0:train' | sha256sum: the first 8 bytes, little-endian, halved; a run of today can be repeated
    first_bytes = bytes.fromhex("ba544b825dc1f45f")
    assert derive_seed(0, "train") == int.from_bytes(first_bytes, "little") // 2


WRONG_SEEDS = [-1, np.int64(-1), 1.5, 1.0, np.float64(1), True, np.True_, "1", None, [1], torch.tensor(1)]


@pytest.mark.parametrize("seed", WRONG_SEEDS, ids=repr)
def test_a_seed_is_a_whole_number_from_0_on(seed):
    with pytest.raises(zoo.ConfigError, match=rf"^seed must be a whole number >= 0, got {re.escape(repr(seed))}\.$"):
        derive_seed(seed, "train")
    with pytest.raises(zoo.ConfigError, match="^seed must be a whole number >= 0"):
        zoo.generator(seed, "train")


@pytest.mark.parametrize("seed", [np.int64(3), np.int32(3), np.uint8(3)], ids=lambda seed: str(seed.dtype))
def test_an_integer_of_numpy_is_the_same_seed(seed):
    assert derive_seed(seed, "train") == derive_seed(3, "train")
    assert type(checked_seed(seed)) is int


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


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(4, 5, 6), (7, 13), (1,), (), (0, 3)])  # whole and broken groups of four
def test_bits_are_zeros_and_ones_in_the_shape_and_dtype_of_their_probabilities(shape, dtype):
    p = torch.full(shape, 0.5, dtype=dtype)
    bits = torch.stack([zoo.bernoulli(p, generator(seed, "bits")) for seed in range(40)])
    assert (bits.shape, bits.dtype) == ((40, *shape), dtype)
    assert set(bits.unique().tolist()) == ({0.0, 1.0} if bits.numel() else set())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_probability_0_never_gives_1_and_probability_1_always_does(dtype):
    """An exact u = 0 turns up in one call of 256, and there once in 65,536 bits: four times in 1,024 calls."""
    draws, n = generator(0, "bits"), 2**16
    never, always = torch.zeros(n, dtype=dtype), torch.ones(n, dtype=dtype)
    assert not any(zoo.bernoulli(never, draws).any() for _ in range(1024))
    assert all(zoo.bernoulli(always, draws).all() for _ in range(256))


def test_the_share_of_ones_is_the_probability():
    n = 200_000
    p = torch.tensor([0.01, 0.3, 0.5, 0.95])
    share = zoo.bernoulli(p.expand(n, 4), generator(0, "bits")).mean(0)
    standard_error = (p * (1 - p) / n).sqrt()
    assert ((share - p).abs() < 4 * standard_error).all()


@pytest.mark.parametrize("p", [2**-17, 1.5 * 2**-16, 1 - 1.5 * 2**-16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_probabilities_between_the_steps_of_16_bits_are_kept(p, dtype):
    n, calls, draws = 4096, 4096, generator(0, "bits")
    share = sum(zoo.bernoulli(torch.full((n,), p, dtype=dtype), draws).double().mean().item() for _ in range(calls))
    within_a_call = 2**-34  # the covariance that the shared low bits bring at most
    assert abs(share / calls - p) < 4 * ((p * (1 - p) / n + within_a_call) / calls) ** 0.5


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 7])
def test_bits_of_one_call_are_independent(lag):
    n = 2**18
    sign = 2 * zoo.bernoulli(torch.full((n,), 0.5), generator(0, "bits")) - 1
    assert abs((sign[lag:] * sign[:-lag]).mean()) < 4 / (n - lag) ** 0.5


def test_each_bit_follows_the_probability_at_its_own_place():
    p = torch.tensor([[0.0, 1.0, 0.0], [1.0, 1.0, 0.0]]).T  # not contiguous
    assert torch.equal(zoo.bernoulli(p, generator(0, "bits")), p)


def test_bits_come_from_the_generator_or_else_from_the_global_state():
    p = torch.full((64,), 0.5)
    state = torch.get_rng_state()
    assert torch.equal(zoo.bernoulli(p, generator(1, "x")), zoo.bernoulli(p, generator(1, "x")))
    assert torch.equal(torch.get_rng_state(), state)
    with scoped_randomness(3):
        first = zoo.bernoulli(p)
    with scoped_randomness(3):
        assert torch.equal(zoo.bernoulli(p), first)
