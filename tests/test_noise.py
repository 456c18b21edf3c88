"""`zoo.exchange.noise`: a call's draws become functions of normal and uniform noise, and the same noise repeats it."""

import numpy as np
import pytest
import torch

import zoo
from zoo.exchange.noise import MOST, Recorder, Replay

P = torch.tensor([0.0, 0.25, 0.0, 0.5, 0.25], dtype=torch.float64)
ROWS = torch.tensor([[1.0, 0.0, 3.0], [0.0, 2.0, 2.0]] * 25)


def draw(n: int, generator: torch.Generator) -> list[torch.Tensor]:
    """Every draw that can be recorded, in each of its forms."""
    return [
        torch.randn(n, 2, generator=generator, dtype=torch.float64),
        torch.rand((n, 3), generator=generator),
        torch.randint(7, (n,), generator=generator),
        torch.randn(n, generator=generator),
        torch.randint(-2, 3, (n, 2), generator=generator),
        torch.multinomial(P, n, replacement=True, generator=generator),
        ROWS[:n].multinomial(1, generator=generator),
    ]


def recorded() -> tuple[list[torch.Tensor], Recorder]:
    with Recorder(50) as recorder:
        values = draw(50, zoo.generator(0, "a call"))
    return values, recorder


def test_a_recorded_call_returns_what_it_would_have_returned():
    values, _ = recorded()
    assert all(map(torch.equal, values, draw(50, zoo.generator(0, "a call"))))


def test_replaying_the_noise_repeats_the_call_in_values_and_types():
    values, recorder = recorded()
    assert {kind: noise.shape[1] for kind, noise in recorder.noise.items()} == {"normal": 3, "uniform": 8}
    with Replay(recorder.draws, recorder.noise):
        again = draw(50, torch.Generator())
    for value, other in zip(values, again, strict=True):
        torch.testing.assert_close(other, value, rtol=1e-6, atol=1e-7)


def test_other_noise_for_another_number_of_examples_gives_the_values_of_the_formulas():
    _, recorder = recorded()
    normal, uniform = torch.randn(2, 3), torch.tensor([[0.0] * 8, [0.99999994] * 8])
    with Replay(recorder.draws, {"normal": normal, "uniform": uniform}):
        z, u, integers, e, shifted, index = draw(2, torch.Generator())[:6]
    assert torch.equal(z, normal[:, :2].double())
    assert torch.equal(e, normal[:, 2])
    assert torch.equal(u, uniform[:, :3])
    assert integers.tolist() == [0, 6]
    assert shifted.tolist() == [[-2, -2], [2, 2]]
    assert index.tolist() == [1, 4]  # never an index of weight 0


def test_an_index_is_the_inverse_of_the_cumulative_distribution():
    with Recorder(4000) as recorder:
        torch.multinomial(P, 4000, replacement=True, generator=zoo.generator(0, "index"))
    u = torch.rand(4000, 1, generator=zoo.generator(1, "index"))
    u[:2, 0] = torch.tensor([0.25, 0.75])
    with Replay(recorder.draws, {"uniform": u}):
        index = torch.multinomial(P, 4000, replacement=True, generator=torch.Generator())
    expected = np.searchsorted([0.0, 0.25, 0.25, 0.75, 1.0], u[:, 0].double().numpy(), side="right")
    assert np.array_equal(index.numpy(), expected)


def test_calls_without_a_generator_are_left_alone():
    with Recorder(3) as recorder:
        torch.rand(3)
    with Replay([], {}):
        assert torch.randn(3).shape == (3,)
    assert recorder.draws == []


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda g: zoo.bernoulli(torch.rand(4, 2), g), "it draws with torch's random_"),
        (lambda g: torch.randn(2, 4, generator=g), r"noise of shape \(2, 4\), which is not noise for each example"),
        (lambda g: torch.rand((), generator=g), r"noise of shape \(\)"),
        (lambda g: [torch.rand(4, generator=g) for _ in range(MOST + 1)], f"draws more than {MOST} times"),
    ],
)
def test_other_draws_are_refused_with_the_reason(call, reason):
    with pytest.raises(zoo.Unsupported, match=reason), Recorder(4):
        call(torch.Generator())
