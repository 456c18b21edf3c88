"""`zoo export`: a trained model as programs that run without genzoo, ONNX graphs or those of torch.export.

    encode(x)                  the mean code
    decode(z)                  E[x|z]
    sample(normal, uniform)    what the model generates from standard normal and uniform noise: `zoo.exchange.noise`

Programs take and return values in the user's units, for any number of examples, and take the classes y of a conditional
model last. Each is compared with the model on 100 inputs before it is written. `export.json` describes them.
"""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zoo.errors import ConfigError, Unsupported, ZooError, clause
from zoo.exchange.noise import Recorder, Replay
from zoo.exchange.provenance import without_folders
from zoo.files.storage import write_atomically, writing
from zoo.models.density import DensityPerClass
from zoo.models.model import Model
from zoo.runtime.devices import CPU
from zoo.runtime.extras import optional
from zoo.runtime.randomness import generator
from zoo.runtime.threads import single_thread
from zoo.version import __version__

Form = Literal["onnx", "torch"]

FILE = "export.json"
CHECKED = 100  # inputs
TOLERANCE = 1e-5  # of |program − model|, and relative where values are above 1
_SUFFIX = {"onnx": "onnx", "torch": "pt2"}

Call = Callable[..., Tensor]
Run = Callable[[Sequence[Tensor]], NDArray[Any]]


@dataclass(frozen=True)
class Program:
    """A program that was written: its file, and the shapes of its inputs by name and of its output, without the batch.

    `difference` is the largest one to the model over the checked inputs.
    """

    file: str
    inputs: dict[str, tuple[int, ...]]
    output: tuple[int, ...]
    difference: float


@dataclass(frozen=True)
class Export:
    """What was exported of a model: programs by name, and the reasons for those that were not."""

    folder: Path
    programs: dict[str, Program]
    refused: dict[str, str]


@dataclass(frozen=True)
class _Plan:
    """A program before it is exported: its function, inputs to check it with, and what the model returns for them."""

    call: Call
    inputs: dict[str, Tensor]
    expected: Tensor


class _Module(nn.Module):
    """A function of tensors as a module, with the model's module as its own, so that weights are stored once."""

    def __init__(self, module: nn.Module, call: Call) -> None:
        super().__init__()
        self.module = module
        self.call = call

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.call(*inputs)


def export_model(model: Model, folder: Path, form: Form) -> Export:
    """Write the programs of a model to a folder, with `export.json`.

    Args:
        model: the model, whose options (`model.with_options`) are fixed in the programs.
        folder: created if missing; files of the same names are replaced.
        form: `onnx` for onnxruntime and others, which needs genzoo[onnx]; `torch` for `torch.export.load`.

    Raises:
        ConfigError: for another form, and without the libraries of genzoo[onnx].
        Unsupported: if none of the programs can be exported.
        ZooError: if the folder cannot be written.
    """
    if not isinstance(model, Model):
        raise ConfigError(f"model must be a zoo.Model or the path of one, got {model!r:.80}; load it with zoo.load.")
    if form not in get_args(Form):
        raise ConfigError(f"The form of an export must be {' or '.join(get_args(Form))}, got {form!r}.")
    if form == "onnx":
        for library in ("onnx", "onnxscript", "onnxruntime"):
            optional(library, "onnx", "An export to ONNX")
    module = copy.deepcopy(model.module).to(CPU).eval()  # training mode would keep dropout
    model = dataclasses.replace(model, module=module)
    written: dict[str, Program] = {}
    refused: dict[str, str] = {}
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, plan in (("encode", _encode), ("decode", _decode), ("sample", _sample)):
        try:
            with single_thread(), torch.no_grad():
                written[name] = _exported(name, plan(model), module, folder, form)
        except Unsupported as error:
            refused[name] = clause(error)
    if not written:
        raise Unsupported(f"Nothing of {model.name} can be exported: {'; '.join(map(': '.join, refused.items()))}.")
    write_atomically(folder / FILE, json.dumps(_description(model, form, written, refused), indent=2).encode())
    return Export(folder, written, refused)


def _encode(model: Model) -> _Plan:
    x, y = _examples(model), _classes(model)

    def call(x: Tensor, y: Tensor | None = None) -> Tensor:
        seen = model._standardise(x)
        options = model._options({})
        z: Tensor = model.plugin.hooks.encode(model=model.module, x=seen, generator=None, y=y, options=options)
        return z

    return _Plan(call, {"x": x} | _named(y), model.encode(x, y))


def _decode(model: Model) -> _Plan:
    z, y = _codes(model), _classes(model)

    def call(z: Tensor, y: Tensor | None = None) -> Tensor:
        options = model._options({})
        x = model.plugin.hooks.decode(model=model.module, z=z, generator=None, y=y, options=options)
        return model._restore(x, CPU)

    return _Plan(call, {"z": z} | _named(y), model.decode(z, y))


