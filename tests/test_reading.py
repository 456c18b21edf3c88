"""Files that people have: every format, option and split is read as it is meant, or refused with both readings."""

import bz2
import gzip
import lzma
import pickle
import sys
import zipfile

import h5py
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import scipy.io
import torch
from PIL import Image

import zoo
from zoo.comparison.preparation import read_samples
from zoo.contract.data_spec import into_unit
from zoo.data.columns import kinds, notes
from zoo.data.files import describe_file, load_file, read_rows
from zoo.data.paths import parse_options
from zoo.data.source import source_of
from zoo.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
TABLE = np.round(RNG.standard_normal((40, 3)), 4)
NAMES = ("a", "b", "c")
GREY = RNG.integers(0, 256, (40, 8, 8), dtype=np.uint8)
GREY[0, 0, 0] = 255
KINDS = np.arange(40) % 4


def rows(data):
    """All examples of a data set as sorted tuples."""
    every = torch.cat([data.train, data.valid, data.test]).flatten(1)
    return sorted(map(tuple, every.tolist()))


def lines(x, separator=",", header=()):
    return "".join(separator.join(map(str, row)) + "\n" for row in [*([header] if header else []), *x.tolist()])


def labelled(data):
    """Pairs of the first value and the label of every example."""
    splits = ("train", "valid", "test")
    x = torch.cat([getattr(data, split).flatten(1)[:, 0] for split in splits])
    return sorted(zip(x.tolist(), torch.cat([getattr(data, f"{s}_labels") for s in splits]).tolist(), strict=True))


def png(path, pixels, mode=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)


# Options


def test_a_value_reaches_to_the_next_key():
    assert parse_options("labels=petal width (cm),drop=id,name,shape=28x28", "x") == {
        "labels": "petal width (cm)",
        "drop": "id,name",
        "shape": "28x28",
    }
    assert parse_options("labels='a,b=c',epochs=3", "x") == {"labels": "'a,b=c'", "epochs": "3"}


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ("shape=28*28", "shape must be sides with x between them, such as 28x28, got '28\\*28'"),
        ("shape=0x3", "shape.* must be greater than 0, got 0"),
        ("scale=x", "scale must be a number, got 'x'"),
        ("missing=most", "missing must be drop, mean or a number, got 'most'"),
        ("lables=a", "no key 'lables'. Did you mean 'labels'"),
        ("size=3x3", "is a text table, which does not take size; it takes labels, columns, drop"),
        ("labels=a,labels=b", "cannot be parsed"),
    ],
)
def test_wrong_options_are_refused_with_those_that_are_taken(tmp_path, options, match):
    (tmp_path / "t.csv").write_text(lines(TABLE, header=NAMES))
    with pytest.raises(ConfigError, match=match):
        load_file(f"{tmp_path / 't.csv'}:{options}")


def test_columns_are_chosen_and_left_out_by_name_or_number(tmp_path):
    (tmp_path / "t.csv").write_text(lines(TABLE, header=NAMES))
    np.save(tmp_path / "t.npy", TABLE)
    expected = rows(zoo.Data.from_arrays(TABLE[:, [2, 0]]))
    for text in ("t.csv:columns=c,a", "t.csv:columns=[c,a]", "t.csv:columns=2,0", "t.npy:columns=2,0"):
        assert rows(load_file(f"{tmp_path}/{text}")) == expected, text
    assert load_file(f"{tmp_path}/t.csv:drop=b").columns == ("a", "c")
    assert rows(load_file(f"{tmp_path}/t.npy:drop=-1")) == rows(zoo.Data.from_arrays(TABLE[:, :2]))


# Formats


