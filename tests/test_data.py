"""Splits, hashes, supports and the two built-in data sets."""

from __future__ import annotations

import dataclasses
import math
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import zoo
from zoo.runtime.randomness import scoped_randomness

SPLITS = ("train", "valid", "test")


def _numbered(n, **settings):
    """n examples that tell which they are: x_i = (i, −i), label i."""
    x = torch.arange(n, dtype=torch.float32)
    return zoo.Data.from_arrays(torch.stack([x, -x], 1), torch.arange(n), **settings)


def _real(n=500):
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([2.0, 1e-3, 0.0])
    return zoo.Data.from_arrays(x + torch.tensor([-5.0, 1e-2, 7.0]))


# Splits


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(1797, (899, 180, 718)), (10, (5, 1, 4)), (11, (6, 1, 4)), (15, (8, 2, 5)), (1000, (500, 100, 400))],
)
def test_half_is_for_training_a_tenth_for_validation_and_the_rest_for_the_test(n, sizes):
    data = _numbered(n)
    assert tuple(len(getattr(data, split)) for split in SPLITS) == sizes


def test_the_splits_are_disjoint_and_complete_and_labels_stay_with_their_examples():
    data = _numbered(101)
    every = torch.cat([getattr(data, split) for split in SPLITS])
    assert sorted(every[:, 0].tolist()) == list(range(101))
    assert torch.equal(every[:, 1], -every[:, 0])
    for split in SPLITS:
        assert torch.equal(getattr(data, split)[:, 0].long(), getattr(data, f"{split}_labels"))


def test_the_split_depends_on_the_split_seed_alone():
    with scoped_randomness(1):
        first = _numbered(101)
    with scoped_randomness(2):
        assert _numbered(101).sha256 == first.sha256
        state = torch.get_rng_state()
        other = _numbered(101, split_seed=1)
        assert torch.equal(torch.get_rng_state(), state)
    assert other.sha256 != first.sha256
    assert set(other.train[:, 0].tolist()) != set(first.train[:, 0].tolist())


def test_the_split_is_a_permutation_and_not_the_order_of_the_file():
    data = _numbered(1000)
    share = (data.train_labels < 500).float().mean().item()
    assert abs(share - 0.5) < 4 * math.sqrt(0.25 / 500 / 2)  # hypergeometric: half of a coin's variance


# Digits


def test_digits_are_the_1797_of_scikit_learn_in_the_splits_that_every_result_refers_to():
    data = zoo.load_data("digits")
    assert (data.name, data.spec, data.epochs, data.enumerated) == ("digits", zoo.DataSpec((8, 8), "unit"), 100, False)
    assert tuple(len(getattr(data, split)) for split in SPLITS) == (899, 180, 718)
    bunch = load_digits()
    mine = torch.cat([getattr(data, split) for split in SPLITS]).flatten(1).mul(16).long()
    labels = torch.cat([getattr(data, f"{split}_labels") for split in SPLITS])
    ours = zip(mine.tolist(), labels.tolist(), strict=True)
    theirs = zip(bunch.data.astype(int).tolist(), bunch.target.tolist(), strict=True)
    assert sorted(ours) == sorted(theirs)
    assert data.sha256 == "de79f7167f33aa1c6cca4b33e832a16fb1087ee0435a112203b6b7f45ccbdc88"


def test_digits_take_no_argument():
    with pytest.raises(zoo.ConfigError, match="digits takes no argument, got '5'"):
        zoo.load_data("digits:5")


# Bars and stripes


@pytest.mark.parametrize("side", [2, 3, 4])
def test_bars_and_stripes_are_exactly_the_images_of_full_columns_or_full_rows(side):
    data = zoo.load_data(f"bars-and-stripes:{side}")
    images = torch.tensor(list(product((0.0, 1.0), repeat=side * side))).reshape(-1, side, side)
    columns = (images == images[:, :1]).flatten(1).all(1)  # every row is the first one
    rows = (images == images[:, :, :1]).flatten(1).all(1)
    every = images[columns | rows]
    assert len(every) == 2 ** (side + 1) - 2
    for split in SPLITS:
        assert sorted(getattr(data, split).tolist()) == sorted(every.tolist())
    assert (data.spec, data.enumerated) == (zoo.DataSpec((side, side), "bits"), True)
    assert data.name == f"bars-and-stripes:{side}"


def test_bars_and_stripes_are_3_by_3_unless_another_side_from_2_to_4_is_named():
    assert zoo.load_data("bars-and-stripes").name == "bars-and-stripes:3"
    for side in ("1", "5", "x", "3.0", "03"):
        with pytest.raises(zoo.ConfigError, match=f"needs a side n from 2 to 4, got '{side}'"):
            zoo.load_data(f"bars-and-stripes:{side}")


