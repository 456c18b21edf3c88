"""Claims about shapes: for batches of 1 and more, and for examples of various shapes.

On every call, `zoo.plugins.hook_checks` also checks that the result is a new, finite floating-point tensor without a
gradient and in the data's range.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from zoo.conformance.claim import DoesNotApply, Failure, case_claim, plugin_claim
from zoo.conformance.subject import Case, Subject, untrained
from zoo.contract.data_spec import DataSpec
from zoo.errors import Unsupported
from zoo.models.model import Model

BATCHES = (1, 7)
SHAPES = ((1,), (5,), (4, 4), (3, 2, 2))


@case_claim()
def samples_have_the_shape_of_the_data(case: Case) -> None:
    """`sample` returns shape (n, *data.shape) for n of 1 and more."""
    for n in BATCHES:
        case.trained.sample(n, seed=0)


@case_claim()
def codes_have_one_shape(case: Case) -> None:
    """`encode` returns (B, *latent), with the same latent shape for means and draws, for B of 1 and more."""
    shapes = {
        f"{kind} of {n}": case.trained.encode(case.data.train[:n], seed=seed).shape[1:]
        for n in BATCHES
        for kind, seed in (("means", None), ("draws", 0))
    }
    if len(set(shapes.values())) > 1:
        raise Failure(f"every code must have the same shape, got {_listed(shapes)}")


@case_claim()
def decoded_codes_have_the_shape_of_the_data(case: Case) -> None:
    """`decode` returns shape (B, *data.shape) for mean and drawn codes; for real-valued data also with a generator."""
    for n in BATCHES:
        for seed in (None, 0):
            z = case.trained.encode(case.data.train[:n], seed=seed)
            case.trained.decode(z)
            if case.data.spec.support == "real":
                case.trained.decode(z, seed=0)


@case_claim()
def results_are_float32(case: Case) -> None:
    """Samples, codes, drawn codes and decoded codes are float32; likelihoods may be float64."""
    model, x = case.trained, case.data.train[:2]
    calls: dict[str, Callable[[], Tensor]] = {
        "sample": lambda: model.sample(2, seed=0),
        "encode": lambda: model.encode(x),
        "a draw of encode": lambda: model.encode(x, seed=0),
        "decode": lambda: model.decode(model.encode(x).float()),
    }
    if case.plugin.implements("sample_codes"):
        calls["sample_codes"] = lambda: model.sample_codes(2, seed=0)
    for hook, call in calls.items():
        with contextlib.suppress(Unsupported):
            if (dtype := call().dtype) != torch.float32:
                raise Failure(f"{hook} must return float32, as its input is, got {dtype}; return x.float()")


@case_claim("sample_codes")
def drawn_codes_have_the_shape_of_codes(case: Case) -> None:
    """`sample_codes` returns (n, *latent), with the latent shape of `encode`; `decode` accepts these codes."""
    for n in BATCHES:
        z = case.trained.sample_codes(n, seed=0)
        encoded = case.trained.encode(case.data.train[:n])
        if z.shape != encoded.shape:
            raise Failure(
                f"sample_codes must return shape {tuple(encoded.shape)}, as encode does, got {tuple(z.shape)}"
            )
        case.trained.decode(z)


@case_claim("sample_path")
def a_path_ends_in_the_samples(case: Case) -> None:
    """`sample_path` returns (T, n, *data.shape) for n of 1 and more; the last state is what `sample` returns."""
    for n in BATCHES:
        found, wanted = case.trained.sample_path(n, seed=0)[-1], case.trained.sample(n, seed=0)
        if not torch.allclose(found, wanted, atol=1e-5):
            gap = (found - wanted).abs().max().item()
            raise Failure(f"the last state must be the samples of the same generator, got a difference of {gap:.3g}")


@case_claim("log_prob")
def a_likelihood_is_one_value_per_example(case: Case) -> None:
    """`log_prob` returns `zoo.LogProb` values of shape (N,) for N of 1 and more."""
    for n in BATCHES:
        case.trained.log_prob(case.bits[:n])


@case_claim("diagnose")
def a_diagnosis_is_plain_values(case: Case) -> None:
    """`diagnose` returns a dictionary of finite numbers, strings or lists of finite numbers."""
    found = case.trained.diagnose(case.bits, case.bits)
    numbers = [each for value in found.values() for each in (value if isinstance(value, list) else [value])]
    if wrong := [each for each in numbers if not isinstance(each, str) and not math.isfinite(each)]:
        raise Failure(f"all numbers of a diagnosis must be finite, got {wrong[0]} among {', '.join(found)}")


@plugin_claim
def other_shapes_work(subject: Subject) -> None:
    """A model can be built for vectors, grayscale and colour images, and its results have their shapes."""
    refused, built = [], 0
    for support in sorted({case.data.spec.support for case in subject.cases}):
        for shape in SHAPES:
            spec = DataSpec(shape, support)
            try:
                model = untrained(subject.plugin, subject.resolved.config, spec, subject.options)
            except Unsupported as error:
                refused.append(f"{support} of shape {shape}: {error}")
                continue
            built += 1
            x = next(case.data.train for case in subject.cases if case.data.spec.support == support)
            try:
                refused += _refusals(model, x.flatten()[: 3 * spec.size].reshape(3, *shape))
            except Exception as error:
                error.add_note(f"on 3 examples of type {support} and shape {shape}; a model of 0 steps")
                raise
    if not built:
        raise DoesNotApply("; ".join(refused))


def _refusals(model: Model, x: Tensor) -> list[str]:
    """Reconstruct and sample; return the reasons that the model gives for not supporting them."""
    refused = []
    calls: tuple[Callable[[], Tensor], ...] = (lambda: model.reconstruct(x), lambda: model.sample(len(x), seed=0))
    for call in calls:
        try:
            call()
        except Unsupported as error:
            refused.append(str(error))
    return refused


def _listed(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{tuple(shape)} for {what}" for what, shape in shapes.items())