def write_forms(folder):
    """The same table in every format; the names of the files."""
    text = lines(TABLE, header=NAMES)
    forms = {
        "x.csv": text.encode(),
        "bom.csv": b"\xef\xbb\xbf" + text.encode(),
        "comment.csv": b"# made by hand\n" + text.encode(),
        "blank.csv": text.encode() + b"\n\n",
        "crlf.csv": text.replace("\n", "\r\n").encode(),
        "x.tsv": text.replace(",", "\t").encode(),
        "semicolons.csv": text.replace(",", ";").encode(),
        "bars.txt": text.replace(",", "|").encode(),
        "spaces.txt": text.replace(",", "   ").encode(),
        "savetxt.txt": ("# " + text.replace(",", " ")).encode(),
        "noending": text.encode(),
        "x.csv.gz": gzip.compress(text.encode()),
        "x.csv.bz2": bz2.compress(text.encode()),
        "x.csv.xz": lzma.compress(text.encode()),
        "x.arff": (
            "% comment\n@RELATION t\n" + "".join(f"@attribute {n} numeric\n" for n in NAMES) + "@data\n" + lines(TABLE)
        ).encode(),
    }
    for name, content in forms.items():
        (folder / name).write_bytes(content)
    with zipfile.ZipFile(folder / "x.zip", "w") as archive:
        archive.writestr("inner/train.csv", text)
        archive.writestr("__MACOSX/._train.csv", "x")
    table = pyarrow.table({name: TABLE[:, k] for k, name in enumerate(NAMES)} | {"__index_level_0__": list(range(40))})
    pyarrow.parquet.write_table(table, folder / "x.parquet")
    return [*forms, "x.zip", "x.parquet"]


def test_the_same_table_is_read_from_every_format(tmp_path):
    expected = zoo.Data.from_arrays(TABLE).sha256
    for name in write_forms(tmp_path):
        data = load_file(str(tmp_path / name))
        assert (data.sha256, data.columns) == (expected, NAMES), name


def test_the_same_array_is_read_from_every_format(tmp_path):
    expected = zoo.Data.from_arrays(TABLE).sha256
    np.save(tmp_path / "x.npy", TABLE)
    (tmp_path / "x.npy.gz").write_bytes(gzip.compress((tmp_path / "x.npy").read_bytes()))
    (tmp_path / "noending").write_bytes((tmp_path / "x.npy").read_bytes())
    scipy.io.savemat(tmp_path / "x.mat", {"rows": TABLE, "other": "a text"})
    scipy.io.savemat(tmp_path / "columns.mat", {"ff": TABLE.T})
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["group/rows"] = TABLE
    (tmp_path / "x.amat").write_text(lines(TABLE, " ").replace("\n", " \n"))
    for text in ("x.npy", "x.npy.gz", "noending", "x.mat", "columns.mat:examples=last", "x.h5", "x.amat"):
        assert load_file(f"{tmp_path}/{text}").sha256 == expected, text
    with pytest.raises(DataError, match=r"'ff' of shape \(3, 40\) holds 3 examples, or 40 .* examples=first or exampl"):
        load_file(str(tmp_path / "columns.mat"))


@pytest.mark.parametrize("name", ["x.pkl", "x.pt", "x.dat"])
def test_a_pickle_is_refused_whatever_its_ending(tmp_path, name):
    if name == "x.pt":
        torch.save(torch.zeros(20, 2), tmp_path / name)
    else:
        (tmp_path / name).write_bytes(pickle.dumps(TABLE))
    with pytest.raises(DataError, match="is a pickle, which is not read: loading one runs whatever code"):
        load_file(str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "content", "package"), [("x.parquet", b"PAR1", "pyarrow"), ("x.h5", b"\x89HDF", "h5py")]
)
def test_a_library_that_is_missing_is_named_with_what_installs_it(tmp_path, monkeypatch, name, content, package):
    (tmp_path / name).write_bytes(content + bytes(50))
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setitem(sys.modules, f"{package}.parquet", None)
    with pytest.raises(DataError, match=rf'needs {package}; install it with: pip install "genzoo\[files\]"'):
        load_file(str(tmp_path / name))


def test_a_folder_with_the_name_of_no_data_set_is_written_with_a_slash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    png(tmp_path / "imgs" / "a.png", GREY[0])
    with pytest.raises(ConfigError, match=r"No data set named 'imgs' is installed; the folder of this name is \./imgs"):
        zoo.load_data("imgs")


# Headers


BITS = (TABLE > 0).astype(int)
COUNTS = np.arange(120).reshape(40, 3) * 7 % 5