# Hashes


def test_the_hash_changes_with_one_value_one_label_one_split_or_the_support_and_not_with_the_name():
    data = _numbered(20)
    hashes = {data.sha256}
    for split in SPLITS:
        x, labels = getattr(data, split).clone(), getattr(data, f"{split}_labels").clone()
        x[-1, 1] += 1e-3
        hashes.add(dataclasses.replace(data, **{split: x}).sha256)
        labels[0] += 1
        hashes.add(dataclasses.replace(data, **{f"{split}_labels": labels}).sha256)
        hashes.add(dataclasses.replace(data, **{f"{split}_labels": None}).sha256)
    hashes.add(dataclasses.replace(data, train=data.test[: len(data.train)], train_labels=None).sha256)
    bits = zoo.DataSpec((2,), "unit")
    hashes.add(dataclasses.replace(data, spec=bits).sha256)
    assert len(hashes) == 1 + 3 * 3 + 2
    assert dataclasses.replace(data, name="other", epochs=3).sha256 == data.sha256


def test_the_hash_tells_shapes_with_the_same_bytes_apart():
    x = torch.arange(240.0).reshape(20, 12) + 0.5
    assert zoo.Data.from_arrays(x).sha256 != zoo.Data.from_arrays(x.reshape(20, 3, 4)).sha256


def test_the_hash_is_of_values_and_not_of_their_layout_in_memory():
    x = torch.arange(240.0).reshape(20, 12) + 0.5
    data = zoo.Data.from_arrays(x)
    strided = dataclasses.replace(data, train=data.train.T.contiguous().T)
    assert not strided.train.is_contiguous()
    assert strided.sha256 == data.sha256


# Save and open


@pytest.mark.parametrize("name", ["digits", "bars-and-stripes:2"])
def test_open_gives_what_save_wrote(tmp_path, name):
    data = zoo.load_data(name)
    data.save(tmp_path / "data.safetensors")
    opened = zoo.Data.open(tmp_path / "data.safetensors")
    assert opened.sha256 == data.sha256
    for field in dataclasses.fields(data):
        mine, theirs = getattr(data, field.name), getattr(opened, field.name)
        assert torch.equal(mine, theirs) if isinstance(mine, torch.Tensor) else mine == theirs, field.name
    del opened.__dict__["sha256"]
    assert opened.sha256 == data.sha256  # computed anew from what was read


def test_splits_that_are_views_of_one_tensor_can_be_saved(tmp_path):
    x = torch.arange(12.0).reshape(6, 2)
    data = zoo.Data("views", zoo.DataSpec((2,), "real"), x[:2], x[1:5], x[::2])
    data.save(tmp_path / "data.safetensors")
    opened = zoo.Data.open(tmp_path / "data.safetensors")
    assert all(torch.equal(getattr(data, split), getattr(opened, split)) for split in SPLITS)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc to see what is mapped")
def test_an_opened_file_is_mapped_and_not_read(tmp_path):
    file = tmp_path / "data.safetensors"
    _numbered(100).save(file)
    first, second = zoo.Data.open(file), zoo.Data.open(file)
    lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if str(file) in line]
    ranges = [range(*(int(address, 16) for address in line.split()[0].split("-"))) for line in lines]
    for data in (first, second):
        assert any(data.train.data_ptr() in mapped for mapped in ranges)
    assert torch.equal(first.train, second.train)


# Support


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ((0, 1), "bits"),
        ((1, 1), "bits"),
        ((0, 0.5), "unit"),
        ((0.2, 1), "unit"),
        ((0, 1.5), "real"),
        ((-1e-6, 1), "real"),
    ],
)
def test_the_support_is_found_from_the_values(values, found):
    x = torch.tensor(values).repeat(10, 3)
    assert zoo.Data.from_arrays(x).spec.support == found


def test_a_declared_support_may_be_wider_and_never_narrower():
    bits, grey, real = (torch.tensor(values).repeat(10, 1) for values in ([0.0, 1.0], [0.5, 1.0], [0.0, 255.0]))
    for x, wider in ((bits, "unit"), (bits, "real"), (grey, "real")):
        assert zoo.Data.from_arrays(x, support=wider).spec.support == wider
    with pytest.raises(
        zoo.DataError, match=r"declared as bits, so its values must be 0 or 1, got values in \[0.5, 1\]"
    ):
        zoo.Data.from_arrays(grey, support="bits")
    with pytest.raises(
        zoo.DataError, match=r"pixels is declared as unit, .* in \[0, 1\], got values in \[0, 255\]; rescale"
    ):
        zoo.Data.from_arrays(real, support="unit", name="pixels")


# What a notebook and a REPL show


