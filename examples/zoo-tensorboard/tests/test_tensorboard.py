"""The event files of a comparison, read back, have the logged losses, the figures of results.json and the samples."""

import io
import json
import re
import struct

import numpy as np
import pytest
from PIL import Image

import zoo

pytest.importorskip("tensorboardX")

from tensorboardX.proto.event_pb2 import Event
from zoo_tensorboard import TensorBoard

AE = "ae@gaussian:hidden=[8],latent_dim=2"


def read(folder):
    """Return the values of all event files of a run by tag: (step, value). A record is framed by lengths and CRCs."""
    found = {}
    (file,) = (folder / "tensorboard").glob("events.*")
    content, place = file.read_bytes(), 0
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        event = Event.FromString(content[place + 12 : place + 12 + length])
        place += 16 + length
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value))
    return found


@pytest.fixture(scope="module")
def registry():
    found = zoo.Registry()
    if "tensorboard" not in found.names("zoo.trackers"):
        found.register(TensorBoard, "zoo.trackers")
    return found


def test_event_files_have_losses_figures_samples_and_settings(registry, tmp_path):
    found = registry.compare(
        AE, "digits", seeds=1, epochs=2, out=tmp_path, track="tensorboard", progress=False, jobs=1, method="spawn"
    )
    (comparison,) = tmp_path.iterdir()
    run = comparison / "ae" / "seed-0"
    events = read(run)
    log = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    logged = {step: value.simple_value for step, value in events["loss"]}
    for line in log:
        assert logged[line["step"]] == pytest.approx(line["loss"], rel=1e-6)
    name = re.sub(r"[^-/\w.]", "_", AE)  # as tensorboardX writes tags
    ((step, value),) = events[f"final/{name}/frechet"]
    assert step == log[-1]["step"]
    assert value.simple_value == pytest.approx(found[AE].figure("frechet").mean, rel=1e-6)
    ((_, value),) = events[f"{name}/samples"]
    pixels = np.asarray(Image.open(io.BytesIO(value.image.encoded_image_string)))
    with np.load(run / f"{next(run.glob('*.pictures.npz')).name}") as arrays:
        first = arrays["samples"][0]
    assert np.abs(pixels[4:60:7, 4:60:7, 0] / 255 - first).max() <= 0.5 / 255 + 1e-6
    ((_, settings),) = events["settings/text_summary"]
    assert "| hidden | [8] |" in settings.tensor.string_val[0].decode()


def test_a_run_that_failed_says_why(registry, tmp_path):
    with pytest.raises(zoo.DivergedError):
        registry.train(
            "ae:train.learning_rate=1e30", steps=3, track="tensorboard", folder=tmp_path / "run", progress=False
        )
    ((_, failure),) = read(tmp_path / "run")["failure/text_summary"]
    assert failure.tensor.string_val[0].decode().startswith("DivergedError: The training diverged")
