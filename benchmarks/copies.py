"""How often the copy test alarms: `python benchmarks/copies.py FOLDER [DATA]`.

FOLDER is a comparison on DATA (digits by default); every trained model in it draws as many samples as in a
comparison. Prints the mean share of near-copies, and the share of trainings with a warning: of the samples
as they are, and with 5 % of them replaced by random training images, unchanged, with Gaussian noise of 0.02, or
shifted right by one pixel; `bits`: one draw of bits from every sample; `fresh bits`: 5 % of them drawn from training
images.
"""

import os
import sys
from collections import defaultdict
from pathlib import Path

from zoo.runtime.threads import ENVIRONMENT, single_thread

os.environ.update(ENVIRONMENT)

import torch

import zoo
from zoo.builtin.metrics.copies import CopyTest
from zoo.evaluation.evaluation import Evaluation
from zoo.evaluation.features import feature_space
from zoo.evaluation.reference import reference_split
from zoo.files.storage import cache_folder

SHARE = 0.05


def main(folder: Path, name: str) -> None:
    data = zoo.load_data(name)
    features = feature_space(data, cache_folder("features"))
    found = defaultdict(list)
    for path in sorted(folder.glob("*/seed-*/*.safetensors")):
        seed = int(path.parent.name.removeprefix("seed-"))
        x = zoo.load(path).sample(reference_split(data).n_samples, seed=seed)
        for case, samples in cases(x, data, torch.Generator().manual_seed(seed)):
            answer = CopyTest().measure(Evaluation(None, data, samples, features))
            found[path.stem, case].append((answer.value, bool(answer.warning)))
    for (model, case), answers in found.items():
        share, alarms = torch.tensor(answers).double().mean(0).tolist()
        print(f"{model:14}{case:14}{share:7.2f} %{alarms:8.0%} of {len(answers)} trainings", flush=True)


def cases(x, data, generator):
    n = round(SHARE * len(x))
    images = data.train[torch.randint(len(data.train), (n,), generator=generator)]
    noisy = (images + 0.02 * torch.randn(images.shape, generator=generator)).clamp(0, 1)
    bits, fresh = (torch.bernoulli(each, generator=generator) for each in (x, images))
    yield "honest", x
    for case, copies in (("copies", images), ("noise", noisy), ("shifted", images.roll(1, -1))):
        yield case, torch.cat([copies, x[n:]])
    yield "bits", bits
    yield "fresh bits", torch.cat([fresh, bits[n:]])


if __name__ == "__main__":
    with single_thread():
        main(Path(sys.argv[1]), *(sys.argv[2:] or ["digits"]))
