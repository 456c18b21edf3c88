"""A made-up finished comparison: a folder with `results.json`, pictures and logs as `zoo compare` writes them."""

import json

import numpy as np

from zoo.results.file import from_plain

LEVELS = {
    "likelihood": ("log-likelihood", "higher", "headline"),
    "frechet": ("Fréchet distance", "lower", "headline"),
    "kernel": ("kernel distance", "lower", "headline"),
    "density": ("density", "higher", "headline"),
    "coverage": ("coverage", "higher", "headline"),
    "c2st": ("told from real ones", "lower", "headline"),
    "reconstruction": ("reconstruction error", "lower", "detail"),
    "frechet-grey": ("Fréchet distance (grayscale)", "lower", "detail"),
    "precision": ("precision", "higher", "full"),
    "recall": ("recall", "higher", "full"),
    "adversarial-accuracy": ("adversarial accuracy", "none", "full"),
    "privacy-loss": ("privacy loss", "lower", "full"),
    "vendi": ("Vendi score", "none", "full"),
    "authenticity": ("authenticity", "higher", "full"),
    "classes": ("class shares", "lower", "full"),
    "codes-test": ("codes two-sample test", "lower", "full"),
    "codes-likelihood": ("log-density of real codes", "none", "full"),
}
#: contestant -> role, folder, Fréchet distance, its half-width
ENTRANTS = {
    "rbm": ("contestant", "rbm", 14.2, 0.9),
    "ae@normal": ("contestant", "ae", 71.3, 6.1),
    "ae@gmm": ("contestant", "ae", 9.13, 0.42),
    "vae": ("contestant", "vae", 11.8, 0.63),
    "vae@gmm": ("contestant", "vae", 9.31, 0.51),
    "rbm:hidden=9": ("contestant", "rbm-2", 12.1, None),
    "memoriser": ("control", "memoriser", 2.24, 0.1),
    "mean": ("control", "mean", 140.0, 0.0),
    "noise": ("control", "noise", 310.0, 1.2),
    "real": ("real", None, 2.11, None),
}
SEEDS = [0, 1, 2, 3, 4]
FAILED = "diverged: the loss is not a number; lower train.learning_rate"


def metric_cards():
    return [
        {
            "name": name,
            "title": title,
            "summary": f"what {title} says in one line",
            "direction": direction,
            "level": level,
            "paper": "arXiv:1706.08500" if name == "frechet" else "",
        }
        for name, (title, direction, level) in LEVELS.items()
    ]


def summary(mean, half_width=None, *, kind="", **more):
    n = 1 if half_width is None else 5
    facts = {"mean": mean, "half_width": half_width, "n": n, "values": [mean] * n, "kind": kind, "note": ""}
    return facts | {"bracket": None, "stderr": None, "standing": None, "difference": None} | more


def row(name, role, folder, frechet, half_width):
    rng = np.random.default_rng(len(name))
    figures = {metric: summary(float(rng.uniform(0.2, 0.9)), 0.031) for metric in LEVELS}
    figures["frechet"] = summary(frechet, half_width, stderr=0.31)
    figures["likelihood"] = {"unsupported": "it learned no density"}
    if name.startswith("ae"):
        figures["likelihood"] = {"unsupported": "an autoencoder has no likelihood; fix a decoder noise to give it one"}
    cells = [{"seed": seed, "metrics": {}, "diagnostics": {}} for seed in (SEEDS if folder else [0])]
    return {
        "contestant": name,
        "role": role,
        "folder": folder,
        "settings": {"config": {"hidden": 64}, "training": {}, "options": {"steps": 500}} if folder else None,
        "source": None,
        "parameters": 25450.0 if folder else None,
        "train_seconds": float(rng.uniform(1, 90)) if folder else None,
        "sample_seconds_per_1000": float(rng.uniform(0.01, 9)) if folder else None,
        "summary": figures,
        "cells": cells,
    }


def results():
    rows = {name: row(name, *facts) for name, facts in ENTRANTS.items()}
    likelihood = {name: each["summary"] for name, each in rows.items()}
    likelihood["rbm"]["likelihood"] = summary(-96.6, 0.31, kind="lower", bracket=[-96.6, -84.9], note="reverse AIS")
    likelihood["vae"]["likelihood"] = summary(-91.2, 0.22, kind="lower", note="IWAE, k = 500", standing="open")
    likelihood["vae@gmm"]["likelihood"] = summary(-90.1, 0.4, kind="lower", note="IWAE, k = 500", standing="open")
    likelihood["rbm:hidden=9"]["likelihood"] = summary(-101.25, None, kind="exact", note="enumeration of 2^9 states")
    likelihood["noise"]["likelihood"] = summary(-543.43, 0.0, kind="exact")
    best = rows["ae@gmm"]["summary"]["frechet"]
    best["standing"] = "best"
    for name, standing, half_width in [("vae@gmm", "tied", 0.4), ("vae", "behind", 0.7), ("ae@normal", "behind", 6.0)]:
        figures = rows[name]["summary"]["frechet"]
        difference = {"mean": figures["mean"] - best["mean"], "half_width": half_width}
        figures |= {"standing": standing, "difference": difference}
    for number in (1, 3):
        rows["rbm:hidden=9"]["cells"][number] = {"seed": number, "failed": FAILED, "exit_code": 6}
    for cell in rows["vae"]["cells"] + rows["vae@gmm"]["cells"]:
        kl = [round(3.0 / (1 + k), 3) for k in range(16)]
        cell["diagnostics"] = {"active units": 14.0 + cell["seed"] % 2, "collapsed": "no", "KL per dimension": kl}
    for name in ("mean", "memoriser", "noise", "real"):
        for metric in ("codes-test", "codes-likelihood", "reconstruction"):
            rows[name]["summary"][metric] = {"unsupported": "it has no codes"}
    return {
        "schema": 2,
        "protocol": protocol(),
        "metrics": metric_cards(),
        "rows": list(rows.values()),
        "differences": {"frechet": [{"first": "vae", "second": "vae@gmm", "mean": 2.49, "half_width": 0.61}]},
        "fooled": {"memoriser": ["frechet", "precision"], "mean": [], "noise": ["authenticity"]},
        "sensitivity": sensitivity(),
        "pictures": {name: f"{folder or '.'}/{name}.pictures.npz" for name, (_, folder, *_) in ENTRANTS.items()},
    }


