"""CSV tables: numbers, names and classes as they stand in the file."""

import numpy as np
import pytest
import torch

from tests.wrong_data import CSV, Wrong, matches
from zoo.api import load_data
from zoo.data.contents import WHOLE
from zoo.data.options import FileOptions
from zoo.data.readers import text
from zoo.errors import DataError


def read_csv(path, labels=""):
    """Numbers, classes and names of a table."""
    contents = text.read(path, FileOptions(labels=labels))
    part = contents.parts[WHOLE]
    return part.x, part.labels, contents.columns


def table(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_a_header_is_a_first_line_of_names_alone(tmp_path, end, last):
    values, rows = [[1.5, -2.0], [1e-3, 4.0]], ["1.5,-2", " 1e-3 ,4"]
    for header, names in (([], ()), (["a, b c"], ("a", "b c"))):
        x, classes, columns = read_csv(table(tmp_path, end.join([*header, *rows]) + end * last))
        assert x.tolist() == values
        assert (classes, columns) == (None, names)


def test_a_cell_may_be_quoted_and_hold_a_line_break(tmp_path):
    x, _, columns = read_csv(table(tmp_path, '"a,1","b\nc"\n"1","2"\n'))
    assert (x.tolist(), columns) == ([[1.0, 2.0]], ("a,1", "b\nc"))


def test_words_are_classes_in_alphabetical_order_and_their_column_is_no_value(tmp_path):
    path = table(tmp_path, "a,kind,b\n1,dog,2\n3,cat,4\n5,dog,6\n")
    x, classes, columns = read_csv(path, "kind")
    assert x.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert (classes.tolist(), columns) == (["dog", "cat", "dog"], ("a", "b"))
    path.write_text(path.read_text() + "7,eel,1\n" * 9)
    data = load_data(f"{path}:labels=kind")
    labels = torch.cat([data.train_labels, data.valid_labels, data.test_labels])
    x = torch.cat([data.train, data.valid, data.test])
    assert data.class_names == ("cat", "dog", "eel")
    assert {tuple(row) for row in zip(x[:, 0].tolist(), labels.tolist(), strict=True)} == {
        (1, 1),
        (3, 0),
        (5, 1),
        (7, 2),
    }


def test_classes_that_are_numbers_keep_their_values(tmp_path):
    _, classes, _ = read_csv(table(tmp_path, "a,kind\n1,10\n3,9\n5,2.0\n"), "kind")
    assert classes.tolist() == [10, 9, 2]


def test_names_of_columns_and_labels_reach_the_data(tmp_path):
    rows = "".join(f"{i},{i / 2 - 3},{'ab'[i % 2]}\n" for i in range(20))
    path = table(tmp_path, "number,half,kind\n" + rows)
    data = load_data(f"{path}:labels=kind,epochs=7")
    assert (data.name, data.columns, data.spec.support, data.epochs) == ("table.csv", ("number", "half"), "real", 7)
    for split in ("train", "valid", "test"):
        x, labels = getattr(data, split), getattr(data, f"{split}_labels")
        assert (x[:, 0] % 2).tolist() == labels.tolist()
        assert (x[:, 0] / 2 - 3).tolist() == x[:, 1].tolist()


def test_a_table_is_read_with_all_its_digits(tmp_path):
    x = np.random.default_rng(0).standard_normal((50, 3))
    path = table(tmp_path, "\n".join(",".join(map(repr, row)) for row in x.tolist()))
    assert read_csv(path)[0].tolist() == x.tolist()


def test_a_line_is_counted_as_an_editor_counts_it(tmp_path):
    with pytest.raises(DataError, match=r"line 4, column 'b': a number expected, got 'x'"):
        read_csv(table(tmp_path, '"a\nc",b\n1,2\n3,x\n'))


@pytest.mark.parametrize("wrong", CSV, ids=str)
def test_a_wrong_table_is_refused(tmp_path, wrong: Wrong):
    with pytest.raises(DataError) as refusal:
        load_data(wrong.make(tmp_path))
    assert matches(wrong.message, str(refusal.value))
