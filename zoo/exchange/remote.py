"""Models at other places: `zoo push RUN DEST`, and `zoo.load` of what was pushed.

    hub:USER/NAME@COMMIT     a model repository of a Hugging Face hub; COMMIT is the full hash, 40 hexadecimal digits
    PROTOCOL://PATH          any place that fsspec knows, for example s3://bucket/folder

A place holds `model.safetensors`, which contains its own SHA-256, and `README.md`, the model card. Nothing else is
read, and nothing is installed: a model whose plugin is missing is refused with the distribution that it needs.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo.errors import CheckpointError, ConfigError, ZooError
from zoo.exchange.card import found_results, model_card, results_of
from zoo.exchange.provenance import without_folders
from zoo.files.addresses import HUB, redacted
from zoo.files.storage import write_atomically, writing
from zoo.models.checkpoint import load_model, model_file
from zoo.models.model import FILE, Model
from zoo.plugins.registry import PluginRegistry
from zoo.runtime.extras import optional

CARD = "README.md"
_REPOSITORY = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>.+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def push(run: Path, destination: str, registry: PluginRegistry, results: Path | None = None) -> str:
    """Write a model file and its card to a hub, a folder or an address, and return what `zoo.load` takes.

    The model is loaded first, so that no damaged file is pushed. If its protocol has local paths, those of the initial
    weights for example, they are cut to the names of the run and the file.

    Args:
        run: a run folder or model file.
        destination: `hub:USER/NAME`, `PROTOCOL://PATH`, or a folder; missing ones are created.
        registry: where the model's plugins are looked up.
        results: a comparison or evaluation with a row of the model, for the card; None takes the comparison that the
            run is part of, if any.

    Raises:
        CheckpointError: if the run is missing or damaged, or `results` has no row of it.
        ConfigError: for an invalid destination, or without the library that it needs.
        ZooError: if the destination cannot be written; it then has no part of the files.
    """
    file = model_file(run)
    content, model = file.read_bytes(), load_model(file, registry)
    protocol = without_folders(model.protocol)
    if protocol != model.protocol:
        model = replace(model, protocol=protocol)
        content = _content(model)
    card = model_card(model, results_of(file, results) if results else found_results(file))
    files = {CARD: card.encode(), FILE: content}  # the model last: where it is, the card is
    if destination.startswith(HUB):
        return _push_to_hub(destination, files)
    if "://" in destination:
        return _push_to_address(destination, files)
    folder = Path(destination)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, each in files.items():
        write_atomically(folder / name, each)
    return destination


def _content(model: Model) -> bytes:
    """Return the content of a model's file."""
    with tempfile.TemporaryDirectory() as folder:
        return model.save(Path(folder)).read_bytes()


def load_remote(address: str, registry: PluginRegistry, device: str = "cpu") -> Model:
    """Load a model from a hub or an address.

    Raises:
        CheckpointError: if it cannot be downloaded, is damaged, or does not fit its plugin.
        ConfigError: for a hub's repository without a commit, without the library that the address needs, or if the
            model's plugin is not installed.
    """
    if address.startswith(HUB):
        path = _from_hub(address)
        with _named(address, path):
            return load_model(path, registry, device)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        path.write_bytes(_from_address(address))
        with _named(address, path):
            return load_model(path, registry, device)


def _push_to_hub(destination: str, files: dict[str, bytes]) -> str:
    """Write the files in one commit, and return the address with its hash."""
    hub = optional("huggingface_hub", "hub", "A hub")
    name, revision = _repository(destination)
    if revision:
        raise ConfigError(f"A model is pushed to the main branch, so {destination!r} must be hub:{name}.")
    with _transfer(f"{HUB}{name} cannot be written", ZooError):
        api = hub.HfApi(endpoint=_endpoint())
        api.create_repo(name, exist_ok=True)
        operations = [hub.CommitOperationAdd(path, content) for path, content in files.items()]
        commit = api.create_commit(name, operations, commit_message="Push a model of genzoo")
    return f"{HUB}{name}@{commit.oid}"


def _from_hub(address: str) -> Path:
    """Return the path of a repository's model file in the hub's cache, downloaded if it is not there."""
    name, revision = _repository(address)
    if not _COMMIT.fullmatch(revision):
        raise ConfigError(
            f"A model of a hub is loaded by its commit, hub:{name}@COMMIT with 40 hexadecimal digits, got "
            f"{repr(revision) if revision else 'none'}; 'zoo push' prints it, and the hub lists it in the repository's "
            "history."
        )
    hub = optional("huggingface_hub", "hub", "A hub")
    with _transfer(f"{address} cannot be downloaded", CheckpointError):
        return Path(hub.hf_hub_download(name, FILE, revision=revision, endpoint=_endpoint()))


def _push_to_address(destination: str, files: dict[str, bytes]) -> str:
    """Write the files under temporary names, then rename them."""
    with _transfer(f"{redacted(destination)} cannot be written", ZooError):
        system, folder = optional("fsspec", "hub", "An address").url_to_fs(destination)
        system.makedirs(folder, exist_ok=True)
        for name, content in files.items():
            path, part = f"{folder}/{name}", f"{folder}/.{name}.part"
            try:
                system.pipe_file(part, content)
                system.mv(part, path)
            finally:
                if system.exists(part):
                    system.rm_file(part)
    return destination


def _from_address(address: str) -> bytes:
    """Return the content of the model file at an address, or in the folder there."""
    with _transfer(f"{redacted(address)} cannot be downloaded", CheckpointError):
        system, path = optional("fsspec", "hub", "An address").url_to_fs(address)
        content: bytes = system.cat_file(path if path.endswith(".safetensors") else f"{path.rstrip('/')}/{FILE}")
        return content


def _repository(address: str) -> tuple[str, str]:
    """Return name and revision of hub:USER/NAME@REVISION; "" without one."""
    match = _REPOSITORY.fullmatch(address.removeprefix(HUB))
    if match is None:
        raise ConfigError(f"A hub's repository must be hub:USER/NAME or hub:USER/NAME@COMMIT, got {address!r}.")
    return match["name"], match["revision"] or ""


def _endpoint() -> str | None:
    """Return the address of the hub if it is not the public one."""
    return os.environ.get("HF_ENDPOINT")


@contextmanager
def _transfer(failure: str, kind: type[ZooError]) -> Iterator[None]:
    """Turn whatever libraries log and raise for a transfer into one sentence."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it logs each attempt
    try:
        yield
    except ZooError:
        raise
    except Exception as error:  # HTTP, sockets, permissions, missing credentials: each library has its own
        raise kind(f"{failure}: {_reason(error)}.") from error
    finally:
        logger.setLevel(level)


def _reason(error: Any) -> str:
    """Return the first cause in one clause; a server's status says more than the exception."""
    while error.__cause__ is not None:
        error = error.__cause__
    response = getattr(error, "response", None)
    if (status := getattr(response, "status_code", None)) is not None:
        return f"the server answered {status} {getattr(response, 'reason_phrase', '')}".rstrip()
    first = str(error).strip().partition("\n")[0].rstrip(".")
    return redacted(first) or type(error).__name__


@contextmanager
def _named(address: str, path: Path) -> Iterator[None]:
    """Name the address instead of a temporary file in errors."""
    try:
        yield
    except ZooError as error:
        raise type(error)(str(error).replace(str(path), redacted(address))) from None
