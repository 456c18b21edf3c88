"""What may be installed is read before pip starts, and everything else is refused there."""

import platform
from dataclasses import replace
from pathlib import Path

import pytest

from zoo.errors import ConfigError, PluginError
from zoo.files.addresses import redacted
from zoo.installation.request import Request, parse_request
from zoo.installation.resolution import resolve_request, unpublished
from zoo.plugins.catalogue import Catalogue, DefaultComparison, Entry, Release, read_catalogue
from zoo.version import __version__

COMMIT = "0123456789abcdef0123456789abcdef01234567"
DIGEST = "ab" * 32
MADE = Entry(
    name="made",
    group="zoo.models",
    package="zoo-made",
    entry_point="zoo_made.plugin:MADE",
    summary="masked autoencoder",
    tier="community",
    requires_core=">=0.1",
    requires_python=">=3.11",
    licence="MIT",
)


@pytest.fixture
def folder(tmp_path):
    """The folder of a distribution, of a catalogue, and of two files."""
    for name in ("demo", "plugins/zoo-made"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "pyproject.toml").touch()
    for name in ("zoo_x-1.0-py3-none-any.whl", "zoo_x-1.0.tar.gz", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zoo-x", Request("index", "zoo-x", "zoo-x")),
        ("  zoo-x ", Request("index", "zoo-x", "zoo-x")),
        ("zoo-x[fast] >=1, <2", Request("index", "zoo-x[fast]<2,>=1", "zoo-x")),
        ("./demo", Request("source", "demo")),
        ("demo/", Request("source", "demo")),
        ("./zoo_x-1.0-py3-none-any.whl", Request("wheel", "zoo_x-1.0-py3-none-any.whl")),
        ("zoo_x-1.0-py3-none-any.whl", Request("wheel", "zoo_x-1.0-py3-none-any.whl")),
        ("zoo_x-1.0.tar.gz", Request("source", "zoo_x-1.0.tar.gz")),
    ],
)
def test_names_and_paths_are_told_apart(folder, monkeypatch, text, expected):
    monkeypatch.chdir(folder)
    if expected.kind != "index":
        expected = replace(expected, argument=str(folder / expected.argument))
    assert parse_request(text) == expected


