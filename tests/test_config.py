"""Configs are strict, frozen, and report all their errors at once."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, field_validator, model_validator

import zoo


class Inner(zoo.Config):
    sides: Annotated[tuple[int, ...], Field(description="sides")] = (1,)


class Settings(zoo.Config):
    units: Annotated[int, Field(gt=0, description="how many")] = 4
    rate: Annotated[float, Field(ge=0, lt=1, description="share")] = 0.5
    hidden: Annotated[tuple[Annotated[int, Field(gt=0)], ...], Field(min_length=1, description="widths")] = (8, 4)
    kind: Annotated[Literal["relu", "tanh"], Field(description="activation")] = "relu"
    model_name: Annotated[str, Field(description="a name that pydantic keeps for itself by default")] = ""
    inner: Annotated[Inner, Field(description="a config of its own")] = Inner()

    @field_validator("model_name")
    @classmethod
    def _no_space(cls, value):
        if " " in value:
            raise ValueError("must have no space")
        return value

    @model_validator(mode="after")
    def _not_too_large(self):
        if self.units * self.hidden[0] > 1000:
            raise ValueError("units times the first hidden width must be 1000 or less")
        return self


def test_what_is_left_out_keeps_its_default():
    assert Settings.parse({"units": 7}, "m") == Settings(units=7)
    assert Settings.parse({}, "m") == Settings()


def test_a_config_is_frozen_and_equal_configs_have_one_hash():
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.units = 5
    assert hash(settings) == hash(Settings(units=4, rate=0.5))
    assert settings != Settings(units=5)


def test_a_config_survives_json():
    settings = Settings(units=3, hidden=(2, 1), kind="tanh", inner=Inner(sides=(5, 6)))
    values = settings.model_dump(mode="json")
    assert values["hidden"] == [2, 1]
    assert Settings.parse(values, "m") == settings


@pytest.mark.parametrize(
    ("values", "clause"),
    [
        ({"units": 0}, "units must be greater than 0, got 0"),
        ({"units": 1.0}, "units must be a valid integer, got 1.0"),
        ({"units": "1"}, "units must be a valid integer, got '1'"),
        ({"units": True}, "units must be a valid integer, got True"),
        ({"rate": 1}, "rate must be less than 1, got 1"),
        ({"rate": -1e-9}, "rate must be greater than or equal to 0, got -1e-09"),
        ({"rate": True}, "rate must be a valid number, got True"),
        ({"rate": float("nan")}, "rate must be a finite number, got nan"),
        ({"rate": float("-inf")}, "rate must be a finite number, got -inf"),
        ({"hidden": [3, 0]}, "hidden.1 must be greater than 0, got 0"),
        ({"hidden": [3, "4"]}, "hidden.1 must be a valid integer, got '4'"),
        ({"hidden": 3}, "hidden must be a valid tuple, got 3"),
        ({"kind": "elu"}, "kind must be 'relu' or 'tanh', got 'elu'"),
        ({"model_name": "a b"}, "model_name must have no space, got 'a b'"),
        ({"inner": {"sides": [1, 0.5]}}, "inner.sides.1 must be a valid integer, got 0.5"),
        ({"units": 126}, "units times the first hidden width must be 1000 or less"),
    ],
)
def test_each_wrong_value_is_named_with_its_rule(values, clause):
    with pytest.raises(zoo.ConfigError) as caught:
        Settings.parse(values, "the training of m")
    assert str(caught.value) == f"Settings of the training of m: {clause}."


def test_whole_numbers_serve_as_real_ones():
    assert Settings.parse({"rate": 0}, "m").rate == 0.0


def test_an_unknown_key_is_refused_with_the_nearest_and_all_known_ones():
    known = "units, rate, hidden, kind, model_name, inner"
    with pytest.raises(zoo.ConfigError) as caught:
        Settings.parse({"unit": 3}, "m")
    assert str(caught.value) == f"Settings of m: no key 'unit'. Did you mean 'units'? Known: {known}."

    class Nothing(zoo.Config):
        pass

    with pytest.raises(zoo.ConfigError, match=r"^Settings of m: no key 'unit'\. Known: none\.$"):
        Nothing.parse({"unit": 3}, "m")


def test_all_errors_are_reported_at_once():
    with pytest.raises(zoo.ConfigError) as caught:
        Settings.parse({"units": 0, "rate": 2.0, "extra": 1}, "m")
    clauses = str(caught.value).removeprefix("Settings of m: ").split("; ")
    assert [clause.split()[0] for clause in clauses] == ["units", "rate", "no"]
