"""`zoo.Model`: a trained model that encodes, decodes, samples and scores data.

Inputs and outputs are in the user's units: real-valued data are standardized on the way in and restored on the way out.
Every value that a plugin returns is checked here, so that the error can name the plugin and the hook.
"""

from __future__ import annotations

import copy
import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from zoo.contract.config import Config
from zoo.contract.data_spec import DataSpec, into_unit
from zoo.contract.log_prob import LogProb
from zoo.data.dataset import standardised
from zoo.data.in_memory import columns_of, is_dataframe
from zoo.data.table import Table
from zoo.errors import ConfigError, PluginError, Unsupported
from zoo.files.paths import as_path
from zoo.files.storage import writing
from zoo.files.tensor_file import write
from zoo.models.arrays import Array, as_tensor
from zoo.models.density import DensityPerClass, FittedDensity
from zoo.models.labels import Labels, as_labels, draw_labels
from zoo.plugins.hook_checks import checked, guarded
from zoo.plugins.plugin import Plugin
from zoo.runtime.devices import CPU, device_of, find_device, has_float64, moved, suited
from zoo.runtime.notebook import facts_table, one_line
from zoo.runtime.randomness import generator
from zoo.scalars import plain
from zoo.version import __version__

FILE = "model.safetensors"  # in a run folder

