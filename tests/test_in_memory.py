"""Data that a program holds: read as the array of the same values, or refused in one sentence."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import zoo

pandas, sparse = pytest.importorskip("pandas"), pytest.importorskip("scipy.sparse")

X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.arange(40) % 4


class Endless(Dataset):
    def __getitem__(self, index):
        return torch.zeros(3)


class Sized(Endless):
    def __len__(self):
        return 40


class Stream(IterableDataset):
    def __iter__(self):
        while True:
            yield torch.zeros(3)


@pytest.mark.parametrize(
    ("given", "columns", "labelled"),
    [
        (X.tolist(), (), False),
        (torch.from_numpy(X), (), False),
        (torch.from_numpy(X).to_sparse(), (), False),
        (sparse.csr_matrix(X), (), False),
        (sparse.coo_array(X), (), False),
        (TensorDataset(torch.from_numpy(X)), (), False),
        (TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)), (), True),
        ((X, Y), (), True),
        ((X, Y[:, None]), (), True),
        (pandas.DataFrame(X, columns=["c", "a", "b"]), ("c", "a", "b"), False),
        ((pandas.DataFrame(X, columns=["c", "a", "b"]), pandas.Series(Y)), ("c", "a", "b"), True),
    ],
)
def test_it_is_the_array_of_the_same_values(given, columns, labelled):
    found, wanted = zoo.load_data(given), zoo.Data.from_arrays(X, Y if labelled else None)
    assert found.columns == columns
    assert found.sha256 == wanted.sha256


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (Endless(), r"got Endless; stack its examples into one, for example torch\.stack"),
        (Sized(), "got Sized; stack its examples"),
        (Stream(), "got Stream; stack its examples"),
        (DataLoader(TensorDataset(torch.from_numpy(X))), "got DataLoader; stack its examples"),
        (iter(X), "got generator|got iterator"),
        ({"train": X}, "got dict"),
        (None, "got NoneType"),
        (TensorDataset(*[torch.from_numpy(X)] * 3), "a TensorDataset of 3 tensors"),
        (pandas.DataFrame({"a": X[:, 0], "w": ["u", "v"] * 20}), r"the columns w hold .*table=mixed"),
        (pandas.DataFrame({"a": X[:, 0], "label": Y}), "a column 'label' that looks like classes; give"),
        (pandas.DataFrame(X, columns=["a", "b", "a"]), "distinct names of columns"),
        (pandas.DataFrame(X).mask(X > 2), "finite numbers"),
    ],
)
def test_other_objects_are_refused_in_one_sentence(given, match):
    with pytest.raises(zoo.DataError, match=match) as caught:
        zoo.load_data(given)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def model():
    return zoo.train("vae:latent_dim=2,hidden=[4]", pandas.DataFrame(X, columns=["a", "b", "c"]), steps=2)


@pytest.mark.parametrize("hook", ["encode", "reconstruct", "log_prob"])
@pytest.mark.parametrize("kind", ["float64", "float16", "numpy", "integers", "bools", "frame", "another order"])
def test_a_model_takes_every_type_as_float32(model, hook, kind):
    x = np.round(X[:5])
    frame = pandas.DataFrame(x, columns=["a", "b", "c"])
    given = {
        "float64": torch.from_numpy(x),
        "float16": torch.from_numpy(x).half(),
        "numpy": x,
        "integers": torch.from_numpy(x).long(),
        "bools": torch.from_numpy(x != 0),
        "frame": frame,
        "another order": frame[["c", "a", "b"]].assign(extra=1),
    }[kind]
    x = x != 0 if kind == "bools" else x

    def answer(value):
        found = getattr(model, hook)(value)
        return found[0].nats if hook == "log_prob" else found

    assert torch.equal(answer(given), answer(torch.from_numpy(x).float()))


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        (torch.ones(5, 3).to_sparse(), TypeError, r"a sparse one; use x\.to_dense\(\)"),
        (torch.ones(5, 3, dtype=torch.complex64), TypeError, "real numbers, got torch.complex64"),
        (sparse.csr_matrix(X), TypeError, "got csr_matrix"),
        (Endless(), TypeError, "got Endless"),
        (TensorDataset(torch.ones(5, 3)), TypeError, "got TensorDataset"),
        ((X, Y), TypeError, "got tuple"),
        (np.ma.masked_less(X, 0), ValueError, "no masked values"),
        (np.full((5, 3), np.nan), ValueError, "finite numbers, got nan or infinity"),
        (pandas.DataFrame(X, columns=["a", "b", "x"]), ValueError, r"columns a, b, c, .* got a, b, x; missing: c"),
    ],
)
def test_a_model_refuses_the_rest_by_what_it_is(model, given, error, match):
    for hook in (model.encode, model.reconstruct, model.log_prob):
        with pytest.raises(error, match=match):
            hook(given)