@pytest.mark.parametrize(
    ("header", "x", "found"),
    [
        ("0,1,2", TABLE, ("0", "1", "2")),  # pandas without names
        ("1,2,3", TABLE, ("1", "2", "3")),
        ("0,1,2", BITS, None),  # 0, 1 are values of the columns, so only one of three is unlike them
        ("2019,2020,2021", BITS, None),
        ("a,2019,2020", TABLE, ("a", "2019", "2020")),
        ("1.5,2.5,3.5", TABLE, ()),
        ("0,1,1", BITS, ()),
        ("4,2,0", COUNTS, ()),
    ],
)
def test_a_line_of_numbers_is_a_header_if_it_is_unlike_the_rows_or_refused(tmp_path, header, x, found):
    path = tmp_path / "t.csv"
    path.write_text(f"{header}\n{lines(x)}")
    if found is None:
        with pytest.raises(DataError, match="line 1 may be a header or values: .*; write header=yes or header=no"):
            load_file(str(path))
    else:
        data = load_file(str(path))
        assert (len(rows(data)), data.columns) == (40 if found else 41, found)
    if len(set(header.split(","))) == 3:
        assert len(rows(load_file(f"{path}:header=yes"))) == 40
    if "a" not in header:
        assert len(rows(load_file(f"{path}:header=no"))) == 41


def test_four_columns_of_bits_under_their_numbers_have_a_header(tmp_path):
    x = (RNG.random((100, 4)) > 0.5).astype(int)
    (tmp_path / "t.csv").write_text("0,1,2,3\n" + lines(x))
    data = load_file(str(tmp_path / "t.csv"))
    assert (data.spec.support, data.columns, len(rows(data))) == ("bits", ("0", "1", "2", "3"), 100)


def test_an_index_of_pandas_is_no_value(tmp_path):
    indexed = np.column_stack([np.arange(40), TABLE])
    (tmp_path / "t.csv").write_text(lines(indexed, header=("", "0", "1", "2")))
    with pytest.raises(DataError, match="column 0 has no name, as an index has none; leave it out with drop=unnamed"):
        load_file(str(tmp_path / "t.csv"))
    assert load_file(f"{tmp_path / 't.csv'}:drop=unnamed").sha256 == zoo.Data.from_arrays(TABLE).sha256


# Names and order of columns


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_rows_and_samples_are_matched_by_the_names_of_their_columns(tmp_path, order):
    (tmp_path / "t.csv").write_text(lines(TABLE, header=NAMES))
    data = load_file(str(tmp_path / "t.csv"))
    others = np.column_stack([np.arange(40), TABLE[:, order]])
    header = ("id", *(NAMES[k] for k in order))
    (tmp_path / "s.csv").write_text(lines(others, header=header))
    assert read_samples(str(tmp_path / "s.csv"), data).tolist() == torch.tensor(TABLE).tolist()
    (tmp_path / "x.csv").write_text(lines(TABLE, header=("x", "y", "z")))
    with pytest.raises(DataError, match=r"must have the columns a, b, c, matched by name: .* Columns: x, y, z\."):
        read_samples(str(tmp_path / "x.csv"), data)


def test_splits_in_several_files_are_matched_by_name_too(tmp_path):
    for name, part, order in (
        ("tr", slice(0, 20), (0, 1, 2)),
        ("va", slice(20, 25), (2, 1, 0)),
        ("te", slice(25, 40), (1, 0, 2)),
    ):
        (tmp_path / f"{name}.csv").write_text(lines(TABLE[part][:, order], header=[NAMES[k] for k in order]))
    data = load_file(f"{tmp_path}/tr.csv:valid={tmp_path}/va.csv,test={tmp_path}/te.csv")
    expected = torch.tensor(TABLE).float()
    assert torch.equal(data.train, expected[:20])
    assert torch.equal(data.valid, expected[20:25])
    assert torch.equal(data.test, expected[25:])


def test_a_source_is_absolute_with_its_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", TABLE)
    np.save("y.npy", KINDS)
    np.save("t.npy", TABLE)
    (tmp_path / "t.csv").write_text("y.npy,b\n1,2\n")
    assert (
        source_of("x.npy:labels=y.npy,test=t.npy") == f"{tmp_path}/x.npy:labels={tmp_path}/y.npy,test={tmp_path}/t.npy"
    )
    assert source_of("t.csv:labels=y.npy") == f"{tmp_path}/t.csv:labels=y.npy"  # a column
    assert source_of("digits") == "digits"


# Splits of the file


