"""One model in two processes equals one process where nothing is drawn; chains and draws belong to a process."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import zoo
from tests.independent_pixels import IndependentPixels
from tests.two_ranks import SHAPED, Duel, DuelPlugin, data, registry, resumed, rounded, trained, weights
from zoo.cli import main as cli
from zoo.contestant import parse_contestant
from zoo.engine import torchrun
from zoo.files.tensor_file import read
from zoo.runtime.ranks import ALONE, Ranks
from zoo.system import apart
from zoo.training.modules import synchronised
from zoo.training.train import plan

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder in which two processes have run `tests.two_ranks`."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.two_ranks", str(folder)],
            cwd=ROOT,
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)
    return folder


@pytest.fixture(scope="module")
def models(two):
    """What each rank has trained: all tensors of each model, by its name."""
    return [torch.load(two / f"weights-{rank}.pt") for rank in range(2)]


@pytest.fixture(scope="module")
def found(two):
    """What else each rank has found."""
    return [json.loads((two / f"found-{rank}.json").read_bytes()) for rank in range(2)]


@pytest.mark.parametrize("name", SHAPED)
def test_two_ranks_equal_one_process_where_nothing_is_drawn(models, two, tmp_path, name):
    """Clipped, averaged, conditional, stopped early, with an RBM's own gradient, with phases and players."""
    with rounded():
        alone = weights(trained(SHAPED[name], tmp_path / "run"))
    for key, value in alone.items():
        if key != "chains":
            assert torch.allclose(models[0][name][key], value, rtol=0, atol=1e-5), key
            assert torch.equal(models[0][name][key], models[1][name][key]), key
    facts, expected = (json.loads((folder / "run.json").read_bytes()) for folder in (two / name, tmp_path / "run"))
    assert facts["steps"] == expected["steps"]
    lines, others = ((folder / "metrics.jsonl").read_text().splitlines() for folder in (two / name, tmp_path / "run"))
    for line, other in zip(map(json.loads, lines), map(json.loads, others), strict=True):
        assert {**line, "seconds": 0.0} == pytest.approx({**other, "seconds": 0.0}, rel=1e-3, abs=1e-5)


def test_the_trainings_above_clip_stop_early_and_move_offsets(models, two):
    assert json.loads((two / "early" / "run.json").read_bytes())["steps"] < 50
    assert not torch.equal(models[0]["rbm"]["lam"], torch.full((5,), 0.5))
    assert models[0]["duel"]["seen"] > 0.1


def test_a_mean_of_uneven_shards_is_weighted_by_their_sizes(found):
    """The unweighted mean of the ranks' means 6 and 0 is 3."""
    assert [each["shard"] for each in found] == [[6.0], [0.0, 0.0]]
    assert [each["mean"] for each in found] == [2.0, 2.0]


def test_the_first_rank_decides(found):
    assert [each["copied"] for each in found] == [[3, True], [3, True]]
    assert [each["gathered"] for each in found] == [[0, 10], []]
    assert [each["refused"] for each in found] == [["ConfigError", "Never.", 2], ["LostRankError", "Never.", 2]]


def test_chains_belong_to_a_rank_and_weights_and_offsets_to_the_model(models):
    first, second = (each["pcd"] for each in models)
    assert not torch.equal(first["chains"], second["chains"])
    for key in first.keys() - {"chains"}:
        assert torch.equal(first[key], second[key]), key


def test_a_resumed_training_is_bit_identical_on_every_rank(models):
    for each in models:
        for key, value in each["pcd"].items():
            assert torch.equal(each["again"][key], value), key


def test_of_a_budget_of_time_all_ranks_take_the_same_steps(models):
    assert all(torch.equal(value, models[1]["seconds"][key]) for key, value in models[0]["seconds"].items())


def test_a_signal_to_one_rank_stops_all_after_the_same_step(found, two):
    sentence = f"Interrupted. Resume with: zoo train --resume {two / 'stopped'} --processes 2"
    assert [each["stopped"] for each in found] == [[sentence, 143]] * 2
    assert read(two / "stopped" / "state.safetensors")[0]["step"] == 3


def test_a_run_says_how_many_processes_trained_it_and_loads_anywhere(two):
    model = registry().load(two / "pcd")
    assert model.protocol["ranks"] == 2
    assert json.loads((two / "pcd" / "run.json").read_bytes())["ranks"] == 2
    assert model.encode(data().test).shape == (len(data().test), 5)


def test_a_run_is_resumed_by_another_number_of_processes_only_with_allowed_changes(two, tmp_path):
    shutil.copytree(two / "pcd", tmp_path / "run")
    with pytest.raises(zoo.CheckpointError, match=r"other conditions: ranks 2 then, absent now\. .*--allow-changes"):
        resumed(tmp_path / "run", "state-7.safetensors")
    resumed(tmp_path / "run", "state-7.safetensors", allow_changes=True)
    facts = json.loads((tmp_path / "run" / "run.json").read_bytes())
    assert facts["changes"] == ["ranks 2 then, absent now"]
    assert "ranks" not in facts


@pytest.mark.parametrize(("size", "count"), [(7, 2), (8, 3), (1, 2), (5, 5), (2, 4)])
def test_shards_are_a_batch_cut_into_parts_whose_weights_sum_to_one(size, count):
    batch = torch.arange(size)
    shards = [Ranks(rank, count).shard(batch) for rank in range(count)]
    assert torch.equal(torch.cat([rows for rows, weight in shards if weight]), batch)
    assert all(weight in (0.0, len(rows) / size) for rows, weight in shards)
    assert sum(weight for _, weight in shards) == pytest.approx(1.0)
    assert all(len(rows) for rows, _ in shards)
    sizes = [len(rows) for rows, weight in shards if weight]
    assert max(sizes) - min(sizes) <= 1


