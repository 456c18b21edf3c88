"""`Table`: a mixed table as numbers for models, and every sample a valid row of the file."""

import json

import numpy as np
import pytest
import torch

import zoo
from tests.adult import HEADER, adult, invalid, read, write
from zoo.cli.main import run
from zoo.data.dataset import Data, split_indices
from zoo.data.files import read_rows
from zoo.data.table import Column, Table
from zoo.errors import CheckpointError, ConfigError, DataError
from zoo.files.tensor_file import read as read_tensors
from zoo.files.tensor_file import write as write_tensors

CELLS = np.array(
    [
        ["b", 3.0, 1.5, "2024-01-31", 0.0, 1.0, None],
        ["a", 7.0, None, "1969-12-31", 1.0, 0.0, "x"],
        ["b", 5.0, 2.25, "1970-01-02", 0.0, 1.0, "x"],
        ["c", 9.0, 9.0, "1970-01-02", 1.0, 0.0, None],
    ],
    dtype=object,
)
NAMES = ("word", "whole", "real", "day", "left", "right", "gap")
TRAIN = np.arange(3)


@pytest.fixture(scope="module")
def table():
    """A table fitted to the first three rows: the fourth has the category c, which they lack."""
    return Table.fit(NAMES, CELLS, TRAIN, (), "t")


def test_a_table_is_encoded_as_its_docstring_says(table):
    #   a  b   whole real, flag  day  left right  missing, x
    expected = [
        [0, 1, 3, 1.5, 0, 19753, 0, 1, 1, 0],
        [1, 0, 7, 1.88, 1, -1, 1, 0, 0, 1],  # the mean of 1.5 and 2.25 with two decimals, half to even
        [0, 1, 5, 2.25, 0, 1, 0, 1, 0, 1],
        [0, 0, 9, 9.0, 0, 1, 1, 0, 1, 0],
    ]
    assert table.encode(CELLS, "t").tolist() == expected
    assert table.blocks == (2, 1, 1, 1, 1, 2, 2)
    assert table.size == sum(table.blocks) == 10
    assert table.unseen(torch.tensor(expected)) == {"word": 1}


def test_rows_of_the_training_split_come_back_as_they_were(table):
    x = torch.from_numpy(table.encode(CELLS[TRAIN], "t"))
    assert torch.equal(table.nearest(x), x)
    assert table.rows(x) == CELLS[TRAIN].tolist()


def test_the_nearest_row_is_the_nearest_of_all_valid_ones():
    cells = np.array([["a", 0.0], ["b", 3.0], ["c", 1.0]], dtype=object)
    table = Table.fit(("word", "whole"), cells, np.arange(3), (), "t")
    valid = torch.tensor([[*word, whole] for word in np.eye(3).tolist() for whole in range(4)], dtype=torch.float64)
    x = torch.randn(200, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2
    assert torch.equal(table.nearest(x), valid[torch.cdist(x, valid).argmin(1)])


def test_numbers_are_rounded_and_stay_in_the_range_of_training(table):
    x = torch.from_numpy(table.encode(CELLS[:1], "t")).repeat(4, 1)
    x[:, 2] = torch.tensor([2.0, 4.5001, 6.4, 99.0])  # whole, 3 to 7
    x[:, 3] = torch.tensor([0.0, 1.504, 2.2, 7.0])  # two decimals, 1.5 to 2.25
    x[:, 5] = torch.tensor([-50.0, 0.4, 0.6, 1e9])  # days since 1970
    whole, real, day = zip(*(row[1:4] for row in table.rows(x)), strict=True)
    assert whole == (3, 5, 6, 7)
    assert real == (1.5, 1.5, 2.2, 2.25)
    assert day == ("1969-12-31", "1970-01-01", "1970-01-02", "2024-01-31")


def test_a_value_is_missing_from_a_flag_of_a_half_on(table):
    x = torch.from_numpy(table.encode(CELLS[:1], "t")).repeat(2, 1)
    x[:, 4] = torch.tensor([0.499, 0.5])
    assert [row[2] for row in table.rows(x)] == [1.5, None]
    assert table.nearest(x)[:, 3:5].tolist() == [[1.5, 0.0], [1.88, 1.0]]


def test_a_one_hot_column_that_training_never_has_is_never_drawn():
    cells = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=object)
    table = Table.fit(("p", "q", "r"), cells, np.array([0, 2]), (), "t")
    assert [column.names for column in table.columns] == [("p", "q", "r")]
    assert table.rows(torch.tensor([[-2.0, 9.0, -1.0], [0.2, 0.9, 0.1]])) == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("cells", "kind", "text"),
    [
        ([1.0, 2.0, 2.0], "number", "whole numbers 1 to 2"),
        ([0.5, 0.25, 2.0], "number", "numbers 0.25 to 2.0 with 2 decimals"),
        ([1 / 3, 0.25, None], "number", "numbers 0.25 to 0.3333333333333333, some missing"),
        (["2024-01-31 09:30", "2024-02-29 00:00", None], "date", "dates 2024-01-31 09:30 to 2024-02-29 00:00"),
        (["2024-01-31T09:30:15", "2024-01-31T09:30:14", None], "date", "dates 2024-01-31T09:30:14 to"),
        (["31.01.2024", "31.01.2024", None], "category", "constant 31.01.2024, some missing"),
        ([4.0, 4.0, 4.0], "number", "constant 4"),
    ],
)
def test_a_kind_is_found_in_the_cells(cells, kind, text):
    (column,) = Table.fit(("c",), np.array([[each] for each in cells], dtype=object), TRAIN, (), "t").columns
    assert column.kind == kind
    assert column.describe().startswith(text)