def test_a_data_set_is_one_line_in_a_repl():
    assert repr(zoo.load_data("digits")) == "<zoo.Data digits: 899/180/718 examples of (8, 8) unit, 10 classes>"
    assert repr(_real()) == "<zoo.Data array: 250/50/200 examples of (3,) real>"
    one = zoo.Data.from_arrays(np.zeros((10, 2)), np.zeros(10), name="a\n\x1b[2J")
    assert repr(one) == str(one) == r"<zoo.Data a\n\x1b[2J: 5/1/4 examples of (2,) bits, 1 class>"


def test_a_data_set_is_a_small_table_in_a_notebook():
    columns = ("<i>a</i>", "b")
    data = zoo.Data.from_arrays(np.eye(10)[:, :2], np.arange(10) % 2, name="<b>mine</b>", epochs=7, columns=columns)
    html = data._repr_html_()
    cells = re.findall(r"<th[^>]*>(.*?)</th><td[^>]*>(.*?)</td>", html)
    assert dict(cells) == {
        "example": "(2,) bits",
        "train / valid / test": "5 / 1 / 4",
        "classes": "2",
        "columns": "&lt;i&gt;a&lt;/i&gt;, b",
        "default budget": "7 epochs",
    }
    assert "zoo.Data &lt;b&gt;mine&lt;/b&gt;</caption>" in html
    assert "classes" not in _real()._repr_html_()


# What is taken, and what is refused


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float64, np.bool_])
def test_numbers_of_any_kind_become_float32(dtype):
    x = (np.arange(20).reshape(10, 2) % 2).astype(dtype)
    data = zoo.Data.from_arrays(x)
    assert (data.train.dtype, data.spec.support) == (torch.float32, "bits")
    assert torch.cat([data.train, data.valid, data.test]).sum() == 10


def test_lists_reversed_read_only_and_tracked_arrays_are_taken():
    x = np.arange(20.0, dtype=np.float32).reshape(10, 2)
    read_only = x.copy()
    read_only.setflags(write=False)
    expected = zoo.Data.from_arrays(x).sha256
    tracked = torch.tensor(x, requires_grad=True)
    for same in (x.tolist(), x[::-1][::-1], read_only, np.asfortranarray(x), tracked):
        assert zoo.Data.from_arrays(same).sha256 == expected


def test_the_splits_are_copies():
    x = torch.arange(20.0).reshape(10, 2)
    data = zoo.Data.from_arrays(x)
    before = data.train.clone()
    x.zero_()
    assert torch.equal(data.train, before)


@pytest.mark.parametrize(
    ("x", "match"),
    [
        (np.zeros(20), r"must have shape \(N, …\) with N at least 10, got \(20,\)"),
        (np.zeros((9, 2)), r"must have shape \(N, …\) with N at least 10, got \(9, 2\)"),
        (np.array([["a", "b"]] * 10), "must hold numbers, got <U1"),
        (np.array([[None, 1]] * 10), "must hold numbers, got object"),
        (np.zeros((10, 2)) * 1j, "must hold real numbers, got torch.complex128"),
        (np.full((10, 2), np.nan), "must hold finite numbers, got nan or infinity; remove or fill"),
        (np.full((10, 2), np.inf), "must hold finite numbers"),
        (np.full((10, 2), 1e300), "must hold finite numbers"),
    ],
)
def test_what_is_no_data_set_is_refused(x, match):
    with pytest.raises(zoo.DataError, match=f"^mine {match}"):
        zoo.Data.from_arrays(x, name="mine")


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (np.zeros(9), r"must have shape \(10,\), one per example, got \(9,\)"),
        (np.zeros((10, 1)), r"must have shape \(10,\), one per example, got \(10, 1\)"),
        (np.full(10, 0.5), "must be whole numbers, got float64"),
        (np.full(10, np.nan), "must be whole numbers"),
        (np.array(["cat"] * 10), "must be whole numbers, got <U3"),
    ],
)
def test_what_is_no_labelling_is_refused(labels, match):
    with pytest.raises(zoo.DataError, match=f"^The labels of mine {match}"):
        zoo.Data.from_arrays(np.zeros((10, 2)), labels, name="mine")


@pytest.mark.parametrize("labels", [list(range(10)), np.arange(10.0), torch.arange(10, dtype=torch.int8)])
def test_whole_numbers_are_labels(labels):
    data = zoo.Data.from_arrays(np.zeros((10, 2)), labels)
    assert data.train_labels.dtype == torch.int64
    assert sorted(torch.cat([data.train_labels, data.valid_labels, data.test_labels]).tolist()) == list(range(10))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"valid": torch.zeros(3, 3)}, r"valid must be float32 of shape \(N, \*\(2,\)\), got torch.float32 \(3, 3\)"),
        ({"test": torch.zeros(3, 2).double()}, "test must be float32 .* got torch.float64"),
        ({"train": torch.zeros(0, 2)}, "train must contain at least one example"),
        ({"test_labels": torch.zeros(2).long()}, r"test_labels must have shape \(3,\), got \(2,\)"),
    ],
)
def test_splits_that_do_not_fit_the_spec_are_refused(change, match):
    x = torch.zeros(3, 2)
    with pytest.raises(ValueError, match=match):
        zoo.Data(**{"name": "mine", "spec": zoo.DataSpec((2,), "bits"), "train": x, "valid": x, "test": x} | change)