def _sample(model: Model) -> _Plan:
    if isinstance(model.density, DensityPerClass):
        raise Unsupported("a program cannot choose the latent density by the class of each example")
    if model.table:
        raise Unsupported("a program does not turn its values into valid rows of the table; use zoo sample")
    y = _classes(model)
    with Recorder(CHECKED) as recorder:
        expected = model.sample(CHECKED, y, seed=0)
    kinds = list(recorder.noise)
    if not kinds:
        raise Unsupported("it draws no noise")

    def call(*inputs: Tensor) -> Tensor:
        noise = dict(zip(kinds, inputs, strict=False))
        y = inputs[len(kinds)] if len(inputs) > len(kinds) else None
        n, draws, options = inputs[0].shape[0], torch.Generator(), model._options({})
        hooks, about = model.plugin.hooks, {"model": model.module, "generator": draws, "options": options, "y": y}
        with Replay(recorder.draws, noise):
            if model.density is None:
                return model._restore(hooks.sample(n=n, **about), CPU)
            assert not isinstance(model.density, DensityPerClass)
            flat = model.density.plugin.hooks.sample(state=model.density.state, n=n, generator=draws)
            z = flat.reshape(-1, *model.density.latent).float()
            about["generator"] = draws if model.spec.support == "real" else None
            return model._restore(hooks.decode(z=z, **about), CPU)

    return _Plan(call, recorder.noise | _named(y), expected)


def _exported(name: str, plan: _Plan, module: nn.Module, folder: Path, form: Form) -> Program:
    """Export one program, compare it with the model, and write it.

    Raises:
        Unsupported: if the exporter refuses it, or it differs from the model.
    """
    inputs = list(plan.inputs.values())
    with _quiet():
        try:
            shapes = ({0: torch.export.Dim("batch", min=1)},) * len(inputs)
            program = torch.export.export(
                _Module(module, plan.call), tuple(each[:3] for each in inputs), dynamic_shapes={"inputs": shapes}
            )
            content, run = _onnx(program, list(plan.inputs)) if form == "onnx" else _torch(program)
            found = run(inputs)
        except ZooError:
            raise
        except Exception as error:  # exporters raise many types for what they cannot follow
            first = str(error).strip().partition("\n")[0]
            raise Unsupported(f"the exporter refuses it: {clause(Exception(first))}") from error
    expected = plan.expected.numpy()
    if found.shape != expected.shape:
        raise Unsupported(f"the program returns shape {found.shape}, and the model {expected.shape}")
    differences = np.abs(found - expected)
    if not (differences <= TOLERANCE * np.maximum(1, np.abs(expected))).all():
        raise Unsupported(f"the program differs from the model by {differences.max():.2g}")
    file = f"{name}.{_SUFFIX[form]}"
    write_atomically(folder / file, content)
    sizes = {key: tuple(each.shape[1:]) for key, each in plan.inputs.items()}
    return Program(file, sizes, tuple(expected.shape[1:]), float(differences.max()))


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop what exporters print about their future, libraries that they do not use, and graphs that they refuse."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _onnx(program: torch.export.ExportedProgram, names: list[str]) -> tuple[bytes, Run]:
    """Return a program as an ONNX file, and a function that runs it."""
    import onnxruntime

    graph = torch.onnx.export(program, input_names=names, output_names=["output"], dynamo=True, verbose=False)
    assert graph is not None
    content: bytes = graph.model_proto.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options)

    def run(inputs: Sequence[Tensor]) -> NDArray[Any]:
        feed = {name: each.numpy() for name, each in zip(names, inputs, strict=True)}
        output: NDArray[Any] = session.run(None, feed)[0]
        return output

    return content, run


def _torch(program: torch.export.ExportedProgram) -> tuple[bytes, Run]:
    """Return a program as a file of torch.export, and a function that runs it as loaded from there."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    content = buffer.getvalue()
    loaded = torch.export.load(io.BytesIO(content)).module()
    return content, lambda inputs: loaded(*inputs).numpy()


def _examples(model: Model) -> Tensor:
    """Return random examples in the user's units, shape (100, *spec.shape)."""
    draws, shape = generator(0, "examples of an export"), (CHECKED, *model.spec.shape)
    if model.spec.support == "real":
        return model._restore(torch.randn(shape, generator=draws), CPU)
    u = torch.rand(shape, generator=draws)
    return u.round() if model.spec.support == "bits" or model.trains_on_bits else u


def _codes(model: Model) -> Tensor:
    """Return the codes of random examples; codes from the model's distribution if it has no encoder."""
    y = _classes(model)
    try:
        return model.encode(_examples(model), y)
    except Unsupported:
        if not model.density and not model.plugin.implements("sample_codes"):
            raise
        return model.sample_codes(CHECKED, y, seed=0).float()


def _classes(model: Model) -> Tensor | None:
    return model.draw_labels(CHECKED, seed=0) if model.is_conditional else None


def _named(y: Tensor | None) -> dict[str, Tensor]:
    return {} if y is None else {"y": y}


def _description(model: Model, form: Form, written: dict[str, Program], refused: dict[str, str]) -> dict[str, Any]:
    """Return the content of `export.json`."""
    return {
        "form": form,
        "model": model.name,
        "distribution": model.plugin.distribution,
        "versions": {"genzoo": __version__, "torch": torch.__version__, model.name: model.plugin.version},
        "config": model.config.model_dump(mode="json"),
        "options": model._options({}).model_dump(mode="json"),
        "data": {"shape": model.spec.shape, "support": model.spec.support, "columns": model.columns}
        | ({"table": model.table.facts()} if model.table else {}),
        "protocol": without_folders(model.protocol),
        "programs": {name: dataclasses.asdict(each) for name, each in written.items()},
        "refused": refused,
    }
