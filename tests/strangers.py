"""Input from strangers: every entrance of the zoo, whole inputs for it, and what is done to them."""

from __future__ import annotations

import contextlib
import copy
import gzip
import io
import json
import resource
import signal
import struct
import tempfile
import tomllib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from tests.report_folder import log_line, results, typed, write_folder
from tests.wrong_data import idx, npy
from zoo.api import default, load
from zoo.comparison.contestants import parse_row
from zoo.comparison.result import Comparison
from zoo.contract.data_spec import DataSpec
from zoo.data.dataset import Data
from zoo.data.files import load_file, read_codes, read_rows
from zoo.errors import ZooError
from zoo.files.tensor_file import read, write
from zoo.plugins.catalogue import SHIPPED, read_catalogue
from zoo.report.charts import learning
from zoo.training.resolved import resolve

MEMORY = 2**30  # bytes that reading one input may take besides what the process has
SECONDS = 20.0  # of the processor that it may take


@dataclass(frozen=True)
class Entrance:
    """A place where input comes in: what is tried there, and how it is read.

    Attributes:
        inputs: contents of the file, or texts as UTF-8.
        enter: read one of them; the folder is empty at first and the same for all.
    """

    name: str
    inputs: st.SearchStrategy[bytes]
    enter: Callable[[Path, bytes], object]

    def __str__(self) -> str:
        return self.name


@contextlib.contextmanager
def limits() -> Iterator[None]:
    """Inside the block, memory and time are short: who takes too much of either fails."""

    def stop(signum: int, frame: object) -> None:
        raise TimeoutError(f"more than {SECONDS:g} s")

    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    handler = signal.signal(signal.SIGPROF, stop)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, before[1]))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


# What is done to an input

_ACTS = ("flip", "set", "insert", "delete", "double", "cut")


def edited(*whole: bytes, words: tuple[bytes, ...] = ()) -> st.SearchStrategy[bytes]:
    """A whole input after some edits, half the time one, in bits, bytes and words of its format."""
    word = st.one_of(st.binary(min_size=1, max_size=8), *([st.sampled_from(words)] if words else []))
    edit = st.tuples(st.sampled_from(_ACTS), st.integers(0, 2**16), st.integers(0, 255), word)
    edits = st.one_of(st.lists(edit, min_size=1, max_size=1), st.lists(edit, min_size=2, max_size=6))
    return st.builds(_edited, st.sampled_from(whole), edits)


def _edited(whole: bytes, edits: list[tuple[str, int, int, bytes]]) -> bytes:
    content = bytearray(whole)
    for act, where, number, word in edits:
        place = where % (len(content) + 1)
        if act == "flip" and place < len(content):
            content[place] ^= 1 << (number % 8)
        elif act == "set" and place < len(content):
            content[place : place + len(word)] = word
        elif act == "insert":
            content[place:place] = word
        elif act == "delete":
            del content[place : place + 1 + number % 32]
        elif act == "double":
            content[place:place] = content[place : place + 1 + number]
        elif act == "cut":
            del content[place:]
    return bytes(content)


_PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**31, 2**63, 10**400, 1e308, -1e308, 5e-324, float("nan"), float("inf"), -0.0, 1e-9]),
    st.sampled_from(
        ["", "best", "lower", "headline", "frechet", "control", "../..", "/etc", "<b>", "\x1b[2J", "\0", "\ud800"]
    ),
    st.just([]),
    st.just({}),
    st.just([1, "a"]),
    st.just({"mean": 1.0}),
)


def edited_json(whole: Any) -> st.SearchStrategy[Any]:
    """The values of a JSON text after some edits: a node replaced, removed, or put beside the others."""
    edit = st.tuples(
        st.sampled_from(("replace", "remove", "add", "move")), st.integers(0, 2**16), _PLAIN, st.integers(0, 2**16)
    )
    edits = st.one_of(st.lists(edit, min_size=1, max_size=1), st.lists(edit, min_size=2, max_size=4))
    return st.builds(lambda edits: _edited_tree(whole, edits), edits)