@pytest.mark.parametrize(
    ("text", "kind", "name", "sha256"),
    [
        ("https://example.org/zoo_x-1.0-py3-none-any.whl", "wheel", "", ""),
        (f"https://example.org/zoo_x-1.0-py3-none-any.whl#sha256={DIGEST}", "wheel", "", DIGEST),
        (f"https://example.org:8443/zoo_x-1.0.tar.gz#sha256={DIGEST}", "source", "", DIGEST),
        (f"git+https://example.org/zoo/x.git@{COMMIT}", "source", "", ""),
        (f"git+https://example.org/zoo/x@{COMMIT}#subdirectory=plugins/x", "source", "", ""),
    ],
)
def test_addresses_are_https_files_and_full_commits_with_or_without_a_name(text, kind, name, sha256):
    assert parse_request(text) == Request(kind, text, name, sha256)
    named = parse_request(f"zoo-x @ {text}")
    assert (named.kind, named.argument, named.name) == (kind, text, "zoo-x")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "must be one line of printable characters"),
        ("zoo-x\n--index-url=https://evil.example", "one line of printable characters"),
        ("zoo-x\r-e .", "one line of printable characters"),
        ("zoo-x\x00", "one line of printable characters"),
        ("-r requirements.txt", "'-r' is a pip option"),
        ("-e .", "'-e' is a pip option"),
        ("--index-url=https://evil.example", "'--index-url=https://evil.example' is a pip option"),
        ("zoo-x --index-url=https://evil.example/simple", "is a pip option"),
        ("zoo-x --hash=sha256:0", "is a pip option"),
        ("zoo-x zoo-y", "is not a valid name, requirement, path or URL"),
        ("zoo-x;python_version<'4'", "must have no environment marker"),
        ("zoo-x[fast] @ https://example.org/zoo_x-1.0-py3-none-any.whl", "is a URL and must have no extras"),
        ("./nowhere", "'./nowhere' does not exist; give a file or a folder"),
        ("./empty", "'./empty' must be the folder of a distribution; it has no pyproject.toml"),
        ("./notes.txt", r"must be a folder, or a file that ends with one of: \.whl, \.tar\.gz, \.zip"),
        ("file:///tmp/zoo_x-1.0-py3-none-any.whl", "give its path, without file:"),
        ("zoo-x @ file:///tmp/zoo_x-1.0-py3-none-any.whl", "give its path, without file:"),
        ("git+file:///tmp/x", "give its path, without file:"),
        ("http://example.org/zoo_x-1.0-py3-none-any.whl", "must start with https://"),
        ("ftp://example.org/zoo_x-1.0-py3-none-any.whl", "must start with https://"),
        (f"git+ssh://example.org/x@{COMMIT}", "must start with https://"),
        ("https:///zoo_x-1.0-py3-none-any.whl", "must start with https://"),
        ("https://@example.org/zoo_x-1.0-py3-none-any.whl", "must not contain a user name or password"),
        ("https://example.org:port/zoo_x-1.0-py3-none-any.whl", "is not a valid URL"),
        ("https://example.org/zoo-x", "must end with one of"),
        ("https://example.org/zoo_x-1.0-py3-none-any.whl#egg=zoo-y", "may only have sha256="),
        ("https://example.org/zoo_x-1.0-py3-none-any.whl#sha256=abc", "may only have sha256="),
        ("git+https://example.org/x", "must end with @ and a full commit hash .*, got ''"),
        ("git+https://example.org/x@main", "must end with @ and a full commit hash .*, got 'main'"),
        ("git+https://example.org/x@0123456", "got '0123456'"),
        (f"git+https://example.org/x@{COMMIT}#egg=x", "may only have subdirectory=FOLDER"),
        (f"git+https://example.org/x@{COMMIT}#subdirectory=../y", "may only have subdirectory=FOLDER"),
        (f"git+https://example.org/x@{COMMIT}#subdirectory=%2e%2e/y", "may only have subdirectory=FOLDER"),
        (f"git+https://example.org/x@{COMMIT}#subdirectory=/y", "may only have subdirectory=FOLDER"),
        (f"git+https://example.org/x@{COMMIT}#subdirectory=y&egg=x", "may only have subdirectory=FOLDER"),
    ],
)
def test_what_is_more_than_a_plugin_is_refused(folder, monkeypatch, text, match):
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError, match=match):
        parse_request(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://ada:hunter2@example.org/zoo_x-1.0-py3-none-any.whl",
        "https://hunter2@example.org/zoo_x-1.0-py3-none-any.whl",
        "https://ada:hunter2/x@example.org/zoo_x-1.0-py3-none-any.whl",
        "https://example.org/zoo_x-1.0-py3-none-any.whl?token=hunter2",
        f"git+https://hunter2@example.org/x@{COMMIT}",
        "zoo-x @ https://ada:hunter2@example.org/zoo_x-1.0-py3-none-any.whl",
        "zoo-x[a] @ https://ada:hunter2@example.org/zoo_x-1.0-py3-none-any.whl",
        "zoo-x https://ada:hunter2@example.org/simple",
        "zoo-x --index-url=https://ada:hunter2@example.org/simple",
        "zoo-x\nhttps://ada:hunter2@example.org",
        "ftp://ada:hunter2@example.org/x",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(text):
    with pytest.raises(ConfigError) as caught:
        parse_request(text)
    assert "hunter2" not in str(caught.value)


def test_only_passwords_and_queries_are_blotted_out():
    said = f"Looking in https://ada:pw@example.org/simple?token=pw and https://example.org:8443/a and git+https://h/x@{COMMIT}"
    shown = (
        f"Looking in https://****@example.org/simple?**** and https://example.org:8443/a and git+https://h/x@{COMMIT}"
    )
    assert redacted(said) == shown


def _catalogue(folder: Path, *releases: Release, **changes: object) -> Catalogue:
    entry = replace(MADE, releases=releases, **changes)
    return Catalogue((entry,), DefaultComparison(["made"], "digits", 3), folder)


def test_the_newest_release_that_is_not_yanked_is_taken_from_where_the_catalogue_says(folder):
    address = "https://example.org/zoo_made-2.0-py3-none-any.whl"
    catalogue = _catalogue(
        folder,
        Release("0.9", "plugins/zoo-made"),
        Release("2.0", address, DIGEST),
        Release("10.0", "index", DIGEST),
        Release("11.0", "index", DIGEST, yanked="it forgot its weights"),
        published=True,
    )
    ours = {"name": "zoo-made", "ours": True}
    newest = Request("index", "zoo-made==10.0", sha256=DIGEST, **ours)
    assert (
        resolve_request("made", catalogue)
        == resolve_request("zoo-made", catalogue)
        == resolve_request("Zoo_Made>=1", catalogue)
        == newest
    )
    by_address = Request("wheel", f"{address}#sha256={DIGEST}", sha256=DIGEST, **ours)
    assert resolve_request("made<10", catalogue) == by_address
    assert resolve_request("made<2", catalogue) == Request("source", str(folder / "plugins/zoo-made"), **ours)
    assert resolve_request("made[fast]", catalogue).argument == "zoo-made[fast]==10.0"
    assert resolve_request("nade", catalogue) == Request("index", "nade", "nade")


def test_only_an_official_release_with_a_hash_is_installed_without_asking(folder):
    hashed, plain = Release("1.0", "index", DIGEST), Release("1.0", "index")
    assert resolve_request("made", _catalogue(folder, hashed, published=True, tier="official")).official
    assert not resolve_request("made", _catalogue(folder, plain, published=True, tier="official")).official
    assert not resolve_request("made", _catalogue(folder, hashed, published=True)).official
    assert not resolve_request("nade", _catalogue(folder, hashed, published=True, tier="official")).official


def test_offline_a_name_of_the_catalogue_is_looked_for_in_the_users_folder(folder):
    unreleased = _catalogue(folder)
    assert resolve_request("made>=1", unreleased, offline=True) == Request("index", "zoo-made>=1", "zoo-made")
    released = _catalogue(folder, Release("1.0", "plugins/zoo-made"))
    assert resolve_request("made", released, offline=True) == Request("index", "zoo-made==1.0", "zoo-made", ours=True)


@pytest.mark.parametrize(
    ("text", "release", "changes", "error", "match"),
    [
        ("genzoo", None, {}, ConfigError, "genzoo is the zoo itself; update it with pip"),
        ("made", None, {"package": "genzoo"}, ConfigError, "'made' is part of genzoo; there is nothing to install"),
        ("made", None, {"superseded_by": "nade"}, PluginError, "'made' is superseded; install 'nade' instead"),
        (
            "made",
            None,
            {"requires_core": ">=99"},
            PluginError,
            f"'made' needs genzoo >=99, but this is genzoo {__version__}",
        ),
        (
            "made",
            None,
            {"requires_python": ">=99"},
            PluginError,
            f"'made' needs Python >=99, but this is Python {platform.python_version()}",
        ),
        (
            "made",
            None,
            {},
            PluginError,
            "'made' is not published, and a package 'zoo-made' on the index may be another project",
        ),
        ("zoo_made", None, {}, PluginError, "'made' is not published"),
        ("made", Release("1.0", "plugins/gone"), {}, PluginError, "'made' is not published"),
        ("made>1", Release("1.0", "index"), {}, PluginError, r"'made' has no version >1. The catalogue has: 1.0"),
        (
            "made==1.0",
            Release("1.0", "index", yanked="it forgot its weights"),
            {},
            PluginError,
            "'made' 1.0 was yanked: it forgot its weights. Choose another version",
        ),
    ],
)
def test_a_plugin_that_must_not_be_installed_is_refused(folder, text, release, changes, error, match):
    with pytest.raises(error, match=match):
        resolve_request(text, _catalogue(folder, *([release] if release else []), **changes))


def test_a_folder_of_the_catalogue_that_links_out_of_it_is_refused(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "pyproject.toml").touch()
    (folder / "plugins" / "link").symlink_to(elsewhere)
    with pytest.raises(PluginError, match=r"'plugins/link' of 'made' is outside the catalogue's folder"):
        resolve_request("made", _catalogue(folder, Release("1.0", "plugins/link")))


def test_every_plugin_of_the_shipped_catalogue_can_be_resolved_or_comes_with_the_zoo():
    catalogue = read_catalogue()
    resolved = {
        entry.name: resolve_request(entry.name, catalogue) for entry in catalogue.entries if entry.package != "genzoo"
    }
    folders = {name: Path(request.argument).relative_to(catalogue.folder) for name, request in resolved.items()}
    packages = {entry.name: entry.package for entry in catalogue.entries}
    tiers = {"official": "plugins", "example": "examples"}
    assert folders == {
        entry.name: Path(tiers[entry.tier], entry.package) for entry in catalogue.entries if entry.name in resolved
    }
    assert {packages[name] for name in resolved} <= unpublished(catalogue)