_MOST = 2**31  # values of samples drawn in one call: 8 GiB
BLOCK = 1024  # examples per hook call, which bounds memory for any n


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A trained model: `encode`, `decode`, `reconstruct`, `sample`, `log_prob`, `save`.

    Inputs are tensors or NumPy arrays and may be on any device; outputs are tensors on the input's device (the CPU for
    arrays). Samples are returned on the CPU. The model computes on the device of its module. Several threads may use
    one model; their calls run one after another.

    Tensors and arrays of any real or boolean type are converted to float32. A DataFrame of pandas or polars is accepted
    in the place of an array; if the model knows the names of its columns, they are matched by name.

    A conditional model is one of p(x|y). The classes y are whole numbers from 0 on: one number for all examples, or a
    sequence, array or tensor with one for each.

    Attributes:
        plugin: the model's plugin, of group `zoo.models`; every hook is called through it.
        module: the torch module that the plugin built.
        config: the settings that the module was built from.
        spec: shape and support of one example.
        density: the attached latent density, or one for each class, or None for the model's own distribution.
        label: class that a conditional model uses where no class is given; it is not saved.
        standardisation: (offset, scale) of real-valued data, each of shape `spec.shape`, or None.
        options: settings of sampling and likelihood that differ from the card's defaults.
        columns: names of a table's columns, in order; () if they have no names.
        protocol: provenance (data, seed, budget, versions) as plain values, saved with the model.
        table: columns of a mixed table, which `x` encodes: `table.rows(x)` are rows of the file; None for other data.
    """

    plugin: Plugin
    module: nn.Module
    config: Config
    spec: DataSpec
    density: FittedDensity | DensityPerClass | None = None
    label: int | None = None
    standardisation: tuple[Tensor, Tensor] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    protocol: Mapping[str, Any] = field(default_factory=dict)
    table: Table | None = None

    def __repr__(self) -> str:
        """`<zoo.Model vae@gmm on (8, 8) unit, 100 epochs, seed 0>`."""
        parts = [f"{self.name} on {self.spec.shape} {self.spec.support}", *self._training()]
        return f"<zoo.Model {one_line(', '.join(parts))}>"

    def _repr_html_(self) -> str:
        """Return a small table for a notebook."""
        settings = [f"{key}={value}" for key, value in self.config.model_dump(mode="json").items()]
        facts = {
            "data": f"{self.spec.shape} {self.spec.support}",
            "training": ", ".join(self._training()),
            "parameters": f"{self.n_parameters:,}",
            "device": self.device,
            "settings": ", ".join(settings) or None,
        }
        return facts_table(f"zoo.Model {self.name}", facts)

    @property
    def name(self) -> str:
        """The model's name, with the latent density if it has one: `vae` or `vae@gmm`."""
        name = str(self.plugin.card.name)
        return f"{name}@{self.density.plugin.card.name}" if self.density else name

    @property
    def device(self) -> torch.device:
        """The device on which the model computes."""
        return device_of(self.module)

    @property
    def n_parameters(self) -> int:
        """Number of trained values, without those of the latent density."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def parameters(self) -> int:
        """The same number as `n_parameters`, under its first name; torch's iterator is `module.parameters()`."""
        return self.n_parameters

    @property
    def trains_on_bits(self) -> bool:
        """Whether training draws bits from [0, 1] data instead of using the values themselves."""
        sees: bool = self.plugin.card.trains_on_bits(self.config, self.spec.support)
        return sees

    @property
    def is_conditional(self) -> bool:
        """Whether it is a model of p(x|y), y the class of x."""
        found: bool = self.plugin.card.is_conditional_with(self.config)
        return found

    @property
    def class_shares(self) -> tuple[float, ...]:
        """Shares of the classes of which samples are drawn; () for a model without classes."""
        return self.density.shares if isinstance(self.density, DensityPerClass) else self.spec.class_shares

    def encode(self, x: Array, y: Labels | None = None, *, seed: int | None = None, **options: Any) -> Tensor:
        """Return the codes of x, shape (B, *latent): the mean code, or one draw per example if a seed is given.

        Args:
            x: examples in the data's units, a tensor or array of shape (B, *spec.shape), B at least 1.
            y: their classes, for a conditional model.
            seed: seed of the draws; None returns means.
            **options: options of the model's card, for this call.

        Raises:
            TypeError: if x is not a tensor or an array of numbers.
            ValueError: for another shape, or values outside [0, 1] if the data are in [0, 1].
            ConfigError: for an unknown option; if a conditional model gets no classes or invalid ones, or another model
                gets any.
            Unsupported: if the model has no code.
        """
        examples = self._examples(x)
        labels = self._blocks(self._labels(y, len(examples)), len(examples))
        draws = None if seed is None else generator(seed, "encode", self.device)
        chosen = self._options(options)
        blocks = zip(examples.split(BLOCK), labels, strict=True)
        codes = (self._encode(self._standardise(x), y, draws, chosen).to(examples.device) for x, y in blocks)
        return self._joined(codes, len(examples))

    def decode(self, z: Array, y: Labels | None = None, *, seed: int | None = None, **options: Any) -> Tensor:
        """Return E[x|z] in the data's units, shape (B, *spec.shape); E[x|z, y] for a conditional model.

        Args:
            z: codes, a tensor or array of shape (B, *latent).
            y: classes, for a conditional model.
            seed: seed of draws from p(x|z), for real-valued data only; None returns means.
            **options: options of the model's card, for this call.

        Raises:
            TypeError: if z is not a tensor or an array of numbers.
            ConfigError: for a seed if the data are not real-valued, for an unknown option, and for classes, as for
                `encode`.
            Unsupported: if the model has no decoder.
        """
        codes = as_tensor(z, "z")
        if seed is not None and self.spec.support != "real":
            raise ConfigError(
                "Only real-valued data have draws from p(x|z); draw bits from the means with zoo.bernoulli."
            )
        labels = self._blocks(self._labels(y, len(codes)), len(codes))
        draws = None if seed is None else generator(seed, "decode", self.device)
        chosen = self._options(options)
        blocks = zip(codes.split(BLOCK), labels, strict=True)
        decoded = (self._restore(self._decode(z, y, draws, chosen), codes.device) for z, y in blocks)
        return self._joined(decoded, len(codes))

    def reconstruct(self, x: Array, y: Labels | None = None, **options: Any) -> Tensor:
        """Return decode(encode(x)), computed with mean codes, shape (B, *spec.shape).

        Arguments and errors are those of `encode`.
        """
        return self.decode(self.encode(x, y, **options), y, **options)

    def sample(self, n: int, y: Labels | None = None, *, seed: int | None = None, **options: Any) -> Tensor:
        """Generate n examples in the data's units, shape (n, *spec.shape), on the CPU.

        For [0, 1] data, samples are means or draws, as the model's card states; with a latent density, they are the
        means of decoded draws from it. For real-valued data, samples are draws, observation noise included. Those of a
        mixed table are the nearest valid rows.

        Args:
            n: number of samples, 1 or more.
            y: their classes, for a conditional model; None draws them as `draw_labels` does.
            seed: the same seed and n give the same samples; None takes a fresh one. With another n all samples may
                differ, so the first samples of a larger set are not those of a smaller one: draw the larger set once,
                and use its first samples.
            **options: sampling options of the model's card, for this call.

        Raises:
            ConfigError: if n is out of range, for an unknown option, for invalid classes, and for classes if the model
                is not conditional.
            Unsupported: if the model cannot generate; the message gives the reason.
        """
        n = _count(n)
        if n > (most := _MOST // self.spec.size):
            raise ConfigError(
                f"At most {most:,} samples of {self.spec.size:,} values are drawn at once, got {n:,}; draw the rest "
                "in further calls with other seeds."
            )
        seed = secrets.randbits(62) if seed is None else seed
        draws, labels = generator(seed, "sample", self.device), self._sampled(y, n, seed)
        chosen = self._options(options)
        sizes = [BLOCK] * (n // BLOCK) + ([n % BLOCK] if n % BLOCK else [])
        blocks = zip(sizes, self._blocks(labels, n), strict=True)
        x = self._joined((self._restore(self._sample(size, y, draws, chosen), CPU) for size, y in blocks), n)
        return x if self.table is None else self.table.nearest(x)

    def draw_labels(self, n: int, *, seed: int) -> Tensor:
        """Draw n classes with the shares of the training split, int64, shape (n,): those of `sample` with this seed.

        Raises:
            ConfigError: if the model is not conditional.
        """
        if not self.class_shares:
            raise ConfigError(f"{self.name} is not conditional, so it has no classes to draw.")
        n = _count(n)
        if self.label is not None:
            return torch.full((n,), self.label)
        return draw_labels(self.class_shares, n, generator(seed, "labels"))

    def log_prob(self, x: Array, y: Labels | None = None, *, seed: int = 0, **options: Any) -> tuple[LogProb, ...]:
        """Return log p(x) in nats per example, or log p(x|y): a tuple of `zoo.LogProb`, each with its kind.

        Most models return one answer, `(answer,) = model.log_prob(x)`; a lower and an upper bound form a bracket.
        For real-valued data, the density is that of the standardized values.

        Args:
            x: examples, a tensor or array of shape (N, *spec.shape), N at least 1. For [0, 1] data they must be bits,
                because values between 0 and 1 have no likelihood under a distribution over bits.
            y: their classes, for a conditional model.
            seed: seed of the method's draws.
            **options: options of the model's card, for this call.

        Raises:
            TypeError, ValueError: as for `encode`.
            ConfigError: for values other than 0 and 1 if the data are in [0, 1], for an unknown option, and for
                classes, as for `encode`.
            Unsupported: if the model has no likelihood; the message gives the reason.
        """
        if not has_float64(self.device):
            return self._on_the_cpu().log_prob(x, y, seed=seed, **options)
        if not self.plugin.implements("log_prob"):
            raise Unsupported(f"{self.plugin.card.name} has no likelihood: its plugin does not implement log_prob.")
        if self.density and not self.plugin.names("log_prob", "prior"):
            raise Unsupported(
                f"{self.name} has no likelihood: {self.plugin.card.name} has none under another latent density."
            )
        if self.is_conditional and isinstance(self.density, DensityPerClass):
            raise Unsupported(
                f"{self.name} has no likelihood: log p(x|y) of a conditional model is computed under one density of "
                "codes for all classes; leave density.per_class out."
            )
        examples = self._examples(x)
        if self.spec.support == "unit" and bool(((examples != 0) & (examples != 1)).any()):
            raise ConfigError(
                "log_prob takes bits for [0, 1] data, got grayscale values; draw bits with zoo.bernoulli(x)."
            )
        labels = self._labels(y, len(examples))
        seen = self._standardise(examples)
        with guarded(self.plugin, "log_prob", seen):
            answer = self.plugin.hooks.log_prob(
                model=self.module,
                x=seen,
                generator=generator(seed, "log_prob", self.device),
                options=self._options(options),
                prior=self.density,
                y=labels,
            )
        if not isinstance(answer, tuple | list) or not all(isinstance(bound, LogProb) for bound in answer):
            raise PluginError(
                f"The hook 'log_prob' of {self.plugin.source} must return a tuple of zoo.LogProb, got {answer!r:.80}."
            )
        return tuple(
            replace(bound, nats=moved(checked(bound.nats, self.plugin, "log_prob", (len(seen),)), examples.device))
            for bound in answer
        )

    def sample_codes(self, n: int, y: Labels | None = None, *, seed: int, **options: Any) -> Tensor:
        """Draw n codes from the distribution that `sample` decodes, shape (n, *latent), on the CPU.

        The same seed and n give the same codes; with another n all codes may differ.

        Args:
            n, y, seed, **options: as for `sample`.

        Raises:
            ConfigError: for invalid classes, and for classes if the model is not conditional.
            Unsupported: if the model does not define a distribution of its codes.
        """
        n = _count(n)
        draws, labels = generator(seed, "sample codes", self.device), self._sampled(y, n, seed)
        if self.density is not None:
            return self._drawn(n, labels, draws).cpu()
        if not self.plugin.implements("sample_codes"):
            raise Unsupported(
                f"{self.name} has no distribution of codes to draw from: its plugin does not implement sample_codes."
            )
        with guarded(self.plugin, "sample_codes"):
            z = self.plugin.hooks.sample_codes(
                model=self.module, n=n, generator=draws, options=self._options(options), y=labels
            )
        return checked(z, self.plugin, "sample_codes", (n, ...)).cpu()

    def sample_path(self, n: int, y: Labels | None = None, *, seed: int, **options: Any) -> Tensor:
        """Return n samples on their way from noise to data, in the data's units, shape (T, n, *spec.shape).

        The last state is `sample(n, y, seed=seed)`.

        Args:
            n: number of samples, from 1 to 1,024.
            y, seed, **options: as for `sample`.

        Raises:
            ConfigError: if n is out of range, and as for `sample`.
            Unsupported: if the model does not sample step by step, or draws from a latent density.
        """
        n = _count(n)
        if n > BLOCK:
            raise ConfigError(f"A path has from 1 to {BLOCK:,} samples, got {n}.")
        if self.density is not None or not self.plugin.implements("sample_path"):
            why = "it decodes draws from a density" if self.density is not None else "its plugin has no sample_path"
            raise Unsupported(f"{self.name} has no path from noise to samples: {why}.")
        draws, labels = generator(seed, "sample", self.device), self._sampled(y, n, seed)
        with guarded(self.plugin, "sample_path"):
            states = self.plugin.hooks.sample_path(
                model=self.module, n=n, generator=draws, options=self._options(options), y=labels
            )
        if checked(states, self.plugin, "sample_path", (...,)).ndim == 0 or len(states) < 2:
            raise PluginError(
                f"The hook 'sample_path' of {self.plugin.source} must return two states or more, got shape "
                f"{tuple(states.shape)}."
            )
        shape = (n, *self.spec.shape)
        states = [checked(each, self.plugin, "sample_path", shape, self.spec.support) for each in states]
        path = torch.stack([self._restore(each, CPU) for each in states])
        return path if self.table is None else torch.stack([self.table.nearest(each) for each in path])

    def log_prob_codes(self, z: Array) -> Tensor:
        """Return log p(z) in nats, shape (B,), under the distribution that `sample_codes` draws from.

        Args:
            z: codes, a tensor or array of shape (B, *latent).

        Raises:
            TypeError: if z is not a tensor or an array of numbers.
            Unsupported: if the model has no density of its codes.
        """
        if self.density is not None:
            return self.density.log_prob(as_tensor(z, "z", torch.float64))  # a density computes in float64
        if not has_float64(self.device):
            return self._on_the_cpu().log_prob_codes(z)
        if not self.plugin.implements("log_prob_codes"):
            raise Unsupported(f"{self.name} has no density of its codes: its plugin does not implement log_prob_codes.")
        codes = as_tensor(z, "z")
        seen = codes.to(self.device)
        with guarded(self.plugin, "log_prob_codes", seen):
            nats = self.plugin.hooks.log_prob_codes(model=self.module, z=seen)
        return moved(checked(nats, self.plugin, "log_prob_codes", (len(codes),)), codes.device)

    def diagnose(
        self, train: Array, valid: Array, y: Labels | None = None, valid_y: Labels | None = None, *, seed: int = 0
    ) -> dict[str, Any]:
        """Return the model's own diagnostics, by name; {} if its plugin does not implement any.

        Args:
            train, valid: examples of both splits in the data's units and in the form used for training (bits,
                grayscale or real values), tensors or arrays of shape (N, *spec.shape).
            y, valid_y: their classes, for a conditional model.
            seed: seed of the plugin's draws.
        """
        if not self.plugin.implements("diagnose"):
            return {}
        if not has_float64(self.device):
            return self._on_the_cpu().diagnose(train, valid, y, valid_y, seed=seed)
        seen = [self._standardise(as_tensor(x, name)) for name, x in (("train", train), ("valid", valid))]
        labels = [self._labels(each, len(x)) for each, x in zip((y, valid_y), seen, strict=True)]
        draws = generator(seed, "diagnose", self.device)
        with guarded(self.plugin, "diagnose", *seen):
            found = self.plugin.hooks.diagnose(
                model=self.module, train=seen[0], valid=seen[1], generator=draws, y=labels[0], valid_y=labels[1]
            )
        found = plain(found)
        if not isinstance(found, dict) or not all(
            isinstance(each, float | int | str | list) for each in found.values()
        ):
            raise PluginError(
                f"The hook 'diagnose' of {self.plugin.source} must return a dictionary of numbers, strings or lists of "
                f"numbers, got {found!r:.80}."
            )
        return found

    def with_options(self, changes: Mapping[str, Any]) -> Model:
        """Return a copy with other options of sampling and likelihood; options not in `changes` are kept.

        Raises:
            ConfigError: for options that the model's card does not have, or invalid values.
        """
        if not isinstance(changes, Mapping):
            raise ConfigError(f'The options must be a dictionary, such as {{"k": 50}}, got {changes!r:.80}.')
        self._options(changes)
        return replace(self, options=plain({**self.options, **changes}))

    def to(self, device: str) -> Model:
        """Move the module to a device, `cpu`, `cuda`, `cuda:1`, `mps` or `auto`, and return this same model.

        A model with its own `fit` stays on the CPU where the device has no float64.

        Raises:
            ConfigError: if the device does not exist.
        """
        self.module.to(suited(find_device(device), float64=self.plugin.implements("fit")))
        return self

    def with_density(self, density: FittedDensity | DensityPerClass) -> Model:
        """Return a copy with another latent density."""
        return replace(self, density=density)

    def save(self, path: str | Path) -> Path:
        """Write the model to one `.safetensors` file for `zoo.load`, and return its path.

        Args:
            path: a file named `*.safetensors`, or a folder, in which `model.safetensors` is written.
        """
        path = file if (file := as_path(path, "path")).suffix == ".safetensors" else file / FILE
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {f"model.{key}": value for key, value in self.module.state_dict().items()}
        if self.density:
            tensors |= {f"density.{key}": value for key, value in self.density.state.items()}
        if self.standardisation:
            tensors |= dict(zip(("data.offset", "data.scale"), self.standardisation, strict=True))
        facts = {
            "zoo": __version__,
            "plugin": _origin(self.plugin),
            "config": self.config.model_dump(mode="json"),
            "options": dict(self.options),
            "spec": {"shape": self.spec.shape, "support": self.spec.support} | self._classes(),
            "density": self._density(),
            "columns": self.columns,
            "protocol": dict(self.protocol),
        } | ({"table": self.table.facts()} if self.table else {})
        write(path, tensors, facts)
        return path

    def _encode(self, x: Tensor, y: Tensor | None, draws: Generator | None, options: Config) -> Tensor:
        """Encode a block of standardized examples."""
        with guarded(self.plugin, "encode", x):
            z = self.plugin.hooks.encode(model=self.module, x=x, generator=draws, y=y, options=options)
        return checked(z, self.plugin, "encode", (len(x), ...), given=x)

    def _decode(self, z: Tensor, y: Tensor | None, draws: Generator | None, options: Config) -> Tensor:
        """Decode a block of codes to standardized examples."""
        z = z.float().to(self.device)
        with guarded(self.plugin, "decode", z):
            x = self.plugin.hooks.decode(model=self.module, z=z, generator=draws, y=y, options=options)
        return checked(x, self.plugin, "decode", (len(z), *self.spec.shape), self.spec.support, given=z)

    def _sample(self, n: int, y: Tensor | None, draws: Generator, options: Config) -> Tensor:
        """Draw a block of standardized samples."""
        if self.density is not None:
            z = self._drawn(n, y, draws)
            draws_x = draws if self.spec.support == "real" else None
            return self._decode(z, y if self.is_conditional else None, draws_x, options)
        with guarded(self.plugin, "sample"):
            x = self.plugin.hooks.sample(model=self.module, n=n, generator=draws, options=options, y=y)
        return checked(x, self.plugin, "sample", (n, *self.spec.shape), self.spec.support)

    def _labels(self, y: Labels | None, count: int) -> Tensor | None:
        """Return the classes of `count` examples on the model's device; None if the model is not conditional."""
        y = self.label if y is None else y
        if not self.is_conditional:
            if y is not None:
                raise ConfigError(f"{self.name} is not conditional, so it takes no classes y; leave them out.")
            return None
        if y is None:
            raise ConfigError(f"{self.name} is a model of p(x|y); give the classes y of the examples (--label).")
        return as_labels(y, count, self.spec.n_classes).to(self.device)

    def _sampled(self, y: Labels | None, n: int, seed: int) -> Tensor | None:
        """Return the classes of n samples, drawn if none are given; None if the model has no classes."""
        if not self.class_shares:
            return self._labels(y, n)
        y = self.draw_labels(n, seed=seed) if y is None else y
        return as_labels(y, n, len(self.class_shares)).to(self.device)

    def _drawn(self, n: int, y: Tensor | None, draws: Generator) -> Tensor:
        """Draw n codes from the latent density, shape (n, *latent)."""
        assert self.density
        if isinstance(self.density, DensityPerClass):
            assert y is not None
            z = self.density.sample_of(y, draws)
        else:
            z = self.density.sample(n, draws)
        return z.reshape(n, *self.density.latent)

    def _joined(self, blocks: Iterable[Tensor], count: int) -> Tensor:
        """Return blocks of `count` rows as one tensor; unlike `torch.cat`, it never holds them twice."""
        whole, done = torch.empty(0), 0
        for block in blocks:
            if not done:
                whole = block.new_empty(count, *block.shape[1:])
            if block.shape[1:] != whole.shape[1:]:
                raise PluginError(
                    f"Hooks of {self.plugin.source} must return rows of one shape, got {tuple(whole.shape[1:])} and "
                    f"then {tuple(block.shape[1:])}."
                )
            whole[done : done + len(block)] = block
            done += len(block)
        return whole

    def _blocks(self, labels: Tensor | None, count: int) -> Sequence[Tensor | None]:
        """Return the classes of each block of `count` examples."""
        return [None] * max(1, -(-count // BLOCK)) if labels is None else labels.split(BLOCK)

    def _classes(self) -> dict[str, Any]:
        """Return the shares of the classes for the model's file; files of other models do not have the key."""
        return {"class_shares": self.spec.class_shares} if self.is_conditional else {}

    def _density(self) -> dict[str, Any] | None:
        """Return the description of the latent density for the model's file."""
        if self.density is None:
            return None
        per_class = {"per_class": True} if isinstance(self.density, DensityPerClass) else {}
        return {**_origin(self.density.plugin), "latent": self.density.latent, **per_class}

    def _options(self, changes: Mapping[str, Any]) -> Config:
        card = self.plugin.card
        options: Config = card.options.parse({**self.options, **changes}, f"the sampling of {card.name}")
        return options

    def _training(self) -> list[str]:
        """Return the budget and seed of the training as text; the protocol of a file may lack either."""
        if not self.protocol:
            return ["untrained"]
        budget, seed = self.protocol.get("budget"), self.protocol.get("seed")
        return [*([] if budget is None else [f"{budget}"]), *([] if seed is None else [f"seed {seed}"])]

    def _examples(self, x: Array) -> Tensor:
        """Return examples as a tensor after checking their type, shape and range."""
        exact = self.standardisation is not None and self.standardisation[0].dtype == torch.float64
        if is_dataframe(x):
            x = columns_of(x, self.columns, "x")
        examples = as_tensor(x, "x", torch.float64 if exact else torch.float32)
        if examples.shape[1:] != self.spec.shape or len(examples) == 0:
            sides = ", ".join(map(str, self.spec.shape))
            raise ValueError(f"x must have shape (B, {sides}), got {tuple(examples.shape)}")
        low, high = examples.min().item(), examples.max().item()
        if math.isnan(low) or (self.spec.support == "real" and math.isinf(low - high)):
            raise ValueError("x must hold finite numbers, got nan or infinity; fill or leave out those examples first")
        if self.spec.support != "real" and not (low >= 0 and high <= 1):
            raise ValueError(
                f"x must be in [0, 1], got values in [{low:g}, {high:g}]; {into_unit(low, high)}, or load it with "
                "zoo.load_data"
            )
        return examples

    def _standardise(self, x: Tensor) -> Tensor:
        """Return examples in the module's units, on its device."""
        if self.standardisation is not None:
            x = standardised(x.cpu(), *self.standardisation)
        return x.to(self.device)

    def _restore(self, x: Tensor, device: torch.device) -> Tensor:
        """Return examples in the user's units, on a device."""
        if self.standardisation is not None:
            x = x.cpu() * self.standardisation[1] + self.standardisation[0]
        return moved(x, device)

    def _on_the_cpu(self) -> Model:
        """Return a copy that computes on the CPU, for hooks that may compute in float64."""
        return replace(self, module=copy.deepcopy(self.module).to(CPU))


def _count(n: Any) -> int:
    """Return a number of samples as an `int`; refuse anything but a whole number >= 1."""
    number = plain(n)
    if type(number) is not int:
        raise ConfigError(f"The number of samples must be a whole number >= 1, got {n!r:.80}.")
    if number < 1:
        raise ConfigError(f"The number of samples must be 1 or more, got {number}.")
    return number


def _origin(plugin: Any) -> dict[str, str]:
    return {"name": plugin.card.name, "distribution": plugin.distribution, "version": plugin.version}