def _edited_tree(whole: Any, edits: list[tuple[str, int, Any, int]]) -> Any:
    tree = [copy.deepcopy(whole)]
    for act, where, value, other in edits:
        places = list(_places(tree))
        home, key = places[where % len(places)]
        if act == "remove" and home is not tree:
            del home[key]
        elif act == "add" and isinstance(home, dict):
            home[str(value)] = copy.deepcopy(value)
        elif act == "move":
            source, name = places[other % len(places)]
            home[key] = copy.deepcopy(source[name])
        else:
            home[key] = copy.deepcopy(value)
    return tree[0]


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every node as the container that holds it and its key there."""
    for key, value in list(tree.items() if isinstance(tree, dict) else enumerate(tree)):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _toml(value: Any) -> str:
    """A plain value as TOML, whose inline tables are nearly JSON."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return str(value) if isinstance(value, float) else json.dumps(value)


def _assigned(tree: Any) -> bytes:
    """Settings as they follow a contestant or a path: `KEY=VALUE,…`."""
    items = tree.items() if isinstance(tree, dict) else [("x", tree)]
    return ",".join(f"{key}={_toml(value)}" for key, value in items).encode("utf-8", "surrogatepass")


# The entrances


def _file(name: str, read: Callable[[Path], object]) -> Callable[[Path, bytes], object]:
    def enter(folder: Path, content: bytes) -> object:
        path = folder / name
        path.write_bytes(content)
        return read(path)

    return enter


def _loaded(path: Path) -> object:
    return load_file(str(path))


def _codes(path: Path) -> object:
    return read_codes(str(path))


def _text(read: Callable[[str], object]) -> Callable[[Path, bytes], object]:
    return lambda folder, content: read(content.decode("utf-8", "surrogateescape"))


X = np.arange(0, 240, 5, dtype=np.uint8).reshape(12, 2, 2)
_NUMBERS = np.arange(24.0).reshape(12, 2)

_sides = st.lists(st.sampled_from([0, 1, 2, 3, 12, 255, 2**16, 2**31, 2**32 - 1]), max_size=5)
_idx = st.one_of(
    edited(idx(X), idx(_NUMBERS.astype(">f8"), kind=14)),
    st.builds(lambda sides, kind: idx(X, tuple(sides), kind), _sides, st.integers(0, 15)),
)

_CSV = b"a,b,kind\n" + b"".join(b"%d,%d.5,%s\n" % (i, i, (b"x", b"y")[i % 2]) for i in range(12))
_CSV_OF_NUMBERS = b"a,b\n" + b"".join(b"%d,%d.5\n" % (i, i) for i in range(12))
_csv = edited(
    _CSV,
    _CSV.replace(b"a,b,kind\n", b""),
    _CSV_OF_NUMBERS,
    _CSV_OF_NUMBERS.replace(b"a,b\n", b""),
    words=(
        b",",
        b"\n",
        b"\r",
        b'"',
        b'""',
        b"nan",
        b"1e999",
        b"\0",
        b"\xff",
        b"1_0",
        b"\xd9\xa1",
        b"," * 200,
        b"-" * 999,
    ),
)

_DTYPES = (
    "<f8",
    ">f4",
    "|u1",
    "<i8",
    "|b1",
    "|O",
    "<U3",
    "|S0",
    "|V7",
    "<c16",
    "<M8[s]",
    "<f2",
    "<f16",
    "<u8",
    "(2,)<f8",
    "?",
    "",
)


def _numpy_file(descr: object, fortran: object, shape: object, version: int, body: bytes) -> bytes:
    """An `.npy` file with any header."""
    text = repr({"descr": descr, "fortran_order": fortran, "shape": shape}).encode() + b"\n"
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + body


