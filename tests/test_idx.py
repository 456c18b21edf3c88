"""IDX files: every type reads as what was written, plain or gzipped, and nothing is believed of a header."""

import gzip
import tracemalloc

import numpy as np
import pytest

from tests.wrong_data import IDX, Wrong, idx, matches
from zoo.api import load_data
from zoo.data.readers.idx import read_idx
from zoo.errors import DataError

TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
@pytest.mark.parametrize("shape", [(24,), (12, 2), (2, 3, 2, 2)], ids=str)
def test_every_type_reads_as_what_was_written(tmp_path, kind, pack, shape):
    x = (np.arange(24) * 5 - (0 if kind == 8 else 60)).astype(TYPES[kind]).reshape(shape)
    (tmp_path / "x").write_bytes(pack(idx(x, kind=kind)))
    read = read_idx(tmp_path / "x")
    assert read.shape == shape
    assert read.tolist() == x.tolist()


def test_big_endian_floats_reach_the_data_as_their_values(tmp_path):
    x = np.linspace(-3, 3, 24).astype(">f8").reshape(12, 2)
    (tmp_path / "x.idx").write_bytes(idx(x, kind=14))
    data = load_data(tmp_path / "x.idx")
    every = np.concatenate([data.train, data.valid, data.test])
    assert sorted(every.tolist()) == x.astype(np.float32).tolist()


def test_a_plain_file_is_mapped_and_not_read(tmp_path):
    (tmp_path / "x").write_bytes(idx(np.zeros((1000, 1000), np.uint8)))
    tracemalloc.start()
    x = read_idx(tmp_path / "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert x.shape == (1000, 1000)
    assert peak < 200_000  # bytes; the values take 1,000,000


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_nothing_is_allocated_on_the_word_of_a_header(tmp_path, pack):
    (tmp_path / "x").write_bytes(pack(idx(np.zeros(48, np.uint8), (16_000, 1000, 1000))))
    tracemalloc.start()
    with pytest.raises(DataError, match=r"x is truncated: 16000 × 1000 × 1000 values need 16,000,000,000 bytes"):
        read_idx(tmp_path / "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


def test_the_largest_gzipped_file_is_16_gibibytes_and_not_one_byte_more(tmp_path):
    for sides, match in (((2**31, 8), "is truncated"), ((2**31 + 1, 8), "the limit is 17,179,869,184")):
        (tmp_path / "x.gz").write_bytes(gzip.compress(idx(np.zeros(1, np.uint8), sides)))
        with pytest.raises(DataError, match=match):
            read_idx(tmp_path / "x.gz")


@pytest.mark.parametrize("wrong", IDX, ids=str)
def test_a_wrong_file_is_refused(tmp_path, wrong: Wrong):
    with pytest.raises(DataError) as refusal:
        load_data(wrong.make(tmp_path))
    assert matches(wrong.message, str(refusal.value))