def test_numbers_are_categories_where_the_user_says_so():
    cells = np.array([[1.0], [2.5], [1.0], [None]], dtype=object)
    table = Table.fit(("c",), cells, np.arange(4), ("c",), "t")
    assert table.columns[0].values == ("", "1", "2.5")
    assert table.encode(cells, "t").argmax(1).tolist() == [1, 2, 1, 0]


@pytest.mark.parametrize(
    ("cells", "match"),
    [
        ([1.0, "many", 2.0, 2.0], "t: the column c holds numbers and words, such as 'many'; write na=many"),
        (list("abcdefghijklmnopqrstu"), "c has 21 categories in 21 training rows, of which at most 20 .* drop=c"),
        ([None, None, None, None], "the column c has no value in the training split; set drop=c"),
        (["2024-02-30", "2024-02-29"] * 2, "a date expected, got '2024-02-30', which is not in the calendar"),
    ],
)
def test_a_column_that_cannot_be_encoded_is_refused(cells, match):
    with pytest.raises(DataError, match=match):
        Table.fit(("c",), np.array([[each] for each in cells], dtype=object), np.arange(len(cells)), (), "t")


@pytest.mark.parametrize(
    ("place", "cell", "match"),
    [
        (1, "x", "x.csv: a number expected in the column whole, got 'x'"),
        (1, None, "x.csv: the column whole has no value in example 1, .*missing=drop"),
        (3, "tomorrow", "x.csv: a date such as 2024-01-31 expected in the column day, got 'tomorrow'"),
        (4, 1.0, "x.csv: exactly one of the columns left, right must be 1"),
    ],
)
def test_cells_that_do_not_fit_their_column_are_refused(table, place, cell, match):
    cells = CELLS[:1].copy()
    cells[0, place] = cell
    with pytest.raises(DataError, match=match):
        table.encode(cells, "x.csv")


def test_a_mixed_table_is_data_with_its_columns_and_stays_so_in_a_file(tmp_path):
    path = write(tmp_path / "adult.csv", adult(100))
    data = zoo.load_data(f"{path}:table=mixed")
    assert data.columns == tuple(HEADER)
    assert data.train.dtype == torch.float64
    assert data.spec.blocks == data.table.blocks
    given = [
        [None if cell == "?" else cell for cell in adult(100)[k]] for k in split_indices({"": 100}, "adult.csv")[0]
    ]
    for row in given:
        for place in (0, 2, 4, 5, 6):  # numbers
            row[place] = None if row[place] is None else float(row[place])
    assert data.table.rows(data.train) == given
    data.save(tmp_path / "data.safetensors")
    again = Data.open(tmp_path / "data.safetensors")
    assert (again.table, again.spec, again.sha256) == (data.table, data.spec, data.sha256)
    other = write(tmp_path / "other.csv", [["Man" if cell == "Male" else cell for cell in row] for row in adult(100)])
    assert zoo.load_data(f"{other}:table=mixed").sha256 != data.sha256  # the same numbers of other words


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ("", DataError, "keep words as categories with table=mixed"),
        (":categorical=years", ConfigError, "categorical=… needs table=mixed"),
        (":table=mixed,missing=mean", ConfigError, "missing must be drop or left out"),
        (":table=mixed,scale=255", ConfigError, "neither support, scale nor shape"),
        (":table=mixed,categorical=yeers", DataError, "no column 'yeers'. Did you mean 'years'"),
    ],
)
def test_options_that_do_not_fit_a_mixed_table_are_refused(tmp_path, options, error, match):
    path = write(tmp_path / "adult.csv", adult(20))
    with pytest.raises(error, match=match):
        zoo.load_data(f"{path}{options}")


