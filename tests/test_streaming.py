"""Files that are larger than the memory: read, encoded and scored in blocks, with what they give as a whole."""

import json

import numpy as np
import pytest
import torch

import zoo
from tests.adult import HEADER, adult, write
from zoo.cli.main import run
from zoo.contract.data_spec import DataSpec
from zoo.data import files
from zoo.data.files import read_rows, stream_rows
from zoo.errors import DataError
from zoo.files.npy import read_npy_blocks
from zoo.files.storage import replacing, write_all

X = np.round(np.random.default_rng(0).standard_normal((101, 3)) * [1, 10, 0.1] + 3, 4)
NAMES = ("a", "b", "c")
SPEC = DataSpec((3,), "real")


def text(path, separator=",", header=NAMES, x=X):
    lines = [separator.join(header)] if header else []
    path.write_text("\n".join([*lines, *(separator.join(map(repr, row)) for row in x.tolist())]) + "\n")
    return path


def parquet(path):
    pyarrow, writer = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table(dict(zip(NAMES, X.T, strict=True)))
    writer.write_table(table, path, row_group_size=40)
    return path


def npy(path, x=X):
    np.save(path, x)
    return path


FORMS = {
    "csv": lambda folder: text(folder / "x.csv"),
    "comments": lambda folder: _commented(text(folder / "x.txt", " ", ())),
    "no header": lambda folder: text(folder / "x.dat", "\t", ()),
    "parquet": lambda folder: parquet(folder / "x.parquet"),
    "npy": lambda folder: npy(folder / "x.npy"),
    "columns first": lambda folder: npy(folder / "x.npy", np.asfortranarray(X)),
    "as a whole": lambda folder: _arff(folder / "x.arff"),
}


def _commented(path):
    path.write_text("# made by hand\n# a b c\n" + path.read_text())
    return path


def _arff(path):
    rows = "\n".join(",".join(map(repr, row)) for row in X.tolist())
    path.write_text("@relation x\n" + "".join(f"@attribute {name} numeric\n" for name in NAMES) + f"@data\n{rows}\n")
    return path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("values", [3, 30, 300, 10_000])
def test_blocks_are_the_rows_of_the_file(tmp_path, form, values):
    path = FORMS[form](tmp_path)
    blocks = list(stream_rows(str(path), SPEC, values=values))
    assert np.array_equal(np.concatenate([block.x.numpy() for block in blocks]), X)
    assert np.concatenate([block.numbers for block in blocks]).tolist() == list(range(1, 102))
    if form not in ("as a whole", "columns first"):
        assert max(len(block.x) for block in blocks) <= values // 3 + 1  # one more without a header
    whole = read_rows(str(path), SPEC)
    assert np.array_equal(whole.x.numpy(), X)
    assert whole.numbers.tolist() == list(range(1, 102))


def test_rows_that_are_left_out_keep_the_numbers_of_the_others(tmp_path):
    x = X.copy()
    x[[0, 1, 2, 50, 100], 1] = np.nan  # the first block has no row left
    for path in (text(tmp_path / "x.csv", x=x), npy(tmp_path / "x.npy", x)):
        blocks = list(stream_rows(f"{path}:missing=drop", SPEC, values=9))
        numbers = np.concatenate([block.numbers for block in blocks])
        assert numbers.tolist() == read_rows(f"{path}:missing=drop", SPEC).numbers.tolist()
        assert numbers.tolist() == [k for k in range(1, 102) if k not in (1, 2, 3, 51, 101)]
    with pytest.raises(DataError, match="has no row without a missing value"):
        list(stream_rows(f"{text(tmp_path / 'n.csv', x=x[[0, 1]])}:missing=drop", SPEC, values=3))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("a,b,c\n1,2,3\n4,5,6\n7,8\n", "x.csv, line 4: 3 columns expected, got 2"),
        ("a,b,c\n1,2,3\n4,5,6\n7,many,9\n", "x.csv, line 4, column 'b': a number expected, got 'many'"),
        ("a,b,c\n1,2,3\n\n4,5,6\n", "x.csv, line 3 is blank"),
        ("a,b,c\n", "has a header but no values"),
        ("", "is empty"),
        ("# a\n", "is empty"),
    ],
)
def test_a_wrong_line_is_named_wherever_it_is(tmp_path, content, match):
    (tmp_path / "x.csv").write_text(content)
    with pytest.raises(DataError, match=match):
        list(stream_rows(str(tmp_path / "x.csv"), SPEC, values=3))
    (tmp_path / "x.csv").write_bytes(b"a,b,c\n" + b"1,2,3\n" * 5000 + b"\xff,2,3\n")
    with pytest.raises(DataError, match="must be UTF-8 text"):
        list(stream_rows(str(tmp_path / "x.csv"), SPEC, values=3))