def _filled(shape: list[int], kind: str, value: float) -> np.ndarray[Any, Any]:
    """An array of any kind and shape: of one value, where it is of numbers."""
    array = np.zeros(shape, kind)
    with np.errstate(all="ignore"):
        return array + np.float64(value).astype(kind) if array.dtype.kind in "fiu" else array


_odd = st.builds(
    _filled,
    st.one_of(st.sampled_from([[12, 2], [12, 2, 2]]), st.lists(st.sampled_from([0, 1, 2, 8, 10, 12]), max_size=5)),
    st.one_of(
        st.sampled_from(["f8", "f4", ">f4", "u1", "i8"]),
        st.sampled_from(["f2", ">i2", "?", "U3", "S3", "c16", "M8[s]", "V4"]),
    ),
    st.one_of(st.sampled_from([0, 1, 0.5, 255, -1]), st.sampled_from([1e-310, 1e300, float("nan"), float("inf")])),
)
_npy = st.one_of(
    _odd.map(npy),
    edited(npy(_NUMBERS), npy(X), words=(b"'|O'", b"(", b")", b"," * 9, b"9" * 20, b"-1", b"**", b"[" * 400)),
    st.builds(
        _numpy_file,
        st.one_of(st.sampled_from(_DTYPES), st.just([("a", "<f8"), ("b", "|O")])),
        st.sampled_from([True, False, 1, None]),
        st.lists(st.sampled_from([-1, 0, 1, 2, 12, 24, 10**6, 2**31, 2**63, 10**30]), max_size=5).map(tuple),
        st.sampled_from([1, 2, 3, 4]),
        st.one_of(st.just(_NUMBERS.tobytes()), st.binary(max_size=64)),
    ),
)