def test_the_splits_of_keras_and_medmnist_are_used(tmp_path):
    x, y = GREY, KINDS
    np.savez(tmp_path / "medmnist.npz", train_images=x[:20], train_labels=y[:20, None], val_images=x[20:25],
             val_labels=y[20:25, None], test_images=x[25:], test_labels=y[25:, None])  # fmt: skip
    data = load_file(str(tmp_path / "medmnist.npz"))
    assert torch.equal(data.train, torch.tensor(x[:20] / np.float32(255)))
    assert torch.equal(data.valid, torch.tensor(x[20:25] / np.float32(255)))
    assert torch.equal(data.test, torch.tensor(x[25:] / np.float32(255)))
    assert data.test_labels.tolist() == y[25:].tolist()
    np.savez(tmp_path / "keras.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    data = load_file(str(tmp_path / "keras.npz"))
    assert (len(data.train), len(data.valid)) == (25, 5)  # a sixth, as of MNIST's 60,000
    assert torch.equal(data.test, torch.tensor(x[30:] / np.float32(255)))
    every = torch.cat([data.train, data.valid])
    assert sorted(every.flatten(1).tolist()) == sorted(torch.tensor(x[:30] / np.float32(255)).flatten(1).tolist())


@pytest.mark.parametrize(
    ("names", "classes"), [(("train", "val"), ()), (("training", "valid", "test"), ("cat", "dog"))]
)
def test_folders_of_splits_are_splits_and_not_classes(tmp_path, names, classes):
    sizes = (20, 10, 10)
    first, expected = 0, {}
    for name, size in zip(names, sizes, strict=False):
        for k in range(first, first + size):
            png(tmp_path / "x" / name / (classes[k % 2] if classes else "") / f"{k:03}.png", GREY[k])
        expected[name] = {tuple(each.ravel().tolist()) for each in GREY[first : first + size]}
        first += size
    data = load_file(str(tmp_path / "x"))
    found = [
        {tuple(round(v * 255) for v in row) for row in x.flatten(1).tolist()}
        for x in (data.train, data.valid, data.test)
    ]
    assert found[0] == expected[names[0]]
    if len(names) == 3:
        assert found[1:] == [expected[names[1]], expected[names[2]]]
        assert data.class_names == classes
        assert {row: k % 2 for k, row in enumerate(map(tuple, GREY[:20].reshape(20, -1).tolist()))} == {
            tuple(round(v * 255) for v in row): label
            for row, label in zip(data.train.flatten(1).tolist(), data.train_labels.tolist(), strict=True)
        }
    else:
        assert found[1] | found[2] == expected["val"]
        assert (len(data.valid), len(data.test), data.train_labels) == (2, 8, None)


# Labels


@pytest.mark.parametrize(
    "form", ["l.csv", "l.txt", "n1.npy", "onehot.npy", "float.npy", "words.npy", "words.txt", "l.idx"]
)
def test_labels_are_read_from_every_form_of_file(tmp_path, form):
    words = np.array(["ape", "bee", "cat", "dog"])[KINDS]
    if form == "l.idx":
        (tmp_path / form).write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 40]) + KINDS.astype(np.uint8).tobytes())
    elif form.endswith(".npy"):
        arrays = {"n1": KINDS[:, None], "onehot": np.eye(4)[KINDS], "float": KINDS.astype(float), "words": words}
        np.save(tmp_path / form, arrays[form.split(".")[0]])
    else:
        column = words if form == "words.txt" else KINDS
        (tmp_path / form).write_text(("label\n" if form == "l.csv" else "") + "\n".join(map(str, column)))
    np.save(tmp_path / "x.npy", np.arange(40.0)[:, None] + 0.5)
    data = load_file(f"{tmp_path}/x.npy:labels={tmp_path}/{form}")
    assert labelled(data) == [(k + 0.5, k % 4) for k in range(40)]
    assert data.class_names == (("ape", "bee", "cat", "dog") if form.startswith("words") else ())