def test_a_black_block_of_pictures_is_not_taken_for_bits(tmp_path):
    x = np.zeros((6, 2, 2), np.uint8)
    x[0, 0, 0], x[5] = 1, 255
    spec = DataSpec((2, 2), "unit")
    blocks = list(stream_rows(str(npy(tmp_path / "x.npy", x)), spec, values=4))
    assert np.allclose(torch.cat([block.x for block in blocks]).numpy(), x / 255, atol=1e-7)
    assert len(blocks) == 6


def test_a_mixed_table_is_encoded_in_blocks(tmp_path):
    path = write(tmp_path / "adult.csv", adult(60))
    data = zoo.load_data(f"{path}:table=mixed")
    whole = read_rows(str(path), data.spec, data.columns, table=data.table)
    blocks = list(stream_rows(str(path), data.spec, data.columns, table=data.table, values=7 * len(HEADER)))
    assert [len(block.x) for block in blocks] == [7] * 8 + [4]
    assert torch.equal(torch.cat([block.x for block in blocks]), whole.x)


def test_a_block_of_an_array_is_no_longer_mapped(tmp_path):
    (first, *rest) = read_npy_blocks(npy(tmp_path / "x.npy"), 60)
    assert first.flags.owndata
    assert np.array_equal(np.concatenate([first, *rest]), X)
    assert len(first) == 20


def test_encode_and_score_give_in_blocks_what_they_give_at_once(tmp_path, monkeypatch, capsys):
    path, home = text(tmp_path / "x.csv"), tmp_path / "run"
    zoo.train("vae:likelihood=gaussian,latent_dim=2,hidden=[4]", str(path), steps=3, folder=home)
    found = {}
    for values in (files.BLOCK, 60):
        monkeypatch.setattr(files.stream_rows, "__kwdefaults__", files.stream_rows.__kwdefaults__ | {"values": values})
        for output in ("z.npy", "z.csv", "z.npz", "s.csv", "s.npz"):
            words = ["encode" if output[0] == "z" else "score", str(home), "-o", f"{tmp_path}/{output}", "--json"]
            assert run(words) == 0
            assert 101 in np.ravel(list(json.loads(capsys.readouterr().out).get("shape", [101])))
        z = np.load(tmp_path / "z.npy")
        assert z.shape == (101, 2)
        assert np.allclose(np.loadtxt(tmp_path / "z.csv", delimiter=",", skiprows=1), z)
        assert np.array_equal(np.load(tmp_path / "z.npz")["codes"], z)
        scores = np.genfromtxt(tmp_path / "s.csv", delimiter=",", names=True)
        arrays = np.load(tmp_path / "s.npz")
        assert all(np.allclose(scores[name], arrays[name]) for name in arrays)
        assert scores["row"].tolist() == list(range(1, 102))
        found[values] = z, scores["reconstruction_error"]
    (z, errors), (in_blocks, in_blocks_errors) = found.values()
    assert np.allclose(in_blocks, z, atol=1e-6)
    assert np.allclose(in_blocks_errors, errors, rtol=1e-5)


def test_blocks_have_codes_drawn_with_seeds_of_their_own(tmp_path, monkeypatch):
    path, home = text(tmp_path / "x.csv"), tmp_path / "run"
    zoo.train("vae:likelihood=gaussian,latent_dim=2,hidden=[4]", str(path), steps=3, folder=home)
    same = npy(tmp_path / "same.npy", np.repeat(X[:1], 40, 0))
    monkeypatch.setattr(files.stream_rows, "__kwdefaults__", files.stream_rows.__kwdefaults__ | {"values": 60})
    words = ["encode", str(home), "--data", str(same), "--seed", "1", "-o", f"{tmp_path}/z.npy"]
    assert run(words) == 0
    z = np.load(tmp_path / "z.npy")
    assert np.allclose(z[:20], zoo.load(home).encode(np.repeat(X[:1], 20, 0), seed=1).numpy(), atol=1e-5)
    assert len(np.unique(z, axis=0)) == 40


def test_an_error_in_a_late_block_leaves_no_file(tmp_path, monkeypatch):
    path, home = text(tmp_path / "x.csv"), tmp_path / "run"
    zoo.train("vae:likelihood=gaussian,latent_dim=2,hidden=[4]", str(path), steps=3, folder=home)
    path.write_text(path.read_text() + "1,many,2\n")
    monkeypatch.setattr(files.stream_rows, "__kwdefaults__", files.stream_rows.__kwdefaults__ | {"values": 60})
    for command, output in (("encode", "z.npy"), ("encode", "z.csv"), ("score", "s.csv")):
        assert run([command, str(home), "--data", str(path), "-o", f"{tmp_path}/{output}"]) == 4
    assert sorted(each.name for each in tmp_path.iterdir()) == ["run", "x.csv"]


def test_a_file_is_replaced_when_the_block_ends_and_not_before(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    with replacing(path) as descriptor:
        write_all(descriptor, b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    with pytest.raises(ValueError, match="late"):
        _fail_while(path)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def _fail_while(path):
    with replacing(path) as descriptor:
        write_all(descriptor, b"newer")
        raise ValueError("late")
