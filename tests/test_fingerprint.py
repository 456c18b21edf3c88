"""Fingerprints of distributions: the version, and the files wherever they are installed."""

import hashlib
import zipfile

import pytest

from zoo.plugins.fingerprint import Fingerprint, fingerprints, mismatch, wheel_fingerprint

FILES = {"zoo_pair/__init__.py": b"", "zoo_pair/model.py": b"A = 1\n", "zoo_pair/data.bin": b"\x00"}


def _sha256(files):
    return hashlib.sha256(b"".join(f"{p}\0{len(c)}\0".encode() + c for p, c in sorted(files.items()))).hexdigest()


def _write(folder, files, version="2.1"):
    info = f"zoo_pair-{version}.dist-info"
    text = {f"{info}/METADATA": f"Metadata-Version: 2.1\nName: zoo-pair\nVersion: {version}\n".encode()}
    text[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, *text]).encode()
    for path, content in {**files, **text}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return info


def test_a_fingerprint_is_the_version_and_the_files_without_bytecode(site):
    _write(site, FILES)
    (site / "zoo_pair" / "__pycache__").mkdir()
    (site / "zoo_pair" / "__pycache__" / "model.pyc").write_bytes(b"else")
    assert fingerprints(["zoo-pair", "zoo-absent"]) == {"zoo-pair": Fingerprint("2.1", _sha256(FILES))}


def test_a_module_alone_is_known_by_its_name(distribution, site):
    module = distribution("zoo-coins")
    content = (site / f"{module}.py").read_bytes()
    assert fingerprints(["zoo-coins"]) == {"zoo-coins": Fingerprint("1.0", _sha256({module: content}))}


@pytest.mark.parametrize("files", [FILES, {"zoo_pair.py": b"A = 1\n"}])
def test_a_wheel_has_the_fingerprint_of_what_it_installs(site, tmp_path, files):
    info = _write(site, files)
    wheel = tmp_path / "zoo_pair-2.1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in [*files, f"{info}/METADATA", f"{info}/RECORD"]:
            archive.write(site / path, path)
    assert wheel_fingerprint(wheel) == fingerprints(["zoo-pair"])["zoo-pair"]


def test_a_difference_names_the_distribution_and_how_it_differs(site):
    _write(site, FILES)
    here = fingerprints(["zoo-pair"])["zoo-pair"]
    assert mismatch({"zoo-pair": here}) == ""
    assert mismatch({"zoo-pair": Fingerprint("3.0", here.sha256)}) == "zoo-pair is 2.1, not 3.0"
    expected = f"zoo-pair 2.1 has other files (sha256 {here.sha256[:12]}, not 000000000000)"
    assert mismatch({"zoo-pair": Fingerprint("2.1", "0" * 64), "zoo-x": here}) == (
        f"{expected}; zoo-x 2.1 is not installed"
    )