@pytest.mark.parametrize("shape", [(), (0,), (3, -1), (2.0,)])
def test_an_example_has_sides_of_1_or_more(shape):
    with pytest.raises(ValueError, match="shape must list the sides of one example, each at least 1"):
        zoo.DataSpec(shape, "bits")


def test_a_spec_knows_its_size_and_refuses_an_unknown_support():
    assert zoo.DataSpec((3, 4, 5), "real").size == 60
    with pytest.raises(ValueError, match="support must be one of bits, unit, real, got 'grey'"):
        zoo.DataSpec((3,), "grey")


# Standardisation


def test_standardised_training_data_have_mean_0_and_deviation_1_and_a_constant_column_scale_0():
    data = _real()
    offset, scale = data.standardisation
    assert torch.allclose(offset.double(), data.train.double().mean(0))
    assert scale[2] == 0.0
    z = data.standardise(data.train).double()
    assert z.mean(0).abs().max() < 1e-4  # float32: 5/2 standard deviations and 1e-2/1e-3 of them, times 6e-8 and room
    assert torch.allclose(z.square().mean(0), torch.tensor([1.0, 1.0, 0.0]).double(), atol=1e-4)


def test_only_the_training_split_decides_and_the_others_follow():
    data = _real()
    moved = dataclasses.replace(data, valid=data.valid + 100, test=data.test * 3)
    offset, scale = data.standardisation
    assert torch.equal(offset, moved.standardisation[0])
    assert torch.equal(scale, moved.standardisation[1])
    assert torch.equal(data.standardise(data.test), (data.test - offset) / torch.where(scale > 0, scale, 1.0))


@pytest.mark.parametrize("name", ["digits", "bars-and-stripes:3"])
def test_bits_and_grey_values_are_left_as_they_are(name):
    data = zoo.load_data(name)
    assert data.standardisation is None
    assert data.standardise(data.train) is data.train


# load_data


def test_load_data_takes_data_arrays_and_names():
    data = _numbered(20)
    assert zoo.load_data(data) is data
    assert zoo.load_data(np.zeros((10, 2))).name == "array"
    assert zoo.load_data("genzoo/digits").sha256 == zoo.load_data("digits").sha256


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(zoo.ConfigError, match=r"No data set named 'digit' is installed\. Did you mean 'digits'\?"):
        zoo.load_data("digit")


def test_names_are_looked_up_in_the_registry_that_is_given():
    class Coins:
        card = zoo.DatasetCard(name="coins", summary="fair coins")

        @zoo.hookimpl
        def load(self, argument):
            return [] if argument == "none" else zoo.Data.from_arrays(np.eye(int(argument)), name=f"coins:{argument}")

    registry = zoo.Registry()
    registry.register(Coins, "zoo.datasets")
    assert zoo.load_data("coins:12", registry=registry).name == "coins:12"
    with pytest.raises(
        zoo.DataError, match=r"'coins' \(registered in this process\) must return a zoo.Data .* got list"
    ):
        zoo.load_data("coins:none", registry=registry)
    with pytest.raises(zoo.ConfigError, match="No data set named 'coins'"):
        zoo.load_data("coins:12")


class ReseedingPlugin:
    """A data set whose generator seeds and draws from the global states, as some packages do."""

    card = zoo.DatasetCard(name="reseeding", summary="seeds the global states")

    @zoo.hookimpl
    def load(self):
        drawn = np.random.rand(20, 3)
        np.random.seed(0)
        torch.manual_seed(0)
        return zoo.Data.from_arrays(drawn, name="reseeding")


def test_a_data_set_that_draws_from_the_global_state_is_repeatable_and_leaves_it_as_it_was():
    registry = zoo.Registry()
    registry.register(ReseedingPlugin, "zoo.datasets")
    np.random.seed(5)
    torch.manual_seed(5)
    expected = np.random.rand(), torch.rand(()).item()
    np.random.seed(5)
    torch.manual_seed(5)
    first = zoo.load_data("reseeding", registry=registry)
    assert (np.random.rand(), torch.rand(()).item()) == expected
    assert zoo.load_data("reseeding", registry=registry).sha256 == first.sha256