def test_each_rank_draws_with_a_seed_of_its_own():
    assert ALONE.seed(3) == Ranks(0, 2).seed(3) == 3
    assert len({Ranks(rank, 4).seed(3) for rank in range(4)}) == 4


def test_a_model_with_its_own_fit_is_trained_by_one_process():
    found = registry()
    found.register(IndependentPixels)
    jobs = [plan(found, parse_contestant(text), data(), ranks=Ranks(0, 2)) for text in ("coins", "duel")]
    assert [job.ranks.count for job in jobs] == [1, 2]


def test_a_card_synchronises_only_floating_point_tensors_of_its_model():
    plugin = registry().plugin("duel", "zoo.models")
    model = Duel()
    assert [tensor is model.seen for tensor in synchronised(plugin, model)] == [True]
    del model.seen
    with pytest.raises(zoo.PluginError, match=r"synchronises 'seen', which is not a floating-point buffer"):
        synchronised(plugin, model)
    with pytest.raises(TypeError, match="synchronised must be a tuple of names"):
        dataclasses.replace(DuelPlugin.card, synchronised="seen")


def test_processes_starts_the_same_command_in_each(monkeypatch):
    calls = []
    monkeypatch.setattr("zoo.engine.torchrun.launch", lambda *arguments: calls.append(arguments) or 0)
    assert cli.run(["--debug", "train", "ae:latent_dim=2", "--steps", "3", "--processes", "2"]) == 0
    assert calls == [(2, ["--debug", "train", "ae:latent_dim=2", "--steps", "3", "--processes", "2"])]


def test_processes_must_be_those_that_torchrun_has_started(monkeypatch, capsys):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert cli.run(["train", "ae", "--processes", "2"]) == 2
    assert capsys.readouterr().err == "Error: torchrun has started 3 processes, got --processes 2; leave it out.\n"


@pytest.mark.parametrize(
    ("codes", "log", "answer"),
    [
        ({0: 6}, "", 6),
        ({1: 1}, "", 1),
        ({0: 143, 1: -9}, "", r"Process 2 of 2 was ended by SIGKILL\."),
        ({0: -15, 1: 5}, "", 5),
        ({0: -15, 1: 5}, "Error: No.", r"Process 2 of 2 has ended: No\."),
        ({0: 4, 1: 4}, "Error: No.", 4),
        ({0: 1, 1: 3}, "Error: No.", "Process 2 of 2 has ended: No."),
        ({1: 1}, "Traceback\n\nValueError: No.\n", "Process 2 of 2 has ended: ValueError: No."),
        ({0: -9, 1: 1}, "", r"Process 1 of 2 was ended by SIGKILL\."),
    ],
)
def test_the_launcher_reports_only_what_the_first_process_has_not(tmp_path, codes, log, answer):
    (tmp_path / "zoo_x" / "attempt_0" / "1").mkdir(parents=True)
    (tmp_path / "zoo_x" / "attempt_0" / "1" / "stderr.log").write_text(log)
    error = type("Error", (), {"failures": {rank: SimpleNamespace(exitcode=code) for rank, code in codes.items()}})
    if isinstance(answer, int):
        assert torchrun._exit_code(error, 2, tmp_path) == answer
    else:
        with pytest.raises(zoo.ZooError, match=answer):
            torchrun._exit_code(error, 2, tmp_path)


def started(tmp_path, number):
    """Start a training that would take minutes, and wait for its first checkpoint."""
    words = ["train", "rbm:hidden=8", "--data", "digits", "--seconds", "600", "--processes", "2", "--save-every", "0.2"]
    command = [sys.executable, "-m", "zoo", *words, "--out", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **apart())
    run, end = tmp_path / f"rbm-digits-{number}", time.monotonic() + 300
    while not (run / "state.safetensors").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.1)
    return process, run


def sentences(process):
    return [line for line in process.communicate()[1].splitlines() if line and not line.startswith("epoch ")]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no process groups")
def test_ctrl_c_and_a_killed_process_end_a_training_in_sentences_and_it_is_resumed(tmp_path):
    process, run = started(tmp_path, 1)
    process.send_signal(signal.SIGINT)
    command = f"zoo train --resume {run} --processes 2"
    assert sentences(process) == [f"Interrupted. Resume with: {command}"]
    assert process.returncode == 130

    process, run = started(tmp_path, 2)
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.split()
    ranks = [int(pid) for pid, parent in zip(listed[::2], listed[1::2], strict=True) if int(parent) == process.pid]
    os.kill(max(ranks), signal.SIGKILL)  # the last one to be started
    said = sentences(process)
    assert said[-1] == "Error: Process 2 of 2 was ended by SIGKILL."
    assert len(said) == 2
    assert f"zoo train --resume {run} --processes 2" in said[0]
    assert process.returncode == 1

    words = ["--resume", str(run), "--processes", "2", "--allow-changes", "--epochs", "10000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "zoo", "train", *words], stderr=subprocess.PIPE, text=True, **apart()
    )
    before = read(run / "state.safetensors")[0]["step"]
    while read(run / "state.safetensors")[0]["step"] <= before:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert sentences(process)[-1] == f"Interrupted. Resume with: zoo train --resume {run} --processes 2"
    assert process.returncode == 143