def _zip(members: list[tuple[str, bytes]], method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_OWN = _METHODS[:2]  # numpy's
_packed = st.builds(
    _zip,
    st.lists(
        st.tuples(st.sampled_from(["x.npy", "y.npy", "x", "../x.npy", ""]), _npy), max_size=3, unique_by=lambda m: m[0]
    ),
    st.sampled_from(_METHODS + _OWN),
)
_labels = st.one_of(st.just(np.arange(12) % 3), _odd)
_npz = st.one_of(
    edited(*(_zip([("x.npy", npy(_NUMBERS)), ("y.npy", npy(np.arange(12)))], method) for method in _METHODS)),
    edited(*(_zip([("x.npy", npy(_NUMBERS))], method) for method in _OWN)),
    _packed,
    st.builds(lambda x, method: _zip([("x.npy", npy(x))], method), _odd, st.sampled_from(_OWN)),
    st.builds(lambda x, y: _zip([("x.npy", npy(x)), ("y.npy", npy(y))], zipfile.ZIP_DEFLATED), _odd, _labels),
)

_CONTESTANTS = (
    b"vae@gmm:latent_dim=8,train.learning_rate=0.002,beta=4.0",
    b"zoo-vae/vae@gaussian:hidden=[16, 16],likelihood=gaussian,sample.steps=3",
    b"rbm:hidden=500,train.batch_size=10",
    b"samples:mine.npy",
    b"real",
)
_SETTINGS = {"latent_dim": 8, "beta": 4.0, "hidden": [16, 16], "train.batch_size": 10, "train.learning_rate": 0.01}
_texts_of_contestants = edited(
    *_CONTESTANTS,
    words=(
        *(
            b":",
            b"@",
            b"/",
            b",",
            b"=",
            b".",
            b"'",
            b'"',
            b'"""',
            b"[",
            b"{",
            b"}",
            b"#",
            b"\n",
            b"\\",
            b"nan",
            b"-inf",
            b"1_0",
        ),
        *(
            b"train.",
            b"sample.",
            b"9" * 5000,
            b"[" * 2000,
            b"a." * 2000,
            b"2020-99-99",
            b"0x",
            b"true",
            b"\0",
            b"\xed\xa0\x80",
        ),
        *(b"\xcc\x81", b"model_config=1", b"self=1", b"=1,", b"'''", b"\\u12"),
    ),
)
_contestants = st.one_of(_texts_of_contestants, edited_json(_SETTINGS).map(lambda tree: b"vae@gmm:" + _assigned(tree)))


def _contestant(text: str) -> object:
    entrant = parse_row(text)
    return resolve(default, entrant.contestant) if entrant.contestant else entrant


_FILES = (b"x.npy:labels=y.npy,support=real,epochs=3", b"x.npy", b"table.csv:labels='kind'")
_paths = st.one_of(
    edited(*_FILES, words=(b":", b"'", b"\0", b"~x", b"x/" * 300, b"9" * 5000)),
    st.builds(
        lambda file, tree: file + b":" + _assigned(tree),
        st.sampled_from([b"x.npy", b"table.csv"]),
        edited_json({"labels": "kind", "support": "real", "epochs": 3}),
    ),
    edited_json({"labels": "y.npy", "support": "real"}).map(lambda tree: b"x.npy:" + _assigned(tree)),
)


def _beside(folder: Path, content: bytes) -> None:
    """A path inside the folder, where the files are that it began as."""
    np.save(folder / "x.npy", _NUMBERS)
    np.save(folder / "y.npy", np.arange(12))
    (folder / "table.csv").write_bytes(_CSV)
    with contextlib.chdir(folder):  # where the files of labels are looked for
        load_file(f"{folder}/{content.decode('utf-8', 'surrogateescape')}")


_TOML = SHIPPED.read_bytes()
_SHORT = b"\n\n".join(_TOML.split(b"\n\n")[:8])


def _table(tree: Any) -> bytes:
    """A TOML file of any values; what TOML lacks (null, lone surrogates) is refused by its reader."""
    items = tree.items() if isinstance(tree, dict) else [("x", tree)]
    return "".join(f"{json.dumps(key)} = {_toml(value)}\n" for key, value in items).encode()


_texts_of_catalogues = edited(
    _SHORT,
    b'schema = 1\n[compare]\ncontestants = ["a"]\ndata = "d"\nseeds = 1\n[[plugin]]\nname = "a"\n',
    words=(
        *(
            b"[",
            b"[[",
            b"]]",
            b'"',
            b'"""',
            b"=",
            b"{",
            b"1" * 5000,
            b"[" * 3000,
            b"2020-99-99",
            b"nan",
            b"\0",
            b"\xff",
            b"true",
        ),
        *(
            b"schema = 1.0\n",
            b"[plugin]\n",
            b"[[plugin]]\n",
            b"[[plugin.release]]\n",
            b"a." * 2000,
            b"\\ud800",
            b"\x1b",
            b"25:61:61",
        ),
    ),
)
_catalogues = st.one_of(_texts_of_catalogues, edited_json(tomllib.loads(_SHORT.decode())).map(_table))

_SHOWN = ("rbm", "vae", "mean", "real")


def _results() -> dict[str, Any]:
    """A comparison of four, with a picture of one."""
    found = results()
    found["metrics"] = [each for each in found["metrics"] if each["name"] in ("likelihood", "frechet", "codes-test")]
    names = {each["name"] for each in found["metrics"]}
    found["rows"] = [row for row in found["rows"] if row["contestant"] in _SHOWN]
    for row in found["rows"]:
        row["summary"] = {name: summary for name, summary in row["summary"].items() if name in names}
        row["cells"] = row["cells"][:2]
    found["pictures"] = {"vae": "vae/vae.pictures.npz"}
    found["fooled"] = {"mean": ["frechet"]}
    found["sensitivity"] = found["sensitivity"][:3] + found["sensitivity"][-1:]
    return found


_RESULTS = _results()


def _report(place: tuple[str, ...]) -> Callable[[Path, bytes], object]:
    """Rebuild a report, one of whose files is from a stranger."""

    def enter(folder: Path, content: bytes) -> None:
        if not (folder / "rbm").exists():
            write_folder(folder, copy.deepcopy(_RESULTS), images=np.linspace(0, 1, 96 * 64).reshape(96, 8, 8))
        folder.joinpath(*place).write_bytes(content)
        comparison = Comparison.open(folder)
        str(comparison)
        comparison.write()

    return enter


_reports = st.one_of(
    edited_json(_RESULTS).map(lambda tree: json.dumps(tree).encode()),
    edited(json.dumps(_RESULTS).encode(), words=(b"[" * 5000, b"1" * 5000, b"NaN", b"null", b'"', b"{", b"}", b",")),
)

_LOG = [log_line(epoch, 0) for epoch in range(1, 6)]


def _log(path: Path) -> object:
    home = path.parent / "rbm" / "seed-0"
    home.mkdir(parents=True, exist_ok=True)
    path.replace(home / path.name)
    rbm = typed(_RESULTS).rows[0]
    return learning(path.parent, rbm.model_copy(update={"cells": rbm.cells[:1]}))


def _lines(log: Any) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in (log if isinstance(log, list) else [log]))


