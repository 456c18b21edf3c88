"""`zoo.Config`: frozen, strictly validated settings of a model, its training or its sampling.

Each field has bounds and a description (`Annotated[int, Field(gt=0, description="…")]`), which `zoo info NAME` shows.
Unknown keys, wrong types, inf and nan are refused, and all errors are reported at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from zoo.errors import ConfigError, did_you_mean
from zoo.scalars import plain


class Config(BaseModel):
    """Base class of all settings: frozen, strict types, no unknown keys, no inf or nan."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, values: Any) -> Any:
        """Convert NumPy scalars to numbers, and the lists of TOML and JSON to tuples, because a config is frozen."""
        if isinstance(values, dict):
            given = plain(values)
            return {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
        return values

    @classmethod
    def parse(cls, values: Mapping[str, Any], owner: str) -> Self:
        """Build the config from plain values, as `zoo train NAME:KEY=VALUE` does.

        Args:
            values: keys and values; the other fields keep their defaults.
            owner: owner of the settings, for the message ("rbm", "the training of rbm").

        Raises:
            ConfigError: naming all invalid keys and values.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise ConfigError(f"Settings of {owner}: {'; '.join(_sentences(cls, error))}.") from None


def _sentences(cls: type[Config], error: ValidationError) -> list[str]:
    """Return a clause per error: the key, the rule and the given value."""
    sentences = []
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in item["loc"]) or "all of them together"
        if item["type"] == "extra_forbidden":
            keys = ", ".join(cls.model_fields) or "none"
            sentences.append(f"no key {key!r}.{did_you_mean(key, cls.model_fields)} Known: {keys}")
        elif item["loc"]:
            rule = item["msg"].replace("Input should be", "must be", 1).removeprefix("Value error, ")
            sentences.append(f"{key} {rule}, got {item['input']!r}")
        else:
            sentences.append(item["msg"].removeprefix("Value error, "))
    return sentences
