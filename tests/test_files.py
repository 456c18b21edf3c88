"""The user's own files by their endings, what may follow a path, and numpy's files."""

import numpy as np
import pytest
import torch

from tests.wrong_data import ANY, NUMBERS, NUMPY, Wrong, idx, matches, npy
from zoo.api import load_data
from zoo.data.dataset import Data
from zoo.data.files import read_codes
from zoo.data.paths import before_colon, looks_like_a_path, split_path
from zoo.errors import ConfigError, DataError
from zoo.files.names import slug
from zoo.files.npy import list_arrays, read_arrays, read_npy

BYTES = np.arange(0, 240, 5, dtype=np.uint8).reshape(12, 2, 2)


# What is a path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("digits", False),
        ("bars-and-stripes:3", False),
        ("genzoo/digits", False),
        ("genzoo/bars-and-stripes:3", False),
        ("csvs:table.csv", False),
        ("web:http://example.org/x", False),
        ("table.csv", True),
        ("table.csv:labels=kind", True),
        ("./pictures", True),
        ("pictures/", True),
        ("/data/pictures", True),
        ("~/x.npy", True),
        (".", True),
        (r"C:\data\x.csv:labels=y", True),
        ("C:/data/pictures", True),
        ("c:digits", False),
    ],
)
def test_a_path_has_a_slash_a_leading_dot_or_an_ending(text, path):
    assert looks_like_a_path(text) is path


def test_settings_follow_the_last_colon_that_a_key_follows():
    assert split_path("a/b.csv:labels=x,support=real") == ("a/b.csv", "labels=x,support=real")
    assert split_path("a/12:30.npy") == ("a/12:30.npy", "")


@pytest.mark.parametrize("path", [r"C:\data\x.csv", "D:/runs/vae-digits-1", r"\\server\share\x.csv"])
def test_the_colon_of_a_drive_is_part_of_the_path(path):
    assert split_path(path) == (path, "")
    assert split_path(f"{path}:labels=y,shape=2x2") == (path, "labels=y,shape=2x2")
    assert before_colon(path) == (path, "")
    assert before_colon(f"{path}:sample.k=5") == (path, "sample.k=5")


def test_a_folder_on_windows_has_backslashes(monkeypatch):
    assert not looks_like_a_path(r"runs\pictures")
    monkeypatch.setattr("os.sep", "\\")
    assert looks_like_a_path(r"runs\pictures")


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ("label=y", "no key 'label'. Did you mean 'labels'"),
        ("support=grey", "support must be 'found', 'bits', 'unit' or 'real', got 'grey'"),
        ("epochs=0", "epochs must be greater than 0, got 0"),
        ("epochs=", r"The options 'epochs=' of .*x.npy cannot be parsed. Write PATH:KEY=VALUE"),
    ],
)
def test_wrong_settings_of_a_path_are_refused(tmp_path, settings, match):
    np.save(tmp_path / "x.npy", NUMBERS)
    with pytest.raises(ConfigError, match=match):
        load_data(f"{tmp_path / 'x.npy'}:{settings}")


# Equal values, whatever the file


def test_the_same_values_and_labels_give_the_same_hash_from_every_kind_of_file(tmp_path):
    x, y = NUMBERS.astype(np.float32), np.arange(12) % 3
    expected = Data.from_arrays(x, y).sha256
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "big.npy", np.asfortranarray(x.astype(">f4")))
    np.save(tmp_path / "y.npy", y)
    np.savez(tmp_path / "plain.npz", x=x, y=y)
    np.savez_compressed(tmp_path / "packed.npz", x=x, y=y)
    (tmp_path / "x.idx").write_bytes(idx(x.astype(">f4"), kind=13))
    (tmp_path / "y.idx").write_bytes(idx(y.astype(np.uint8)))
    rows = "".join(f"{a},{b},{c}\n" for (a, b), c in zip(x.tolist(), y.tolist(), strict=True))
    (tmp_path / "x.csv").write_text("a,b,kind\n" + rows)
    labels, other = tmp_path / "y.npy", tmp_path / "y.idx"
    for data in (
        f"x.npy:labels={labels}",
        f"x.npy:labels={other},epochs=3",
        f"x.npy:labels='{labels}',support=real",
        f"big.npy:labels={labels}",
        "plain.npz:labels=y",
        "packed.npz:labels=y",
        f"x.idx:labels={other}",
        "x.csv:labels=kind",
    ):
        assert load_data(f"{tmp_path}/{data}").sha256 == expected, data
    assert load_data(tmp_path / "x.npy").train_labels is None