def typed(found=None):
    """The results as objects, as they are once they are read."""
    return from_plain(json.loads(json.dumps(results() if found is None else found)))


def protocol():
    return {
        "data": {
            "name": "digits",
            "sha256": "a1" * 32,
            "split_seed": 7,
            "sizes": [899, 180, 718],
            "shape": [8, 8],
            "support": "unit",
            "classes": 10,
        },
        "reference": "359 test images; real: the other 359",
        "reference_seed": 3,
        "binarisation_seed": 0,
        "samples": 359,
        "features": {"description": "penultimate layer of a classifier of the training split", "sha256": "b2" * 32},
        "versions": {"genzoo": "0.3", "torch": "2.13.0"},
        "extensions": [],
        "device": "cpu",
        "threads_per_process": 1,
        "budget": {"value": 100.0, "unit": "epochs"},
        "seeds": SEEDS,
        "full": True,
        "command": "zoo compare rbm ae@normal ae@gmm vae vae@gmm rbm:hidden=9 --full",
        "wall_seconds": 312.4,
        "jobs": 2,
        "in_process": [],
    }


def sensitivity():
    def entry(contestant, key, value, frechet, *, default=False):
        metrics = {name: {"value": 0.5} for name, (_, _, level) in LEVELS.items() if level == "headline"}
        metrics |= {"frechet": {"value": frechet}, "likelihood": {"unsupported": "too slow"}}
        return {"contestant": contestant, "key": key, "value": value, "default": default, "metrics": metrics}

    curve = [(1, 180.0), (10, 95.0), (100, 51.0), (1000, 14.2), (10000, 9.4)]
    found = [entry("rbm", "sample.steps", steps, value, default=steps == 1000) for steps, value in curve]
    found += [entry("vae", "latent_dim", 4, 17.5), entry("vae", "latent_dim", 16, 11.8, default=True)]
    return [*found, {"contestant": "vae", "key": "latent_dim", "value": 64, "default": False, "failed": FAILED}]


def write_folder(folder, found=None, images=None, labels=None):
    """Write a comparison into the folder; `images` (at least 96, values in [0, 1]) stand for all its pictures."""
    found = results() if found is None else found
    rng = np.random.default_rng(0)
    images = rng.random((96, 8, 8)).round(1) if images is None else images
    labels = np.arange(200) % 10 if labels is None else labels
    for name, file in found["pictures"].items():
        path = folder / file
        path.parent.mkdir(exist_ok=True)
        arrays = {"samples": rng.permutation(images)[:64]}
        if name != "real":
            arrays |= {"nearest": arrays["samples"][16:32]}
            arrays |= {"originals": images[:16], "reconstructions": images[16:32]}
        arrays |= {"class_names": np.arange(10), "class_shares": np.arange(10) / 45}
        if name == "vae@gmm":
            arrays |= {"confusion": 0.9 * np.eye(10) + 0.01}
        if name.startswith(("ae", "vae")):
            centres = rng.normal(size=(10, 2)) * 2
            means = centres[np.unique(labels, return_inverse=True)[1]]
            arrays |= {"codes": means + 0.5 * rng.normal(size=(len(labels), 2)), "code_labels": labels}
            arrays |= {"drawn_codes": rng.normal(size=(len(labels), 2)) * 2, "codes_axes": np.array("code value")}
            arrays |= {"interpolation": images[:54].reshape(6, 9, *images.shape[1:])}
            arrays |= {"traversal": images[:54].reshape(6, 9, *images.shape[1:])}
        if name == "ae@gmm":
            arrays |= {"map": images[:81].reshape(9, 9, *images.shape[1:])}
        np.savez(path, **arrays)
    for row in found["rows"]:
        for cell in row["cells"] if row["folder"] else []:
            run = folder / row["folder"] / f"seed-{cell['seed']}"
            run.mkdir(parents=True, exist_ok=True)
            lines = [log_line(epoch, cell["seed"]) for epoch in range(1, 21)]
            (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "results.json").write_text(json.dumps(found))
    return found


def log_line(epoch, seed):
    clock = {"epoch": epoch, "step": 8 * epoch, "seconds": epoch / 3, "progress": epoch / 20, "learning_rate": 1e-3}
    return clock | {"loss": 200 / epoch + seed, "valid_loss": 210 / epoch + seed, "kl": 3 - 2 / epoch}
