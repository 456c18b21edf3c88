"""Wrong arguments and odd surroundings: one sentence, the fitting exit code, nothing written, no traceback."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

import zoo
from zoo.cli.main import run
from zoo.contract.data_spec import DataSpec
from zoo.errors import ConfigError


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run folder with a small VAE."""
    out = tmp_path_factory.mktemp("runs")
    assert run(["train", "vae:latent_dim=2,hidden=[4]", "--steps", "1", "--out", str(out)]) == 0
    return out / "vae-digits-1"


X, Z = np.zeros((2, 2), dtype=np.float32), np.zeros((2, 1), dtype=np.float32)


@pytest.fixture(scope="module")
def real():
    """A VAE of real-valued data of two columns, whose codes have one value."""
    data = zoo.Data.from_arrays(np.random.default_rng(0).normal(size=(20, 2)))
    return zoo.train("vae@gaussian:latent_dim=1,hidden=[2],sample.k=2", data, steps=1, progress=False)


# Refused before any work


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("sample RUN -n 0 -o x.npy", 2, "0 is not in the range 1<=x<=10000000"),
        ("sample RUN -n -1 -o x.npy", 2, "-1 is not in the range 1<=x<=10000000"),
        ("sample RUN -n 1000000000000 -o x.npy", 2, "1000000000000 is not in the range 1<=x<=10000000"),
        (
            "sample RUN -n 10001 -o x.png",
            2,
            "A .png file shows at most 10,000 examples, got 10,001; write .npy, .npz or .csv",
        ),
        ("sample RUN -o file/x.npy", 2, "The folder of the output file/x.npy does not exist; create it first"),
        ("sample RUN --set steps=nan -o x.npy", 2, "no key 'steps'"),
        ("sample LONG -o x.npy", 5, "File name too long"),
        ("train vae --epochs 0", 2, "A budget must be a finite number above 0, got 0.0 epochs"),
        ("train vae --epochs -1", 2, "A budget must be a finite number above 0, got -1.0 epochs"),
        ("train vae --epochs nan", 2, "A budget must be a finite number above 0, got nan epochs"),
        ("train vae --epochs inf", 2, "A budget must be a finite number above 0, got inf epochs"),
        ("train vae --steps 0", 2, "A budget must be a finite number above 0, got 0 steps"),
        ("train vae --steps 1.5", 2, "'1.5' is not a valid integer"),
        ("train vae --seed -1", 2, "-1 is not in the range x>=0"),
        ("train vae:latent_dim=0", 2, "latent_dim must be greater than 0, got 0"),
        ("train vae:train.learning_rate=nan", 2, "learning_rate must be a valid number, got 'nan'"),
        ("train vae:train.learning_rate=+nan", 2, "learning_rate must be a finite number, got nan"),
        ("train vae:train.batch_size=0", 2, "batch_size must be greater than 0, got 0"),
        ("train vae:latent_dims=2", 2, "no key 'latent_dims'. Did you mean 'latent_dim'"),
        ("train vae:latent_dim=1000000000000000000000", 2, "must be numbers of at most 64 bits, got 1.0e+21"),
        ("train VERY", 2, "A contestant must have at most 4,000 characters, got 4,001"),
        ("train vae --steps 1 --out file/runs", 1, "Cannot create a folder in file/runs: Not a directory"),
        ("compare vae --seeds 0", 2, "0 is not in the range 1<=x<=1000"),
        ("compare vae --seeds 1000000000000", 2, "1000000000000 is not in the range 1<=x<=1000"),
        ("compare vae --timeout 0", 2, "0.0 is not in the range x>0"),
        ("compare vae --timeout nan", 2, "nan is not a finite number"),
        ("compare vae --jobs 0", 2, "0 is not in the range x>=1"),
        ("compare vae --out file/runs", 1, "Cannot create a folder in file/runs: Not a directory"),
        ("compare samples:LONG", 2, "names a file that does not exist"),
        ("report LONG", 5, "File name too long"),
        ("data info ./LONG", 4, "File name too long"),
        ("data info ~nobody-here/x.npy", 4, "Could not determine home directory."),
    ],
)
def test_wrong_arguments_end_in_one_sentence_before_any_work(
    trained, tmp_path, monkeypatch, capsys, words, code, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    stands_for = {"RUN": str(trained), "LONG": "x" * 300, "VERY": "v" * 4001}
    for name, text in stands_for.items():
        words = words.replace(name, text)
    assert run(words.split()) == code
    out, err = capsys.readouterr()
    assert message in err
    assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_model_that_no_memory_holds_is_refused_in_one_sentence(tmp_path, capsys):
    assert run(["train", "vae:latent_dim=1000000000000", "--steps", "1", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "Error: Out of memory; use a smaller model or fewer examples.\n"
    assert not list(tmp_path.glob("**/*.safetensors"))


def test_a_contestant_that_a_terminal_would_obey_is_refused_and_shown_as_text(capsys):
    assert run(["train", "vae:\x1b[2J=1"]) == 2
    assert r"'vae:\x1b[2J=1' is not a valid contestant" in capsys.readouterr().err


def test_a_batch_larger_than_the_data_is_the_whole_split_in_one_step(tmp_path):
    data = zoo.Data.from_arrays(np.linspace(0, 1, 80).reshape(20, 4))
    steps = []
    zoo.train(
        "vae:latent_dim=1,hidden=[2],train.batch_size=1000",
        data,
        epochs=3,
        progress=lambda report: steps.append(report.step),
    )
    assert steps[-1] == 3


def test_the_number_of_samples_has_a_limit_in_python_too():
    model = zoo.create("vae:latent_dim=1,hidden=[2]", DataSpec((2, 2), "unit"))
    with pytest.raises(
        ConfigError, match="At most 536,870,912 samples of 4 values are drawn at once, got 1,000,000,000,000"
    ):
        model.sample(10**12)


WRONG_SEEDS = [-1, 1.5, True, "1", np.int64(-1)]


@pytest.mark.parametrize("seed", WRONG_SEEDS, ids=repr)
def test_a_wrong_seed_is_refused_before_any_training(tmp_path, seed):
    with pytest.raises(ConfigError, match=rf"^seed must be a whole number >= 0, got {re.escape(repr(seed))}\.$"):
        zoo.train("vae", seed=seed, epochs=1, folder=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", WRONG_SEEDS, ids=repr)
@pytest.mark.parametrize(
    "call",
    [
        lambda model, seed: model.sample(2, seed=seed),
        lambda model, seed: model.encode(X, seed=seed),
        lambda model, seed: model.decode(Z, seed=seed),
        lambda model, seed: model.log_prob(X, seed=seed),
        lambda model, seed: model.sample_codes(2, seed=seed),
        lambda model, seed: zoo.create("vae", DataSpec((2,), "bits"), seed=seed),
        lambda model, seed: zoo.plot(model, seed=seed),
    ],
    ids=["sample", "encode", "decode", "log_prob", "sample_codes", "create", "plot"],
)
def test_every_seed_has_the_same_limits(real, call, seed):
    with pytest.raises(ConfigError, match=rf"^seed must be a whole number >= 0, got {re.escape(repr(seed))}\.$"):
        call(real, seed)


@pytest.mark.parametrize("seed", WRONG_SEEDS, ids=repr)
def test_the_seed_of_a_split_has_the_same_limits(seed):
    with pytest.raises(ConfigError, match=rf"^split_seed must be a whole number >= 0, got {re.escape(repr(seed))}\.$"):
        zoo.Data.from_arrays(np.zeros((20, 2)), split_seed=seed)


def test_a_seed_of_numpy_trains_and_splits_as_the_number_that_it_is(tmp_path):
    weights = []
    for seed in (3, np.int64(3), np.uint8(3)):
        data = zoo.Data.from_arrays(np.random.default_rng(0).random((20, 2)), split_seed=seed)
        run_folder = tmp_path / type(seed).__name__
        model = zoo.train("vae:latent_dim=1,hidden=[2]", data, seed=seed, steps=2, folder=run_folder)
        assert json.loads((run_folder / "run.json").read_text())["seed"] == 3
        weights.append(torch.cat([each.flatten() for each in model.module.parameters()]))
        assert zoo.resume(run_folder, data=data).sample(3, seed=1).equal(model.sample(3, seed=np.int64(1)))
    assert weights[0].equal(weights[1])
    assert weights[0].equal(weights[2])


A_CONTESTANT = (
    r"A contestant must be text, got {}\. Write NAME.*; a trained model .*save it with model\.save\(folder\)\."
)
A_MODEL = r"{} must be a path, got <zoo\.Model vae@.*; save the model with model\.save\(folder\), and pass the folder\."
A_NUMBER = r"{} must be a path, got 3; pass text or a pathlib\.Path\."
SOME = r"The number of samples must be (a whole number >= 1|1 or more), got {}\."


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: zoo.compare(["vae", model]), A_CONTESTANT.format("<zoo.Model vae@gaussian on .*")),
        (lambda model: zoo.compare(model), A_CONTESTANT.format("<zoo.Model vae@gaussian on .*")),
        (lambda model: zoo.compare([3]), A_CONTESTANT.format(3)),
        (lambda model: zoo.compare(3), A_CONTESTANT.format(3)),
        (lambda model: zoo.compare(None), A_CONTESTANT.format(None)),
        (lambda model: zoo.compare(["vae"], seeds=2.5), r"seeds must be a number >= 1, or distinct .*, got 2\.5\."),
        (lambda model: zoo.compare(["vae"], n=2.5), r"n must be a whole number >= 2, or None, got 2\.5\."),
        (lambda model: zoo.compare(["vae"], n=True), r"n must be a whole number >= 2, or None, got True\."),
        (lambda model: zoo.compare(["vae"], jobs="2"), r"jobs must be a whole number >= 1, or None, got '2'\."),
        (lambda model: zoo.compare(["vae"], jobs=-1), r"jobs must be a whole number >= 1, or None, got -1\."),
        (lambda model: zoo.compare(["vae"], timeout=-2), r"timeout must be a number of seconds > 0, or None, got -2\."),
        (lambda model: zoo.compare(["vae"], method=3), r"method must be fork, spawn or None, got 3\."),
        (lambda model: zoo.compare(["vae"], device=3), r"device must be text, such as cpu, got 3\."),
        (lambda model: zoo.compare(["vae"], features=3), r'features must be a name, or "", got 3\.'),
        (lambda model: zoo.compare(["vae"], metrics="c2st"), r"metrics must be a list of names, got 'c2st'\."),
        (lambda model: zoo.compare(["vae"], metrics=[3]), r"No metric named 3 is installed\."),
        (lambda model: zoo.compare(["vae"], track=3), r"track must be the name of a tracker or several names, got 3\."),
        (lambda model: zoo.compare(["vae"], out=3), A_NUMBER.format("out")),
        (lambda model: zoo.compare(["vae"], save=3), A_NUMBER.format("save")),
        (lambda model: zoo.compare(["vae"], executor=3), r"executor must be a concurrent.*scheduler, got 3\."),
        (lambda model: model.save(3), A_NUMBER.format("path")),
        (lambda model: model.with_options(3), r'The options must be a dictionary, such as {"k": 50}, got 3\.'),
        (lambda model: zoo.compare(resume=3), A_NUMBER.format("resume")),
        (lambda model: zoo.compare(experiment=3), A_NUMBER.format("experiment")),
        (lambda model: zoo.compare_each(3), A_NUMBER.format("experiment")),
        (lambda model: zoo.tune(3), A_CONTESTANT.format(3)),
        (lambda model: zoo.tune(["vae", 3]), A_CONTESTANT.format(3)),
        (lambda model: zoo.evaluate(model), A_MODEL.format("source")),
        (lambda model: zoo.evaluate(3), A_NUMBER.format("source")),
        (lambda model: zoo.load(3), A_NUMBER.format("path")),
        (lambda model: zoo.load(model), A_MODEL.format("path")),
        (lambda model: zoo.train(3), A_CONTESTANT.format(3)),
        (lambda model: zoo.train(model), A_CONTESTANT.format("<zoo.Model vae@gaussian on .*")),
        (lambda model: zoo.train("vae", epochs="1"), r"A budget must be a number of epochs, got '1'\."),
        (lambda model: zoo.train("vae", steps=True), r"A budget must be a number of steps, got True\."),
        (lambda model: zoo.train("vae", steps=1, folder=3), A_NUMBER.format("folder")),
        (lambda model: zoo.train("vae", steps=1, weights=model), A_MODEL.format("weights")),
        (lambda model: zoo.train("vae", save_every="a"), r"save_every must be a finite number of .* >= 0, got 'a'\."),
        (lambda model: zoo.train("vae", keep=1.5), r"keep must be a whole number of checkpoints >= 1, got 1\.5\."),
        (lambda model: zoo.train("vae", device=3), r"The device must be .*, got 3\."),
        (lambda model: zoo.resume(3), A_NUMBER.format("run")),
        (lambda model: zoo.create(3), A_CONTESTANT.format(3)),
        (lambda model: zoo.info(3), r"name must be the name of a plugin or the path of a run or comparison, got 3\."),
        (lambda model: zoo.push(model, "x"), A_MODEL.format("run")),
        (lambda model: zoo.push("x", 3), A_NUMBER.format("destination")),
        (lambda model: zoo.export(3, "x"), r"model must be a zoo\.Model or the path of one, got 3; load it"),
        (lambda model: zoo.merge(3, "x"), r"folders must be a list of at least two folders, got 3\."),
        (lambda model: zoo.merge([3, 4], "x"), A_NUMBER.format("a folder to merge")),
        (lambda model: zoo.plot(3), r"what must be a zoo\.Model, a zoo\.Comparison or the path of one, got 3\."),
        (lambda model: model.sample(2.5), SOME.format(r"2\.5")),
        (lambda model: model.sample(True), SOME.format("True")),
        (lambda model: model.sample("2"), SOME.format("'2'")),
        (lambda model: model.sample_codes(-1, seed=0), SOME.format("-1")),
        (lambda model: model.sample_codes(2.5, seed=0), SOME.format(r"2\.5")),
    ],
)
def test_an_argument_of_another_type_is_refused_before_any_work(real, tmp_path, monkeypatch, call, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=f"^{message}"):
        call(real)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_found_before_sampling(trained, tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert run(["sample", str(trained), "-o", str(tmp_path / "x.npy")]) == 2
    assert "cannot be written to; choose another with -o" in capsys.readouterr().err


def test_codes_of_another_shape_are_refused(trained, tmp_path, capsys):
    np.save(tmp_path / "z.npy", np.zeros((5, 3)))
    assert run(["decode", str(trained), str(tmp_path / "z.npy"), "-o", str(tmp_path / "x.npy")]) == 4
    assert "z.npy must contain codes of shape (N, 2), got (5, 3)." in capsys.readouterr().err


def test_codes_that_are_not_finite_are_refused(trained, tmp_path, capsys):
    np.save(tmp_path / "z.npy", np.full((5, 2), np.nan))
    assert run(["decode", str(trained), str(tmp_path / "z.npy"), "-o", str(tmp_path / "x.npy")]) == 4
    assert "z.npy must hold finite numbers, got nan or infinity" in capsys.readouterr().err


# Odd surroundings


def shell(line, **environment):
    """Exit code, standard output and standard error of a line of bash; `zoo` is this one."""
    zoo_here = f'zoo() {{ {sys.executable} -m zoo "$@"; }}; {line}'
    done = subprocess.run(
        ["bash", "-c", zoo_here], capture_output=True, text=True, env=os.environ | environment, stdin=subprocess.DEVNULL
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("line", "code", "err"),
    [
        ("zoo list >&-", 0, ""),
        ("zoo list --json 2>&-", 0, ""),
        ("zoo list > /dev/full", 1, "Error: [Errno 28] No space left on device.\n"),
        ("zoo list --json > /dev/full", 1, "Error: [Errno 28] No space left on device.\n"),
        ("zoo list | true; exit ${PIPESTATUS[0]}", 1, ""),
    ],
)
def test_output_that_goes_nowhere_gives_no_traceback(line, code, err):
    found = shell(line)
    assert (found[0], found[2]) == (code, err)


# One process for both, which imports torch once.
BOTH = """
import contextlib
from zoo.cli.main import main
with contextlib.suppress(SystemExit):
    main(["info", "vae", "--json"])
print("----")
main(["info", "vae"])
"""


@pytest.mark.parametrize(
    "environment",
    [
        {"COLUMNS": "20", "NO_COLOR": "1", "TERM": "dumb"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
    ],
    ids=lambda environment: " ".join(environment),
)
def test_any_terminal_and_language_shows_text_and_json(environment):
    done = subprocess.run([sys.executable, "-c", BOTH], capture_output=True, text=True, env=os.environ | environment)
    code, out, err = done.returncode, done.stdout, done.stderr
    assert (code, err) == (0, "")
    facts, text = out.split("----")
    assert json.loads(facts)["name"] == "vae"
    assert "\x1b" not in text
    assert "latent_dim" in text


def test_json_has_null_where_a_figure_is_not_finite(capsys):
    from zoo.cli.output import print_json

    print_json({"a": [float("nan"), 1.5], "b": {"c": float("-inf")}})
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {"a": [None, 1.5], "b": {"c": None}}
