"""`zoo.Model`: what people hold. A plugin, its module, its config, the data's shape, and a latent density or none.

It takes and returns values in the user's units: real-valued data are standardised on the way in and restored on the
way out. Everything that a plugin returns is checked here, where its name can still be said.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from zoo.contract.config import Config
from zoo.contract.data_spec import DataSpec
from zoo.contract.log_prob import LogProb
from zoo.errors import ConfigError, PluginError, Unsupported
from zoo.files.storage import writing
from zoo.files.tensor_file import write
from zoo.models.density import FittedDensity
from zoo.plugins.hook_checks import checked, guarded
from zoo.plugins.plugin import Plugin
from zoo.runtime.devices import CPU, device_of, find_device
from zoo.runtime.randomness import generator
from zoo.version import __version__

FILE = "model.safetensors"  # in a run folder

_MOST = 2**31  # values of samples drawn at once: 8 GiB
BLOCK = 1024  # examples per hook call: memory stays bounded, whatever n is


@dataclass(frozen=True, eq=False)
class Model:
    """A model that can be used: `encode`, `decode`, `reconstruct`, `sample`, `log_prob`, `save`.

    It works on the device where its module is, takes tensors from anywhere, and returns what it makes of them there;
    what it makes of nothing, samples, is on the processor.

    Attributes:
        plugin: of group `zoo.models`; every hook goes through it.
        module: the torch module that it built.
        config: the settings that it was built from.
        spec: shape and support of one example.
        density: the attached latent density, or None for the model's own distribution.
        standardisation: (offset, scale) of real-valued data, each of shape `spec.shape`, or None.
        options: settings of sampling and likelihood that differ from the card's.
        columns: names of the values of a table, in order; () where they have none.
        protocol: where it comes from: data, seed, budget, versions; plain values, saved with it.
    """

    plugin: Plugin
    module: nn.Module
    config: Config
    spec: DataSpec
    density: FittedDensity | None = None
    standardisation: tuple[Tensor, Tensor] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    protocol: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`vae`, or `vae@gmm` with a latent density."""
        name = str(self.plugin.card.name)
        return f"{name}@{self.density.plugin.card.name}" if self.density else name

    @property
    def device(self) -> torch.device:
        """Where it works."""
        return device_of(self.module)

    @property
    def parameters(self) -> int:
        """Number of trained values, those of the latent density not counted."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def trains_on_bits(self) -> bool:
        """Whether training shows it grey [0, 1] data as bits, drawn from them."""
        sees: bool = self.plugin.card.trains_on_bits(self.config, self.spec.support)
        return sees

    def encode(self, x: Tensor, *, seed: int | None = None) -> Tensor:
        """Codes of x, shape (B, *latent): the mean code, or with a seed one draw each.

        Args:
            x: examples in the data's units, shape (B, *spec.shape).
            seed: of the draws; None gives means.
        """
        draws = None if seed is None else generator(seed, "encode", self.device)
        return torch.cat([self._encode(self._standardise(block), draws).to(x.device) for block in self._blocks(x)])

    def decode(self, z: Tensor, *, seed: int | None = None) -> Tensor:
        """E[x|z] in the data's units, shape (B, *spec.shape).

        Args:
            z: codes, shape (B, *latent).
            seed: of draws from p(x|z), for real-valued data; None gives means.
        """
        if seed is not None and self.spec.support != "real":
            raise ConfigError(
                "Only real-valued data have draws from p(x|z); draw bits from the means with zoo.bernoulli."
            )
        draws = None if seed is None else generator(seed, "decode", self.device)
        return torch.cat([self._restore(self._decode(block, draws), z.device) for block in z.split(BLOCK)])

    def reconstruct(self, x: Tensor) -> Tensor:
        """decode(encode(x)) with mean codes, shape (B, *spec.shape)."""
        return self.decode(self.encode(x))

    def sample(self, n: int, *, seed: int | None = None, **options: Any) -> Tensor:
        """Generate n examples in the data's units, shape (n, *spec.shape).

        On [0, 1] data they are means or draws, as the card says; with a latent density, means of decoded draws of it.
        On real-valued data they are draws, observation noise included.

        Args:
            n: how many, 1 or more.
            seed: the same seed gives the same samples; None takes a fresh one.
            **options: settings of the card's sampling options, for this call.

        Raises:
            Unsupported: by a model that cannot generate; it says why.
        """
        if n < 1:
            raise ConfigError(f"The number of samples must be 1 or more, got {n}.")
        if n > (most := _MOST // self.spec.size):
            raise ConfigError(
                f"At most {most:,} samples of {self.spec.size:,} values are drawn at once, got {n:,}; draw the others "
                "with another seed."
            )
        draws = generator(secrets.randbits(62) if seed is None else seed, "sample", self.device)
        chosen = self._options(options)
        sizes = [BLOCK] * (n // BLOCK) + ([n % BLOCK] if n % BLOCK else [])
        return torch.cat([self._restore(self._sample(size, draws, chosen), CPU) for size in sizes])

    def log_prob(self, x: Tensor, *, seed: int = 0, **options: Any) -> tuple[LogProb, ...]:
        """log p(x) in nats per example, each answer with its kind; several make a bracket.

        Densities of real-valued data are those of the standardised values.

        Args:
            x: examples, shape (N, *spec.shape); bits for [0, 1] data, since a grey value has no likelihood there.
            seed: of whatever the method draws.
            **options: settings of the card's options, for this call.

        Raises:
            Unsupported: by a model without a likelihood; it says why.
        """
        if not self.plugin.implements("log_prob"):
            raise Unsupported(f"{self.plugin.card.name} has no likelihood: its plugin offers no log_prob.")
        if self.density and not self.plugin.names("log_prob", "prior"):
            raise Unsupported(
                f"{self.name} has no likelihood: {self.plugin.card.name} has none under another latent density."
            )
        self._check_examples(x)
        if self.spec.support == "unit" and bool(((x != 0) & (x != 1)).any()):
            raise ConfigError("log_prob takes bits for [0, 1] data, got grey values; draw them with zoo.bernoulli(x).")
        seen = self._standardise(x)
        with guarded(self.plugin, "log_prob", seen):
            answer = self.plugin.hooks.log_prob(
                model=self.module,
                x=seen,
                generator=generator(seed, "log_prob", self.device),
                options=self._options(options),
                prior=self.density,
            )
        if not isinstance(answer, tuple | list) or not all(isinstance(bound, LogProb) for bound in answer):
            raise PluginError(
                f"The hook 'log_prob' of {self.plugin.source} must return a tuple of zoo.LogProb, got {answer!r:.80}."
            )
        return tuple(
            replace(bound, nats=checked(bound.nats, self.plugin, "log_prob", (len(x),)).to(x.device))
            for bound in answer
        )

    def sample_codes(self, n: int, *, seed: int, **options: Any) -> Tensor:
        """Draw n of the codes that `sample` decodes, shape (n, *latent).

        Raises:
            Unsupported: by a model that does not say where its codes come from.
        """
        draws = generator(seed, "sample codes", self.device)
        if self.density is not None:
            return self.density.sample(n, draws).cpu().reshape(n, *self.density.latent)
        if not self.plugin.implements("sample_codes"):
            raise Unsupported(f"{self.name} does not say which codes it decodes: its plugin offers no sample_codes.")
        with guarded(self.plugin, "sample_codes"):
            z = self.plugin.hooks.sample_codes(model=self.module, n=n, generator=draws, options=self._options(options))
        return checked(z, self.plugin, "sample_codes", (n, ...)).cpu()

    def log_prob_codes(self, z: Tensor) -> Tensor:
        """log p(z) in nats, shape (B,), of codes of shape (B, *latent) under what `sample_codes` draws from.

        Raises:
            Unsupported: by a model that does not know it.
        """
        if self.density is not None:
            return self.density.log_prob(z)
        if not self.plugin.implements("log_prob_codes"):
            raise Unsupported(f"{self.name} has no density of its codes: its plugin offers no log_prob_codes.")
        seen = z.to(self.device)
        with guarded(self.plugin, "log_prob_codes", seen):
            nats = self.plugin.hooks.log_prob_codes(model=self.module, z=seen)
        return checked(nats, self.plugin, "log_prob_codes", (len(z),)).to(z.device)

    def diagnose(self, train: Tensor, valid: Tensor, *, seed: int = 0) -> dict[str, Any]:
        """Figures that only a model of this kind has, by name; {} for one that offers none.

        Args:
            train, valid: examples of both splits in the data's units, as training shows them: bits, grey or real.
            seed: of whatever is drawn.
        """
        if not self.plugin.implements("diagnose"):
            return {}
        seen = [self._standardise(train), self._standardise(valid)]
        draws = generator(seed, "diagnose", self.device)
        with guarded(self.plugin, "diagnose", *seen):
            found = self.plugin.hooks.diagnose(model=self.module, train=seen[0], valid=seen[1], generator=draws)
        if not isinstance(found, dict) or not all(
            isinstance(each, float | int | str | list) for each in found.values()
        ):
            raise PluginError(
                f"The hook 'diagnose' of {self.plugin.source} must return a dictionary of numbers, texts or lists of "
                f"numbers, got {found!r:.80}."
            )
        return found

    def with_options(self, changes: Mapping[str, Any]) -> Model:
        """The same model under other settings of its sampling and likelihood; those not named stay.

        Raises:
            ConfigError: for settings that its card's options do not have.
        """
        self._options(changes)
        return replace(self, options={**self.options, **changes})

    def to(self, device: str) -> Model:
        """Move its module to a device, `cpu`, `cuda` or `cuda:1`, and return this model.

        Raises:
            ConfigError: if there is no such device.
        """
        self.module.to(find_device(device))
        return self

    def with_density(self, density: FittedDensity) -> Model:
        """The same model under another latent density."""
        return replace(self, density=density)

    def save(self, path: str | Path) -> Path:
        """Write everything that `zoo.load` needs to one `.safetensors` file, and return its path."""
        path = file if (file := Path(path)).suffix == ".safetensors" else file / FILE
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
            "spec": {"shape": self.spec.shape, "support": self.spec.support},
            "density": {**_origin(self.density.plugin), "latent": self.density.latent} if self.density else None,
            "columns": self.columns,
            "protocol": dict(self.protocol),
        }
        write(path, tensors, facts)
        return path

    def _encode(self, x: Tensor, draws: Generator | None) -> Tensor:
        """Codes of a block of standardised examples."""
        with guarded(self.plugin, "encode", x):
            z = self.plugin.hooks.encode(model=self.module, x=x, generator=draws)
        return checked(z, self.plugin, "encode", (len(x), ...), given=x)

    def _decode(self, z: Tensor, draws: Generator | None) -> Tensor:
        """Standardised examples of a block of codes."""
        z = z.to(self.device, torch.float32)
        with guarded(self.plugin, "decode", z):
            x = self.plugin.hooks.decode(model=self.module, z=z, generator=draws)
        return checked(x, self.plugin, "decode", (len(z), *self.spec.shape), self.spec.support, given=z)

    def _sample(self, n: int, draws: Generator, options: Config) -> Tensor:
        """A block of standardised samples."""
        if self.density is not None:
            z = self.density.sample(n, draws).reshape(n, *self.density.latent)
            return self._decode(z, draws if self.spec.support == "real" else None)
        with guarded(self.plugin, "sample"):
            x = self.plugin.hooks.sample(model=self.module, n=n, generator=draws, options=options)
        return checked(x, self.plugin, "sample", (n, *self.spec.shape), self.spec.support)

    def _options(self, changes: Mapping[str, Any]) -> Config:
        card = self.plugin.card
        options: Config = card.options.parse({**self.options, **changes}, f"the sampling of {card.name}")
        return options

    def _blocks(self, x: Tensor) -> Iterator[Tensor]:
        self._check_examples(x)
        yield from x.split(BLOCK)

    def _check_examples(self, x: Tensor) -> None:
        if not isinstance(x, Tensor):
            raise TypeError(f"x must be a tensor, got {type(x).__name__}")
        if x.shape[1:] != self.spec.shape or len(x) == 0:
            raise ValueError(f"x must have shape (B, {', '.join(map(str, self.spec.shape))}), got {tuple(x.shape)}")
        low, high = x.min().item(), x.max().item()
        if self.spec.support != "real" and not (low >= 0 and high <= 1):
            raise ValueError(
                f"x must be in [0, 1], got values in [{low:g}, {high:g}]; divide by 255 or load it with zoo.load_data"
            )

    def _standardise(self, x: Tensor) -> Tensor:
        """Examples as the module sees them, where it is."""
        if self.standardisation is not None:
            x = (x.cpu() - self.standardisation[0]) / self.standardisation[1]
        return x.to(self.device)

    def _restore(self, x: Tensor, device: torch.device) -> Tensor:
        """Examples as people see them, on a device."""
        if self.standardisation is not None:
            x = x.cpu() * self.standardisation[1] + self.standardisation[0]
        return x.to(device)


def _origin(plugin: Any) -> dict[str, str]:
    return {"name": plugin.card.name, "distribution": plugin.distribution, "version": plugin.version}
