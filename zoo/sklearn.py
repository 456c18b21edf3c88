"""`zoo.sklearn.GenerativeModel`: any contestant as an estimator of scikit-learn, for pipelines and searches.

Needs scikit-learn 1.6 or later: `pip install "genzoo[sklearn]"`.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, DensityMixin, TransformerMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted

from zoo.errors import ConfigError

try:
    from sklearn.utils.validation import validate_data
except ImportError:
    raise ConfigError(
        'zoo.sklearn needs scikit-learn 1.6 or later; install it: pip install "genzoo[sklearn]".'
    ) from None

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.models.model import Model

_FLOATS = [np.float64, np.float32]
_FEWEST = 3  # examples, to which a latent density can be fitted
_FILE = "model.safetensors"


class GenerativeModel(ClassNamePrefixFeaturesOutMixin, TransformerMixin, DensityMixin, BaseEstimator):  # type: ignore[misc]
    """A generative model: its codes are the transform, and its log-likelihoods the scores.

    All examples that `fit` receives are used for training; validation losses are those of the training examples.

    Args:
        contestant: `NAME[@DENSITY][:KEY=VALUE,…]`, as for `zoo.train`; not a conditional model.
        support: `real` for real values, which are standardized; `unit` for values in [0, 1]; `bits` for 0 and 1.
        shape: shape of an example for models of images, (8, 8) for X with 64 columns; None is (columns,).
        epochs, steps, seconds: the training budget, at most one of the three; by default 100 epochs.
        device: `cpu`, `cuda`, `cuda:1` for the second GPU, `mps` for the GPU of a Mac, or `auto`.
        random_state: seed of the training and of the draws of a score, those of the bits of grayscale values included.

    Attributes:
        model_: the trained `zoo.Model`.
        n_features_in_: number of columns of X.
    """

    def __init__(
        self,
        contestant: str = "vae@gmm",
        *,
        support: Literal["real", "unit", "bits"] = "real",
        shape: Sequence[int] | None = None,
        epochs: float | None = None,
        steps: int | None = None,
        seconds: float | None = None,
        device: str = "cpu",
        random_state: Any = 0,
    ) -> None:
        self.contestant = contestant
        self.support = support
        self.shape = shape
        self.epochs = epochs
        self.steps = steps
        self.seconds = seconds
        self.device = device
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Train the model on X, shape (n, columns); y is ignored.

        Raises:
            ValueError: for X with too few examples, or with values that are not finite or outside the support.
            ConfigError, PluginError, DivergedError: as for `zoo.train`.
        """
        import torch

        from zoo.api import train
        from zoo.contract.data_spec import DataSpec
        from zoo.data.dataset import Data

        values = validate_data(self, X, dtype=_FLOATS, ensure_min_samples=_FEWEST)
        spec = DataSpec((values.shape[1],) if self.shape is None else tuple(self.shape), self.support)
        if spec.size != values.shape[1]:
            raise ConfigError(f"shape must have the size of a row of X, {values.shape[1]}, got {spec.shape}.")
        examples = self._examples(values, spec.shape)
        low, high, bits = examples.min(), examples.max(), self.support == "bits"
        if self.support != "real" and not (low >= 0 and high <= 1 and (not bits or np.isin(values, (0, 1)).all())):
            raise ValueError(
                f"With support={self.support!r}, the values of X must be {'0 or 1' if bits else 'in [0, 1]'}, got "
                f"values in [{low:g}, {high:g}]; scale them, or use support='real'."
            )
        x = torch.from_numpy(examples)
        self.model_: Model = train(
            self.contestant,
            Data("X", spec, x, x, x),
            seed=self._seed(self.random_state),
            epochs=self.epochs,
            steps=self.steps,
            seconds=self.seconds,
            device=self.device,
            progress=False,
        )
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Return the mean codes of X, shape (n, values of a code)."""
        x, dtype = self._checked(X)
        return self._flat(self.model_.encode(x), dtype)

    def inverse_transform(self, Z: ArrayLike) -> NDArray[Any]:
        """Return E[x|z] of codes Z, shape (n, columns)."""
        check_is_fitted(self)
        codes = check_array(Z, dtype=_FLOATS)
        if codes.shape[1] != self._n_features_out:
            raise ValueError(
                f"Z must have {self._n_features_out} columns, one for each value of a code, got {codes.shape[1]}"
            )
        z = codes.astype(np.float32).reshape(len(codes), *self._latent)
        return self._flat(self.model_.decode(z), codes.dtype)

    def score_samples(self, X: ArrayLike) -> NDArray[Any]:
        """Return log p(x) in nats, shape (n,): the lower end where a model gives bounds, and of standardized values.

        With support="unit", it is log p of one draw of bits b, P(b = 1) = x, with the draws of `random_state`; values
        that are 0 or 1 are kept. These draws, and those of a bound that is estimated, depend on the order of the
        examples.
        """
        import torch

        from zoo.models.bits import PURPOSE, bits_to_score
        from zoo.runtime.randomness import generator

        x, dtype = self._checked(X)
        seed = self._seed(self.random_state)
        bits = bits_to_score(self.model_, torch.from_numpy(x), generator(seed, PURPOSE))
        bounds = self.model_.log_prob(bits, seed=seed)
        nats = np.stack([each.nats.double().numpy() for each in bounds])
        lowest: NDArray[Any] = nats.min(0).astype(dtype)
        return lowest

    def score(self, X: ArrayLike, y: Any = None) -> float:
        """Return the mean of `score_samples`, which a search maximizes."""
        return float(self.score_samples(X).mean(dtype=np.float64))

    def sample(self, n_samples: int = 1, random_state: Any = None) -> NDArray[Any]:
        """Generate examples, shape (n_samples, columns); None draws new ones at every call."""
        check_is_fitted(self)
        return self._flat(self.model_.sample(n_samples, seed=self._seed(random_state)), np.dtype(np.float32))

    def __getstate__(self) -> dict[str, Any]:
        """Return the parameters and the model's file, whose content is verified when it is loaded."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "model_" in state:
            with tempfile.TemporaryDirectory() as folder:
                state["model_"] = state["model_"].save(Path(folder) / _FILE).read_bytes()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Load the model from its file; its plugins must be installed."""
        super().__setstate__(state)
        if isinstance(content := state.get("model_"), bytes):
            from zoo.api import load

            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / _FILE).write_bytes(content)
                self.model_ = load(Path(folder) / _FILE)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True  # the draws of an example's score depend on its place
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _checked(self, X: ArrayLike) -> tuple[NDArray[np.float32], np.dtype[Any]]:
        """Return the examples of X, shape (n, *shape), and its type."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=_FLOATS, reset=False)
        return self._examples(values, self.model_.spec.shape), values.dtype

    @staticmethod
    def _examples(X: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):  # beyond float32: infinite, which the data refuse
            return np.array(X, dtype=np.float32, order="C").reshape(len(X), *shape)

    @staticmethod
    def _flat(x: Tensor, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return one row for each example."""
        rows: NDArray[Any] = x.reshape(len(x), -1).numpy().astype(dtype)
        return rows

    @staticmethod
    def _seed(random_state: Any) -> int:
        """Return a seed: of an int the same one at each call, of None a fresh one.

        Raises:
            ValueError: for what scikit-learn does not take, and for a boolean, which it takes as a number.
        """
        if isinstance(random_state, bool | np.bool_):
            raise ValueError(
                f"random_state must be None, a whole number from 0 to 2^32 - 1 or a numpy.random.RandomState, got "
                f"{random_state!r}"
            )
        return int(check_random_state(random_state).randint(2**31 - 1))

    @property
    def _latent(self) -> tuple[int, ...]:
        """Shape of one code."""
        one = np.zeros((1, *self.model_.spec.shape), dtype=np.float32)
        return tuple(self.model_.encode(one).shape[1:])

    @property
    def _n_features_out(self) -> int:
        """Number of values of a code, which the names of the output's columns need."""
        return math.prod(self._latent)