# Bytes


@pytest.mark.parametrize(
    ("x", "declared", "support", "largest"),
    [
        (BYTES, "found", "unit", 235 / 255),
        (BYTES, "unit", "unit", 235 / 255),
        (BYTES, "real", "real", 235.0),
        (BYTES % 2, "found", "bits", 1.0),
        (BYTES % 2, "bits", "bits", 1.0),
        (BYTES % 2 * 255, "found", "bits", 1.0),
        (BYTES % 2 * 255, "bits", "bits", 1.0),
        (BYTES.astype(np.int64), "real", "real", 235.0),
    ],
)
def test_bytes_are_grey_values_unless_they_are_0_and_1_or_declared_real(tmp_path, x, declared, support, largest):
    np.save(tmp_path / "x.npy", x)
    data = load_data(f"{tmp_path / 'x.npy'}:support={declared}")
    assert data.spec.support == support
    assert max(getattr(data, split).max().item() for split in ("train", "valid", "test")) == np.float32(largest)
    array = Data.from_arrays(x, support=None if declared == "found" else declared)
    assert array.sha256 == data.sha256


def test_loading_leaves_the_file_and_the_array_as_they_are(tmp_path):
    np.save(tmp_path / "x.npy", BYTES)
    before = (tmp_path / "x.npy").read_bytes()
    load_data(tmp_path / "x.npy").train.zero_()
    x = torch.from_numpy(BYTES.copy())
    load_data(x)
    assert (tmp_path / "x.npy").read_bytes() == before
    assert x.max() == 235


# numpy's files


def test_an_npy_file_is_mapped_and_a_change_stays_in_memory(tmp_path):
    np.save(tmp_path / "x.npy", NUMBERS)
    x = read_npy(tmp_path / "x.npy")
    assert isinstance(x, np.memmap)
    x[0, 0] = 99
    assert np.load(tmp_path / "x.npy")[0, 0] == 0


def test_the_one_array_besides_the_labels_is_the_data(tmp_path):
    np.savez(tmp_path / "x.npz", kind=np.arange(12), pictures=NUMBERS)
    assert list_arrays(tmp_path / "x.npz") == {"kind": ((12,), np.dtype(int)), "pictures": ((12, 2), np.dtype(float))}
    arrays = read_arrays(tmp_path / "x.npz", ["pictures"])
    assert list(arrays) == ["pictures"]
    assert np.array_equal(arrays["pictures"], NUMBERS)
    data = load_data(f"{tmp_path / 'x.npz'}:labels=kind")
    for split in ("train", "valid", "test"):
        assert (getattr(data, split)[:, 0] / 2).tolist() == getattr(data, f"{split}_labels").tolist()


def test_the_content_tells_the_format_before_the_ending_does(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(BYTES))
    assert load_data(tmp_path / "train-images-idx3-ubyte").spec.shape == (2, 2)
    (tmp_path / "x.csv").write_bytes(npy(NUMBERS))
    assert load_data(tmp_path / "x.csv").sha256 == Data.from_arrays(NUMBERS).sha256


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", NUMBERS)
    (tmp_path / "loop.npy").symlink_to("loop.npy")
    with pytest.raises(DataError, match=r"^(Cannot read .*loop.npy: .*|.*loop.npy does not exist)\.$"):
        load_data(tmp_path / "loop.npy")


@pytest.mark.parametrize("wrong", [*NUMPY, *ANY], ids=str)
def test_a_wrong_file_is_refused(tmp_path, wrong: Wrong):
    with pytest.raises(DataError) as refusal:
        load_data(wrong.make(tmp_path))
    assert matches(wrong.message, str(refusal.value))


def test_bytes_of_codes_are_bits_or_indices_and_no_grey_values(tmp_path):
    np.save(tmp_path / "z.npy", BYTES[:2])
    codes = read_codes(str(tmp_path / "z.npy"))
    assert (codes.dtype, codes.tolist()) == (torch.float32, BYTES[:2].astype(float).tolist())


def test_a_long_contestant_has_a_short_file_name_of_its_own():
    first, second = slug("vae:hidden=" + "é" * 200 + "1"), slug("vae:hidden=" + "é" * 200 + "2")
    assert first != second
    assert len(first.encode()) == 119 + 1 + 12  # 120 bytes end within a character
    assert slug("vae@gmm:beta=4.0") == "vae@gmm_beta=4.0"