def test_arrays_are_told_by_their_names_or_chosen(tmp_path):
    np.savez(
        tmp_path / "a.npz", imgs=GREY, latents_values=RNG.random((40, 6)), metadata=np.array({"a": 1}, dtype=object)
    )
    np.savez(tmp_path / "b.npz", GREY, KINDS)
    np.savez(tmp_path / "c.npz", x=GREY, y=KINDS)
    expected = zoo.Data.from_arrays(GREY)
    assert load_file(str(tmp_path / "a.npz")).sha256 == expected.sha256
    with pytest.raises(DataError, match=r"holds 2 arrays.*array=NAME.*arr_0 \(40, 8, 8\), arr_1 \(40,\)"):
        load_file(str(tmp_path / "b.npz"))
    with_labels = zoo.Data.from_arrays(GREY, KINDS).sha256
    assert load_file(f"{tmp_path}/b.npz:array=arr_0,labels=arr_1").sha256 == with_labels
    assert load_file(str(tmp_path / "c.npz")).sha256 == with_labels
    assert load_file(f"{tmp_path}/c.npz:labels=none").sha256 == expected.sha256
    rows_of = read_rows(f"{tmp_path}/b.npz:array=arr_0", expected.spec)
    assert torch.equal(rows_of.x, torch.tensor(GREY / np.float32(255)))


# Pictures


def test_pictures_in_a_table_are_those_of_the_array(tmp_path):
    expected = zoo.Data.from_arrays(GREY, KINDS).sha256
    flat = GREY.reshape(40, -1)
    first, last = np.column_stack([KINDS, flat]), np.column_stack([flat, KINDS])
    pixels = [f"pixel{k}" for k in range(64)]
    (tmp_path / "kaggle.csv").write_text(lines(first, header=["label", *pixels]))
    (tmp_path / "openml.csv").write_text(lines(last, header=[*pixels, "class"]))
    (tmp_path / "plain.csv").write_text(lines(first))
    np.save(tmp_path / "plain.npy", last.astype(float))
    for text in ("kaggle.csv:labels=label", "openml.csv:labels=class", "plain.csv:labels=0", "plain.npy:labels=-1"):
        name, options = text.split(":")
        assert load_file(f"{tmp_path}/{name}:{options},shape=8x8,scale=255").sha256 == expected, text
    with pytest.raises(
        DataError, match="'label' that looks like classes; write labels=label,shape=8x8,scale=255, or lab"
    ):
        load_file(str(tmp_path / "kaggle.csv"))
    with pytest.raises(DataError, match="in column 0, their classes; write labels=0,shape=8x8,scale=255"):
        load_file(str(tmp_path / "plain.csv"))
    assert load_file(f"{tmp_path}/plain.csv:support=real").spec == zoo.DataSpec((65,), "real")


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.uint16, np.float16])
def test_grey_values_of_every_type_are_the_bytes_divided_by_the_scale(tmp_path, kind):
    np.save(tmp_path / "x.npy", GREY.astype(kind))
    with pytest.raises(
        DataError, match="whole numbers from 0 to 255; give scale=255 if they are grayscale values, or sup"
    ):
        load_file(str(tmp_path / "x.npy"))
    assert load_file(f"{tmp_path}/x.npy:scale=255").sha256 == zoo.Data.from_arrays(GREY).sha256
    assert load_file(f"{tmp_path}/x.npy:support=real").train.max() == 255


