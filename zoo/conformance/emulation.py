"""An emulated GPU, for testing device placement on CPU-only machines.

Inside `EmulatedDevice` a tensor that is created on `cuda:0` or moved there is marked, and so are tensors computed from
it. An operation on tensors of both devices raises, as in CUDA, and so do a draw from the other device's generator and a
conversion to NumPy. The arithmetic is the CPU's, so that results are bit-identical. Reads that would make the host wait
are counted. `EmulatedDevice(MPS)` is the GPU of a Mac instead, `mps:0`, where tensors of float64 raise.
"""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self
from unittest import mock
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn
from torch.autograd.graph import _engine_run_backward
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from zoo.runtime.devices import CPU, has_float64

PLACE, MPS = torch.device("cuda", 0), torch.device("mps", 0)
_READS = {"item", "tolist", "cpu", "nonzero", "unique", "equal", "__bool__", "__int__", "__float__", "__index__"}
_ACROSS = {"_foreach_copy_", "_has_compatible_shallow_copy_type"}  # functions that accept tensors on both devices
_ATTRIBUTES = {place: {"device": place, "is_cpu": False, f"is_{place.type}": True} for place in (PLACE, MPS)}


class _Generator(torch.Generator):
    """A generator that reports an emulated device and draws the CPU's numbers."""

    device = PLACE


class _MacGenerator(_Generator):
    device = MPS


class EmulatedDevice(TorchFunctionMode):
    """A context in which a GPU can be used.

    Attributes:
        place: the emulated device, `PLACE` or `MPS`.
        reads: number of times that the host has read a value from the device.
        transformed: whether a function was called inside a transform of torch.func, such as `vmap` or `grad`. Tensors
            inside are wrappers that torch makes and removes unseen, so that the emulation does not follow them.
    """

    def __init__(self, place: torch.device = PLACE) -> None:
        super().__init__()
        self.place = place
        self.reads = 0
        self.transformed = False
        self._there: WeakValueDictionary[int, Tensor] = WeakValueDictionary()
        self._patches = ExitStack()

    def __enter__(self) -> Self:
        make = nn.Parameter.__new__

        def made(kind: type[nn.Parameter], data: Tensor | None = None, requires_grad: bool = True) -> nn.Parameter:
            parameter = make(kind, data, requires_grad)
            self._mark(parameter, data is not None and self._holds(data))
            return parameter

        def make_generator(device: Any) -> torch.Generator:
            kind = _MacGenerator if self.place == MPS else _Generator
            return kind() if torch.device(device) == self.place else torch.Generator(device)

        for name, value in (
            ("torch.cuda.device_count", lambda: int(self.place == PLACE)),
            ("torch.backends.mps.is_available", lambda: self.place == MPS),
            ("torch.backends.mps.get_name", lambda: "an emulation"),
            ("torch.mps.get_rng_state", lambda device="mps": torch.zeros(0, dtype=torch.uint8)),
            ("torch.mps.set_rng_state", lambda state, device="mps": None),
            ("torch.cuda.get_device_name", lambda device: "an emulation"),
            ("torch.cuda.get_rng_state", lambda device: torch.zeros(0, dtype=torch.uint8)),
            ("torch.cuda.set_rng_state", lambda state, device: None),
            ("torch.nn.Parameter.__new__", made),
            ("zoo.runtime.randomness.Generator", make_generator),
        ):
            self._patches.enter_context(mock.patch(name, value))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        self._patches.close()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        self.transformed |= torch._C._functorch.peek_interpreter_stack() is not None
        given = args[:1] if name == "__deepcopy__" else (args, kwargs)  # the second argument holds earlier copies
        tensors = [each for each in tree_leaves(given) if isinstance(each, Tensor)]
        there = [each for each in tensors if self._holds(each)]
        if name == "__get__" and there and func.__self__.__name__ in (attributes := _ATTRIBUTES[self.place]):
            return attributes[func.__self__.__name__]
        if name == "numpy" and there:
            raise TypeError(f"can't convert {self.place} device type tensor to numpy")
        self.reads += name in _READS and bool(there)
        device, args, kwargs = _on_the_cpu(name, args, dict(kwargs or {}))
        if name in ("copy_", "__set__"):  # the target keeps its device, unless its data are replaced
            goes = self._holds(args[name == "__set__" and func.__self__.__name__ == "data"])
        elif device is not None:
            goes = device == self.place
        else:
            goes = bool(there)
            if goes and name not in _ACROSS and any(each.dim() and not self._holds(each) for each in tensors):
                raise RuntimeError(f"{name}: expected all tensors to be on the same device, got {self.place} and cpu")
        generator = kwargs.get("generator")
        if generator is not None and isinstance(generator, _Generator) != goes:
            raise RuntimeError(f"{name}: the generator is on {generator.device}, but the drawn tensor is not")
        if name == "backward":
            return self._differentiate(
                args[0], kwargs.get("gradient"), bool(kwargs.get("retain_graph")), kwargs.get("inputs")
            )
        result = func(*args, **kwargs)
        if name in ("to", "cpu") and result is args[0] and goes != bool(there):
            result = result.clone()
        if (
            goes
            and not has_float64(self.place)
            and any(isinstance(each, Tensor) and each.dtype == torch.float64 for each in tree_leaves(result))
        ):
            raise TypeError(f"{name}: {self.place} has no float64")
        for each in tree_leaves((result, args[:1] if name in ("copy_", "__set__") else ())):
            if isinstance(each, Tensor):
                self._mark(each, goes)
        return result

    def _differentiate(
        self, loss: Tensor, gradient: Tensor | None, retain_graph: bool, inputs: list[Tensor] | None
    ) -> None:
        """Run `loss.backward(inputs=inputs)` such that derivatives written in Python also see the emulated device."""
        seed = torch.ones_like(loss) if gradient is None else gradient
        self._mark(seed, self._holds(loss))
        super().__enter__()  # type: ignore[no-untyped-call]  # torch disables the mode inside backward
        try:
            _engine_run_backward(
                (loss,), (seed,), retain_graph, False, tuple(inputs or ()), allow_unreachable=True, accumulate_grad=True
            )
        finally:
            super().__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def _holds(self, tensor: Tensor) -> bool:
        return id(tensor) in self._there and self._there[id(tensor)] is tensor

    def _mark(self, tensor: Tensor, goes: bool) -> None:
        if goes:
            self._there[id(tensor)] = tensor
        else:
            self._there.pop(id(tensor), None)


def _on_the_cpu(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[torch.device | None, Any, Any]:
    """Return the device that a call asks for, and the same call for the CPU."""
    device = kwargs.pop("device", None)
    if name == "cpu":
        device = CPU
    if name == "to":
        device = next((each for each in args if isinstance(each, str | torch.device)), device)
        args = tuple(CPU if isinstance(each, str | torch.device) else each for each in args)
        if len(args) == 1 and not kwargs:
            args = (*args, CPU)
    return None if device is None else torch.device(device), args, kwargs
