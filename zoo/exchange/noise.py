"""Random draws as inputs: the draws of a call, recorded or replaced by the columns of two tensors.

A program without a random generator needs its noise from outside. A `Recorder` watches a call with a generator and
keeps each draw as standard normal or uniform noise; a `Replay` gives the same call its draws from such noise:

    torch.randn                 ε ~ N(0, I)
    torch.rand                  u ~ U(0, 1)
    torch.randint               low + ⌊u (high − low)⌋
    torch.multinomial           the number of c_k ≤ u, c_k = Σ_{j ≤ k} p_j / Σ_j p_j
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from zoo.errors import Unsupported

MOST = 64  # draws for one sample: a program has every step of a chain as a copy of its own

Kind = Literal["normal", "uniform"]

_NORMAL = (torch.randn,)
_UNIFORM = (torch.rand,)
_INTEGER = (torch.randint,)
_INDEX = (torch.multinomial, torch.Tensor.multinomial)


class Draw(NamedTuple):
    """A draw for each of B examples: the kind of its noise, the shape of one example's, and the type of the noise."""

    kind: Kind
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """Number of values for one example."""
        return int(torch.Size(self.shape).numel())


class Recorder(TorchFunctionMode):
    """Keeps the noise of all draws made inside the block for n examples.

    Attributes:
        draws: what was drawn, in order.

    Raises:
        Unsupported: inside the block, for a draw that is not made of normal or uniform noise for each example, or for
            too many.
    """

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n
        self.draws: list[Draw] = []
        self._noise: dict[Kind, list[Tensor]] = {"normal": [], "uniform": []}

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        value = func(*args, **kwargs)
        if kwargs.get("generator") is None:
            return value
        if func in _NORMAL:
            self._keep("normal", value)
        elif func in _UNIFORM:
            self._keep("uniform", value)
        elif func in _INTEGER:
            low, high = _range(args)
            self._keep("uniform", (value - low + 0.5) / (high - low))
        elif func in _INDEX:
            c = _cumulative(args[0])
            c = c.expand(*value.shape, -1) if c.ndim == 1 else c[:, None].expand(*value.shape, -1)
            above = c.gather(-1, value[..., None]).squeeze(-1)
            below = c.gather(-1, (value - 1).clamp(min=0)[..., None]).squeeze(-1)
            self._keep("uniform", (torch.where(value > 0, below, 0.0) + above) / 2)
        else:
            name = getattr(func, "__name__", str(func))
            raise Unsupported(f"it draws with torch's {name}, which is not a function of normal or uniform noise here")
        return value

    @property
    def noise(self) -> dict[str, Tensor]:
        """The noise of each kind that was drawn, float32, shape (n, values), in the order of the draws."""
        return {kind: torch.cat(parts, 1) for kind, parts in self._noise.items() if parts}

    def _keep(self, kind: Kind, noise: Tensor) -> None:
        if len(self.draws) == MOST:
            raise Unsupported(
                f"it draws more than {MOST} times for one sample; reduce its number of steps with a sampling option"
            )
        if noise.ndim == 0 or len(noise) != self.n:
            raise Unsupported(f"it draws noise of shape {tuple(noise.shape)}, which is not noise for each example")
        self.draws.append(Draw(kind, tuple(noise.shape[1:]), noise.dtype))
        self._noise[kind].append(noise.reshape(self.n, -1).float())


class Replay(TorchFunctionMode):
    """Gives the draws made inside the block the values that follow from noise, in the order in which it was recorded.

    Args:
        draws: what a `Recorder` found in the same call.
        noise: of each kind, shape (B, values), for any B.
    """

    def __init__(self, draws: Iterable[Draw], noise: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._draws = iter(draws)
        self._noise = noise
        self._used = dict.fromkeys(noise, 0)

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if kwargs.get("generator") is None:
            return func(*args, **kwargs)
        noise = self._next()
        if func in _INTEGER:
            low, high = _range(args)
            return low + (noise * (high - low)).long().clamp(max=high - low - 1)
        if func in _INDEX:
            c = _cumulative(args[0])
            index = (noise.reshape(-1, 1) >= c).sum(-1).clamp(max=c.shape[-1] - 1)
            return index if c.ndim == 1 else index[:, None]
        return noise

    def _next(self) -> Tensor:
        draw = next(self._draws)
        start = self._used[draw.kind]
        self._used[draw.kind] += draw.size
        columns = self._noise[draw.kind][:, start : start + draw.size]
        return columns.to(draw.dtype).reshape(-1, *draw.shape)


def _range(args: tuple[Any, ...]) -> tuple[int, int]:
    """Return low and high of `torch.randint(high, size)` or `torch.randint(low, high, size)`."""
    return (0, args[0]) if len(args) == 2 else (args[0], args[1])


def _cumulative(p: Tensor) -> Tensor:
    """c_k = Σ_{j ≤ k} p_j / Σ_j p_j over the last dimension."""
    return p.cumsum(-1) / p.sum(-1, keepdim=True)