def test_bytes_up_to_16_are_divided_by_what_is_said(tmp_path):
    np.save(tmp_path / "x.npy", GREY // 16)
    assert load_file(f"{tmp_path}/x.npy:scale=15").sha256 == zoo.Data.from_arrays((GREY // 16) / 15.0).sha256
    assert load_file(f"{tmp_path}/x.npy:scale=255").train.max() == np.float32(15 / 255)


def test_channels_are_first_wherever_they_were(tmp_path):
    x = RNG.integers(0, 256, (20, 5, 6, 3), dtype=np.uint8)
    x[0, 0, 0] = 255
    expected = zoo.Data.from_arrays(np.ascontiguousarray(x.transpose(0, 3, 1, 2))).sha256
    np.save(tmp_path / "last.npy", x)
    np.save(tmp_path / "first.npy", x.transpose(0, 3, 1, 2))
    np.save(tmp_path / "one.npy", GREY[..., None])
    found = describe_file(str(tmp_path / "last.npy"))
    assert found.data.sha256 == expected
    assert found.contents.notes == ("channels are last in the file, and moved first: (3, 5, 6)",)
    assert load_file(str(tmp_path / "first.npy")).sha256 == expected
    assert load_file(str(tmp_path / "one.npy")).spec.shape == (1, 8, 8)
    assert load_file(f"{tmp_path}/last.npy:channels=first").spec.shape == (5, 6, 3)


def test_four_channels_are_moved_first_too(tmp_path):
    np.save(tmp_path / "rgba.npy", RNG.integers(0, 256, (20, 5, 6, 4), dtype=np.uint8))
    assert load_file(str(tmp_path / "rgba.npy")).spec.shape == (4, 5, 6)


@pytest.mark.parametrize("shape", [(10, 10, 30), (16, 16, 3, 40)])
def test_square_pictures_along_the_last_axis_are_refused_with_both_readings(tmp_path, shape):
    x = RNG.integers(0, 256, shape, dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    given = "x".join(map(str, shape[1:]))
    with pytest.raises(zoo.DataError, match=rf"{shape[0]} examples, or {shape[-1]} as its last .*shape={given}"):
        load_file(str(tmp_path / "x.npy"))
    assert len(load_file(f"{tmp_path}/x.npy:shape={given},channels=first").train) == shape[0] // 2
    np.save(tmp_path / "moved.npy", np.moveaxis(x, -1, 0))
    assert len(load_file(str(tmp_path / "moved.npy")).train) == shape[-1] // 2


UPRIGHT = np.random.default_rng(1).integers(0, 256, (4, 6, 3), dtype=np.uint8)
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.transpose(1, 0, 2),
    6: np.rot90(UPRIGHT),
    7: UPRIGHT[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(UPRIGHT, -1),
}


def test_photographs_are_turned_upright(tmp_path):
    for turn in (*STORED, 1, 1):
        exif = Image.Exif()
        exif[0x0112] = turn
        png(tmp_path / f"{len(list(tmp_path.iterdir())):02}.png", np.ascontiguousarray(STORED[turn]), exif=exif)
    data = load_file(str(tmp_path))
    expected = torch.tensor(UPRIGHT.transpose(2, 0, 1) / np.float32(255))
    for x in (data.train, data.valid, data.test):
        assert torch.equal(x, expected.expand_as(x))


def test_transparent_pixels_lie_over_the_background_that_is_named(tmp_path):
    for k in range(10):
        pixels = np.zeros((2, 2, 4), np.uint8)
        pixels[0] = (200, 100, 50, 255)  # opaque; the other row is transparent
        png(tmp_path / "x" / f"{k}.png", pixels)
    white, black = (load_file(f"{tmp_path}/x:background={each}").train[0] for each in ("white", "black"))
    assert white[:, 0].equal(black[:, 0])
    assert (white[:, 1].unique().tolist(), black[:, 1].unique().tolist()) == ([1.0], [0.0])
    assert white[:, 0, 0].mul(255).round().tolist() == [200, 100, 50]


def test_images_are_converted_and_resized_on_demand(tmp_path):
    for k in range(10):
        png(tmp_path / "x" / f"{k}.png", np.full((4 + k, 6, 3), (255, 0, 0), np.uint8))
    data = load_file(f"{tmp_path}/x:size=3x2,channels=1")
    assert data.spec.shape == (2, 3)
    assert data.train.unique().tolist() == [np.float32(76 / 255)]  # ITU-R 601: 0.299 of 255
    png(tmp_path / "c" / "a.jpg", GREY[0], "CMYK")
    for k in range(9):
        png(tmp_path / "c" / f"{k}.jpg", GREY[0], "CMYK")
    assert load_file(f"{tmp_path}/c:channels=3").spec.shape == (3, 8, 8)


# Missing values


def table_with_holes(path, text=""):
    x = TABLE.copy()
    cells = [[str(v) for v in row] for row in x.tolist()]
    for row, column in ((3, 0), (3, 2), (17, 1)):
        cells[row][column] = text
        x[row, column] = np.nan
    path.write_text(",".join(NAMES) + "\n" + "".join(",".join(row) + "\n" for row in cells))
    return x


@pytest.mark.parametrize("text", ["", "?", "NA", "nan", "NULL", "-999"])
def test_missing_values_are_dropped_or_filled_as_is_said(tmp_path, text):
    path = tmp_path / "t.csv"
    x = table_with_holes(path, text)
    na = ",na=-999" if text == "-999" else ""
    if not na:
        with pytest.raises(
            DataError, match="line 5, column 'a': no value, and 2 of 40 rows lack one; choose missing=drop"
        ):
            load_file(str(path))
    complete = x[~np.isnan(x).any(1)]
    assert load_file(f"{path}:missing=drop{na}").sha256 == zoo.Data.from_arrays(complete).sha256
    assert load_file(f"{path}:missing=7.5{na}").sha256 == zoo.Data.from_arrays(np.where(np.isnan(x), 7.5, x)).sha256
    rows_of = read_rows(f"{path}:missing=drop{na}", zoo.DataSpec((3,), "real"), NAMES)
    assert rows_of.numbers.tolist() == [k for k in range(1, 41) if k not in (4, 18)]
    assert rows_of.notes == ("2 rows with missing values are left out",)


def test_the_mean_that_fills_is_that_of_the_training_split(tmp_path):
    path = tmp_path / "t.csv"
    x = table_with_holes(path)
    np.save(tmp_path / "v.npy", TABLE)
    data = load_file(f"{path}:missing=mean,test={tmp_path}/v.npy,valid={tmp_path}/v.npy")
    means = np.nanmean(x, 0)
    assert torch.allclose(data.train.double(), torch.tensor(np.where(np.isnan(x), means, x)))
    split = load_file(f"{path}:missing=mean")
    assert any(
        torch.isclose(x[:, 0], split.train[:, 0].mean(), atol=1e-6).any()
        for x in (split.train, split.valid, split.test)
    )


def test_a_mask_is_honoured_or_refused(tmp_path):
    ratings = np.where(RNG.random((40, 5)) < 0.3, RNG.integers(1, 6, (40, 5)), 0)
    np.save(tmp_path / "r.npy", ratings)
    said = notes(load_file(str(tmp_path / "r.npy")))
    assert any("if 0 stands for a missing value, set na=0 and missing=mean" in note for note in said)
    filled = load_file(f"{tmp_path}/r.npy:na=0,missing=mean")
    assert min(row[0] for row in rows(filled)) >= 1
    with pytest.raises(DataError, match="is a masked array with 1 masked values; fill them with x.filled"):
        zoo.Data.from_arrays(np.ma.masked_equal(np.arange(24.0).reshape(12, 2), 5))


# Precision, constants, whole numbers


def test_times_in_seconds_keep_their_differences():
    x = np.column_stack([1.7e9 + np.arange(60), RNG.standard_normal(60)])
    data = zoo.Data.from_arrays(x)
    assert len({row[0] for row in rows(data)}) == 60
    offset, scale = data.standardisation
    every = data.standardise(torch.tensor(x))
    assert torch.allclose(every.double(), (torch.tensor(x) - offset) / scale, atol=1e-6)
    assert every.dtype == torch.float32
    assert zoo.Data.from_arrays(x - [1.7e9, 0]).train.dtype == torch.float32


def test_a_model_keeps_constants_and_large_offsets_through_its_file(tmp_path):
    x = np.column_stack([np.full(60, 7.1), 1.7e9 + np.arange(60), RNG.standard_normal(60)])
    model = zoo.train(
        "vae:likelihood=gaussian,latent_dim=1,hidden=[4]", x, steps=2, folder=tmp_path / "run", progress=False
    )
    again = zoo.load(tmp_path / "run")
    samples = again.sample(50, seed=0)
    assert torch.equal(samples, model.sample(50, seed=0))
    assert (samples[:, 0] == 7.1).all()
    assert len(samples[:, 1].unique()) == 50  # float32 has a grid of 128 there
    assert (samples[:, 1] - 1.7e9).abs().max() < 300
    codes = again.encode(x[:2])
    assert not torch.equal(codes[0], codes[1])


def test_what_samples_need_not_keep_is_said(tmp_path, capsys):
    from zoo.cli.main import run

    (tmp_path / "t.csv").write_text("age,gain\n" + "".join(f"{20 + k},{k - 3.5}\n" for k in range(20)))
    path = str(tmp_path / "t.csv")
    data = load_file(path)
    assert kinds(data) == {"age": "whole numbers 20 to 39", "gain": "real numbers -3.5 to 15.5"}
    note = (
        "whole numbers in age and no negative values in age: samples are real numbers, which need not keep to that; "
        "table=mixed keeps it"
    )
    assert notes(data) == [note]
    assert run(["data", "info", path]) == 0
    shown = capsys.readouterr().out
    for text in ("a text table", "age: whole numbers 20 to 39", note, "header, separator", "first examples"):
        assert text in shown


def test_a_table_of_bits_that_is_one_hot_is_said_to_be(tmp_path):
    for name, row in (("one.csv", [1, 0, 0]), ("two.csv", [1, 1, 0])):
        lines = [",".join(map(str, np.roll(row, k))) for k in range(20)]
        (tmp_path / name).write_text("\n".join(["a,b,c", *lines]))
    (note,) = notes(load_file(str(tmp_path / "one.csv")))
    assert note.startswith("exactly one column is 1 in each row")
    assert notes(load_file(str(tmp_path / "two.csv"))) == []


@pytest.mark.parametrize(
    ("low", "high", "way_out"),
    [
        (-1, 1, "they look like values in [-1, 1]: use (x + 1) / 2"),
        (-1.02, 1, "they look like values in [-1, 1]: use (x + 1) / 2, then clip"),
        (0, 1.001, "clip them to [0, 1]"),
        (-0.01, 1, "clip them to [0, 1]"),
        (0, 16, "divide by 16, if that is the largest possible value"),
        (0, 255, "divide by 255"),
        (0, 250, "divide by 255"),
        (-3, 9, "rescale them as the data were"),
    ],
)
def test_the_advice_is_by_what_was_seen(low, high, way_out):
    assert into_unit(low, high) == way_out


X3 = np.round(np.random.default_rng(3).normal(size=(30, 3)), 3)
LINES = [",".join(f"{value:.3f}" for value in row) for row in X3]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("\n".join(["a,b,c", *LINES]), ("a", "b", "c")),
        ("\ufeff" + "\r\n".join(["a,b,c", *LINES, ""]), ("a", "b", "c")),
        ("\r".join(["a,b,c", *LINES, ""]), ("a", "b", "c")),
        ("\n".join(["a; b; c", *(line.replace(",", "; ") for line in LINES)]), ("a", "b", "c")),
        ('"a\nx",b,c\n' + "\n".join(LINES), ("a\nx", "b", "c")),
        ("\n".join(LINES), ()),
    ],
    ids=["lines", "BOM and CRLF", "CR", "semicolons", "a line end in a name", "no names"],
)
def test_every_form_of_a_text_table_is_the_same_table(tmp_path, text, columns):
    (tmp_path / "x.csv").write_bytes(text.encode())
    found = load_file(str(tmp_path / "x.csv"))
    assert found.columns == columns
    assert found.sha256 == zoo.Data.from_arrays(X3).sha256


def _decimal_commas(separator, names=""):
    return "\n".join([*filter(None, [names]), *(line.replace(",", separator).replace(".", ",") for line in LINES)])


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (_decimal_commas(";", "a;b;c"), "write decimal points instead of commas"),
        (_decimal_commas(";"), r"separator=comma \(4 columns\) or separator=semicolon \(3 columns\)"),
        (_decimal_commas("\t", "a\tb\tc"), "write decimal points instead of commas"),
        ("a\n" + "\n".join(f"{value:.3f}".replace(".", ",") for value in X3[:, 0]), "1 columns expected, got 2"),
        ("\n".join(f"{value:.3f}".replace(".", ",") for value in X3[:, 0]), r"decimal commas, .* \(separator=comma\)"),
        ("\n".join(line + "," for line in LINES), "drop=3"),
        ("a,b,c,\n" + "\n".join(line + "," for line in LINES), "drop=unnamed"),
        ("a,b,c\n" + "\n".join(line + "," for line in LINES), "line 2: 3 columns expected, got 4"),
        (
            '"a" "b" "c"\n' + "\n".join(f'"{k}" {line.replace(",", " ")}' for k, line in enumerate(LINES)),
            "one name less .*row.names=FALSE",
        ),
        ("a,b,c\n", "a header but no values"),
        ("\n\n", "is empty"),
        ("a,b,c\n1,2,3\n", "N at least 10"),
    ],
)
def test_a_text_table_that_may_mean_something_else_is_refused(tmp_path, text, match):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(zoo.DataError, match=match):
        load_file(str(tmp_path / "x.csv"))


def test_a_sparse_matrix_of_matlab_is_read_densely(tmp_path):
    io, sparse = pytest.importorskip("scipy.io"), pytest.importorskip("scipy.sparse")
    io.savemat(tmp_path / "x.mat", {"x": sparse.csc_matrix(X3)})
    assert load_file(str(tmp_path / "x.mat")).sha256 == zoo.Data.from_arrays(X3).sha256