def test_rows_with_missing_values_are_left_out_on_demand(tmp_path):
    rows = adult(40)
    path = write(tmp_path / "adult.csv", rows)
    data = zoo.load_data(f"{path}:table=mixed,missing=drop")
    complete = [number for number, row in enumerate(rows, 1) if "?" not in row]
    assert sum(len(split) for split in (data.train, data.valid, data.test)) == len(complete)
    found = read_rows(f"{path}:missing=drop", data.spec, data.columns, table=data.table)
    assert found.numbers.tolist() == complete


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a table and a run of each official model on it."""
    folder = tmp_path_factory.mktemp("adult")
    path = write(folder / "adult.csv", adult(400))
    for contestant in ("rbm:hidden=32,sample.steps=20", "ae@gmm", "vae"):
        name = contestant.partition(":")[0]
        zoo.train(contestant, f"{path}:table=mixed", epochs=2, folder=folder / "runs" / f"{name}-adult-1")
    return folder


@pytest.mark.parametrize("name", ["rbm", "ae@gmm", "vae"])
def test_every_sample_of_the_official_models_is_a_valid_row(home, tmp_path, name):
    train = zoo.load_data(f"{home}/adult.csv:table=mixed")
    seen = [["" if cell is None else str(cell) for cell in row] for row in train.table.rows(train.train)]
    assert invalid(seen, seen) == []
    assert run(["sample", f"{home}/runs/{name}-adult-1", "-n", "1000", "-o", f"{tmp_path}/s.csv"]) == 0
    header, samples = read(tmp_path / "s.csv")
    assert header == HEADER
    assert len(samples) == 1000
    assert invalid(samples, seen) == []
    assert len(set(map(tuple, samples))) > 950


def test_a_model_file_keeps_the_table_and_its_samples(home, tmp_path):
    model = zoo.load(home / "runs" / "vae-adult-1")
    assert model.table == zoo.load_data(f"{home}/adult.csv:table=mixed").table
    assert model.spec.blocks == model.table.blocks
    again = zoo.load(model.save(tmp_path))
    x = model.sample(50, seed=1)
    assert torch.equal(again.sample(50, seed=1), x)
    assert torch.equal(model.table.nearest(x), x)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda table: table[1:], "its table has .* values, and its examples the shape"),
        (lambda table: [{**table[0], "low": 99}, *table[1:]], "its table is invalid: .*low must be at most high"),
        (lambda table: [*table, table[0]], "its table is invalid: a table needs columns of distinct names"),
    ],
)
def test_a_model_file_with_an_invalid_table_is_refused(home, tmp_path, change, match):
    facts, tensors = read_tensors(home / "runs" / "vae-adult-1" / "model.safetensors")
    facts.pop("sha256", None)
    write_tensors(tmp_path / "model.safetensors", tensors, {**facts, "table": change(facts["table"])})
    with pytest.raises(CheckpointError, match=match):
        zoo.load(tmp_path)


def test_rows_are_encoded_and_scored_by_the_names_of_their_columns(home, tmp_path, capsys):
    rows = adult(7, seed=5)
    rows[2][1] = "Preschool"
    order = [*range(5, 11), *range(5)]
    swapped = write(tmp_path / "s.csv", [[row[k] for k in order] for row in rows], [HEADER[k] for k in order])
    codes = {}
    for path in (write(tmp_path / "t.csv", rows), swapped):
        words = ["encode", f"{home}/runs/vae-adult-1", "--data", str(path), "-o", f"{tmp_path}/z.npy"]
        assert run(words) == 0
        codes[path] = np.load(tmp_path / "z.npy")
        assert "a category that the training split lacks: 1 in education" in capsys.readouterr().err
    first, second = codes.values()
    assert first.shape[0] == 7
    assert np.array_equal(first, second)
    assert run(["score", f"{home}/runs/vae-adult-1", "--data", str(swapped), "-o", f"{tmp_path}/c.csv"]) == 0
    assert len(read(tmp_path / "c.csv")[1]) == 7


def test_decoded_codes_are_rows_too(home, tmp_path):
    run(["encode", f"{home}/runs/vae-adult-1", "-o", f"{tmp_path}/z.npy"])
    assert run(["decode", f"{home}/runs/vae-adult-1", f"{tmp_path}/z.npy", "-o", f"{tmp_path}/x.csv"]) == 0
    header, decoded = read(tmp_path / "x.csv")
    assert (header, len(decoded)) == (HEADER, 400)
    model = zoo.load(home / "runs" / "vae-adult-1")
    x = model.decode(torch.from_numpy(np.load(tmp_path / "z.npy")))
    assert decoded[:5] == [["" if cell is None else str(cell) for cell in row] for row in model.table.rows(x[:5])]


def test_info_shows_what_was_understood(home, capsys):
    assert run(["data", "info", f"{home}/adult.csv:table=mixed", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["columns hold"]["country"] == "constant US"
    assert facts["columns hold"]["workclass"] == "3 categories: Private, Self-emp, not inc, State-gov, some missing"
    assert set(facts["columns hold"]) == set(HEADER)


def test_a_column_is_checked_when_it_is_read_from_a_file():
    for facts in (
        {"names": ["a"], "kind": "category"},
        {"names": ["a", "b"], "kind": "number"},
        {"names": ["a"], "kind": "date"},
        {"names": ["a", "b"], "kind": "one-hot", "never": [0, 1]},
        {"names": ["a", "b"], "kind": "one-hot", "never": [2]},
        {"names": [], "kind": "number"},
        {"names": ["a"], "kind": "number", "low": float("nan")},
    ):
        with pytest.raises(ValueError, match="1 validation error"):
            Column.model_validate(facts)


def test_facts_hold_a_table_completely(table):
    assert Table.of_facts(json.loads(json.dumps(table.facts()))) == table
