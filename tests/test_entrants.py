"""What may stand in a comparison, told apart by what is typed."""

import pytest

import zoo
from zoo.comparison.contestants import parse_row


def test_a_name_is_trained():
    entrant = parse_row("zoo-vae/vae@gmm:latent_dim=8")
    assert (entrant.kind, entrant.contestant.model, entrant.contestant.config) == (
        "trained",
        "zoo-vae/vae",
        {"latent_dim": 8},
    )


def test_a_folder_and_a_model_file_are_finished_runs(tmp_path):
    file = tmp_path / "vae.safetensors"
    file.touch()
    for path in (tmp_path, file):
        entrant = parse_row(str(path))
        assert (entrant.kind, entrant.source, entrant.contestant) == ("run", path, None)


def test_a_finished_run_takes_settings_of_its_sampling_and_no_others(tmp_path):
    file = tmp_path / "vae.safetensors"
    file.touch()
    for path in (tmp_path, file):
        entrant = parse_row(f"{path}:sample.k=5000,sample.steps=2")
        assert (entrant.kind, entrant.source, entrant.options) == ("run", path, {"k": 5000, "steps": 2})
        for setting in ("latent_dim=8", "train.warmup=0.5"):
            with pytest.raises(zoo.ConfigError, match="is already trained; only its 'sample.' settings can change"):
                parse_row(f"{path}:{setting}")


def test_samples_come_from_a_file(tmp_path):
    file = tmp_path / "mine.npy"
    file.touch()
    entrant = parse_row(f"samples:{file}")
    assert (entrant.kind, entrant.source) == ("samples", file)


@pytest.mark.parametrize("text", ["samples:no.npy", "samples:", "no.safetensors", "runs/no.safetensors"])
def test_a_file_that_is_not_there_is_refused(text):
    with pytest.raises(zoo.ConfigError, match="does not exist"):
        parse_row(text)


def test_the_row_of_real_images_is_not_asked_for():
    with pytest.raises(zoo.ConfigError, match="which every comparison has"):
        parse_row("real")