_logs = st.one_of(
    edited_json(_LOG).map(_lines),
    edited(
        _lines(_LOG),
        words=(b"NaN", b"null", b'"', b"{}", b"[1]", b"\n", b"1" * 5000, b"1e999", b'"epoch"', b"[" * 5000),
    ),
)

_ARRAYS = {
    "samples": np.linspace(0, 1, 8 * 64).reshape(8, 8, 8),
    "nearest": np.zeros((2, 8, 8)),
    "codes": np.arange(24.0).reshape(12, 2),
    "code_labels": np.arange(12) % 3,
    "drawn_codes": np.ones((4, 2)),
    "codes_axes": np.array("code value"),
    "map": np.zeros((2, 2, 8, 8)),
}
_whole = _zip([(f"{name}.npy", npy(array)) for name, array in _ARRAYS.items()], zipfile.ZIP_DEFLATED)
_pictures = st.one_of(
    edited(_whole),
    st.dictionaries(st.sampled_from([*_ARRAYS, "originals", "traversal", "../x"]), _odd, max_size=3).map(
        lambda odd: _zip([(f"{name}.npy", npy(array)) for name, array in (_ARRAYS | odd).items()], zipfile.ZIP_STORED)
    ),
)


def _model_file() -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The plain values and the tensors of a small model's file."""
    data = Data.from_arrays(np.linspace(0, 1, 400).reshape(100, 2, 2))
    with tempfile.TemporaryDirectory() as folder:
        return read(default.train("vae@gaussian:latent_dim=2,hidden=[3]", data, steps=2).save(folder))


_FACTS, _TENSORS = _model_file()


def _signed(facts: Any, tensors: dict[str, Tensor] = _TENSORS) -> bytes:
    """A model file whose SHA-256 is right, whatever it says."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "x", tensors, facts if isinstance(facts, dict) else {})
        return (Path(folder) / "x").read_bytes()


def _altered(name: str, act: str, value: float) -> dict[str, Tensor]:
    """The tensors of the model, one of them of other values, shape or kind, under another name, or away."""
    tensor = _TENSORS[name]
    acts: dict[str, dict[str, Tensor]] = {
        "fill": {name: torch.full_like(tensor, value)},
        "flatten": {name: tensor.flatten()},
        "add a side": {name: tensor[None].clone()},
        "empty": {name: tensor.new_zeros(0)},
        "double": {name: tensor.double()},
        "round": {name: tensor.to(torch.int8)},
        "rename": {f"{name}.x": tensor},
        "standardise": {name: tensor, "data.offset": torch.zeros(2, 2), "data.scale": torch.full((2, 2), value)},
        "remove": {},
    }
    return {key: each for key, each in _TENSORS.items() if key != name} | acts[act]


_ALTERATIONS = ("fill", "fill", "flatten", "add a side", "empty", "double", "round", "rename", "remove", "standardise")
_models = st.one_of(
    edited_json(_FACTS).map(_signed),
    st.builds(
        lambda *alteration: _signed(_FACTS, _altered(*alteration)),
        st.sampled_from(sorted(_TENSORS)),
        st.sampled_from(_ALTERATIONS),
        st.sampled_from([0.0, -1.0, 1e38, float("nan"), float("inf")]),
    ),
    edited(_signed(_FACTS), words=(b"null", b"[" * 5000, b"F64", b"9" * 20)),
)


def _used(path: Path) -> None:
    """A model file that can be loaded can be used, or says why not."""
    model = load(path)
    with contextlib.suppress(ZooError):
        model.encode(torch.zeros(1, *model.spec.shape))
    model.sample(2, seed=0)


def _pictured(kind: str, mode: str = "L", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (9, 9), 7).save(buffer, kind, **options)
    return buffer.getvalue()


def _png(sides: tuple[int, int], kind: tuple[int, ...], more: list[tuple[bytes, bytes]], pixels: bytes) -> bytes:
    """A PNG whose checksums are right, whatever it says."""
    header = struct.pack(">IIBBBBB", *sides, *kind)
    chunks = [(b"IHDR", header), *more, (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    packed = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


_NAMES = b"PLTE tRNS acTL fcTL fdAT gAMA iCCP eXIf tEXt zTXt iTXt IHDR IDAT".split()
_side = st.sampled_from([9, 9, 9, 9, 0, 1, 8, 4096, 4097, 2**31 - 1, 2**32 - 1])
_images = st.one_of(
    edited(
        *(_pictured(kind) for kind in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "EPS")),
        _pictured("PNG", "P"),
        words=(b"IDAT", b"IEND", b"tRNS", b"\xff\xff\xff\xff", b"%!PS", b"\0\0\0\0"),
    ),
    st.builds(
        _png,
        st.tuples(_side, _side),
        st.tuples(
            st.sampled_from([8, 8, 8, 1, 16, 3]),  # bits of a value
            st.sampled_from([0, 0, 2, 3, 4, 6, 1]),  # colours
            *(st.sampled_from([0, 0, 0, 0, 1, 255]) for _ in range(3)),
        ),
        st.lists(st.tuples(st.sampled_from(_NAMES), st.binary(max_size=32)), max_size=2),
        st.sampled_from([bytes(90), bytes(9 * 28), bytes(9), b"", bytes(2**20)]),
    ),
)


def _image(folder: Path, content: bytes) -> None:
    """One picture among eleven whole ones."""
    pictures = folder / "pictures"
    if not pictures.exists():
        pictures.mkdir()
        for number in range(11):
            (pictures / f"{number}.png").write_bytes(_pictured("PNG"))
    (pictures / "x.png").write_bytes(content)
    load_file(str(pictures))


ENTRANCES = [
    Entrance("IDX", st.one_of(_idx, _idx.map(gzip.compress)), _file("x.idx", _loaded)),
    Entrance("gzip", edited(gzip.compress(idx(X))), _file("x.gz", _loaded)),
    Entrance("CSV", _csv, _file("t.csv", _loaded)),
    Entrance("CSV with classes", _csv, _file("t.csv", lambda path: load_file(f"{path}:labels=kind"))),
    Entrance("npy", _npy, _file("x.npy", _loaded)),
    Entrance("npz", _npz, _file("x.npz", _loaded)),
    Entrance("npz with classes", _npz, _file("x.npz", lambda path: load_file(f"{path}:labels=y"))),
    Entrance("samples", _npz, _file("x.npz", lambda path: read_rows(str(path), DataSpec((2,), "real")))),
    Entrance("codes", _npy, _file("x.npy", _codes)),
    Entrance("image", _images, _image),
    Entrance("model file", _models, _file("model.safetensors", _used)),
    Entrance("contestant", _contestants, _text(_contestant)),
    Entrance("path", _paths, _beside),
    Entrance("registry.toml", _catalogues, _file("registry.toml", read_catalogue)),
    Entrance("results.json", _reports, _report(("results.json",))),
    Entrance("a log", _logs, _file("metrics.jsonl", _log)),
    Entrance("pictures", _pictures, _report(("vae", "vae.pictures.npz"))),
]

#: entrance, and an input that broke it once
FOUND = [
    ("codes", _numpy_file("|u1", True, (10**30, 24, 2**63), 3, b"")),  # OverflowError
    ("codes", _numpy_file("|S0", False, (-1,), 1, b"")),  # a floating-point exception of the process
    (
        "npz",
        _zip([("a.npy", npy(_NUMBERS)), ("", npy(_NUMBERS))], zipfile.ZIP_STORED),
    ),  # an array without a name
    ("pictures", _zip([("drawn_codes.npy", npy(np.array([["", ""]])))], zipfile.ZIP_STORED)),  # text for numbers
    ("codes", b"PK\x03\x04" + bytes(40)),  # BadZipFile: an .npz by another ending
    ("contestant", b"vae:latent_dim=" + b"1" * 3999),
    ("contestant", b"vae:latent_dim=0x" + b"f" * 3900),
    ("contestant", b"samples:" + b"x" * 300),  # a name too long
    ("contestant", b"samples:\0"),
    ("contestant", b"samples:~nobody-here/x"),
    ("contestant", b"vae:likelihood='\xff'"),  # bytes of the command line that are no text
    ("path", b"x.npy:epochs=" + b"1" * 5000),
    ("path", b"x" * 300),
    ("path", b"\0"),
    ("registry.toml", b"schema = 1\nx = " + b"[" * 3000),  # RecursionError
    ("registry.toml", b"schema = " + b"1" * 5000),  # ValueError
    ("registry.toml", _SHORT.replace(b'supports = ["bits"', b"supports = [1")),
    ("results.json", b"[" * 100_000),
    ("results.json", b'{"schema": 2}'),
    ("results.json", json.dumps(_RESULTS | {"rows": []}).encode()),
    ("results.json", json.dumps(_RESULTS | {"metrics": [{"name": "made-up"}]}).encode()),
    ("results.json", json.dumps(_RESULTS | {"pictures": {"vae": "../../outside.npz"}}).encode()),
    ("results.json", json.dumps(_RESULTS).replace("14.2", "1" + "0" * 400).encode()),  # OverflowError
    (
        "results.json",
        json.dumps(
            _RESULTS | {"sensitivity": [{"contestant": "vae", "key": "k", "value": 1, "default": True}]}
        ).encode(),
    ),
    ("pictures", _zip([("samples.npy", npy(np.zeros((2, 8, 8), object)))], zipfile.ZIP_STORED)),
    ("pictures", _zip([("codes.npy", npy(np.zeros(3)))], zipfile.ZIP_STORED)),  # IndexError
    ("a log", b"{}"),
    ("a log", b'{"epoch": 1, "loss": "<b>"}\n{"epoch": 2}'),
    ("model file", _signed(None)),  # KeyError
    ("model file", _signed(_FACTS | {"spec": {"shape": [10**9, 10**9], "support": "unit"}})),  # memory
    ("model file", _signed(_FACTS | {"config": _FACTS["config"] | {"hidden": [10**12]}})),
    ("model file", _signed(_FACTS | {"config": _FACTS["config"] | {"hidden": [10**30]}})),  # TypeError
    ("model file", _signed(_FACTS, _altered("density.mean", "add a side", 0.0))),  # RuntimeError of the first sample
    ("model file", _signed(_FACTS, _altered("density.cholesky", "remove", 0.0))),  # KeyError of the first sample
    ("model file", _signed(_FACTS, _altered("density.mean", "standardise", float("nan")))),  # samples that are all nan
    ("model file", _signed(_FACTS | {"density": {"name": "gaussian", "distribution": "genzoo", "version": "1"}})),
]
