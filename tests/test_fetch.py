"""Files of a data set: found where they lie, or fetched once from a server on this machine, and checked."""

import contextlib
import gzip
import hashlib
import http.server
import threading

import pytest

from tests.wrong_data import FETCHED, matches
from zoo.data import fetch
from zoo.data.fetch import DataFile, fetch_files
from zoo.errors import DataError

CONTENT = {"a": b"first" * 100, "b": b"second" * 100}
FILES = [DataFile(name, hashlib.sha256(content).hexdigest()) for name, content in CONTENT.items()]


@contextlib.contextmanager
def served(folder, short=0):
    """The address of a server of a folder; `short` bytes are missing from each answer. `asked` lists the paths."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *arguments):
            pass

        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def copyfile(self, source, outputfile):
            content = source.read()
            outputfile.write(content[: len(content) - short])

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """A cache and a system's folder of the test's own, and a mirror with good files."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZOO_MIRROR", raising=False)
    monkeypatch.setattr(fetch, "_SYSTEM", tmp_path / "system")
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    put(tmp_path / "mirror")
    return tmp_path


def put(folder, *, packed=True, change=lambda content: content):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in CONTENT.items():
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(change(gzip.compress(content) if packed else content))


def refused(address, situation):
    with pytest.raises(DataError) as refusal:
        fetch_files("letters", FILES, address, None)
    assert matches(FETCHED[situation], str(refusal.value)), refusal.value


def test_files_are_fetched_once_and_then_found_in_the_cache(places):
    with served(places / "mirror") as (address, asked):
        first = fetch_files("letters", FILES, address, None)
        assert fetch_files("letters", FILES, address, None) == first
    assert asked == ["/a.gz", "/b.gz"]
    assert first == [places / "cache" / "data" / "letters" / name for name in ("a.gz", "b.gz")]
    assert [gzip.decompress(path.read_bytes()) for path in first] == list(CONTENT.values())
    assert sorted(path.name for path in first[0].parent.iterdir()) == ["a.gz", "b.gz"]


@pytest.mark.parametrize("packed", [True, False], ids=["gzipped", "plain"])
@pytest.mark.parametrize("place", ["given/letters", "given", "system/dataset-letters"])
def test_files_that_lie_in_a_folder_are_taken_from_there(places, place, packed):
    put(places / place, packed=packed)
    suffix = ".gz" if packed else ""
    expected = [places / place / f"{name}{suffix}" for name in CONTENT]
    assert fetch_files("letters", FILES, "http://127.0.0.1:9/", places / "given") == expected
    assert not (places / "cache").exists()


def test_a_folder_with_other_content_of_the_same_name_is_passed_over(places):
    put(places / "given", change=lambda content: gzip.compress(b"another data set with the same names of files"))
    put(places / "system/dataset-letters")
    found = fetch_files("letters", FILES, "http://127.0.0.1:9/", places / "given")
    assert {path.parent for path in found} == {places / "system/dataset-letters"}


def test_a_damaged_file_in_the_cache_is_fetched_again_and_the_other_is_not(places):
    with served(places / "mirror") as (address, asked):
        paths = fetch_files("letters", FILES, address, None)
        paths[1].write_bytes(paths[1].read_bytes()[:-9])
        assert fetch_files("letters", FILES, address, None) == paths
    assert asked == ["/a.gz", "/b.gz", "/b.gz"]
    assert gzip.decompress(paths[1].read_bytes()) == CONTENT["b"]


def test_a_mirror_that_is_chosen_has_a_folder_for_each_data_set(places, monkeypatch):
    put(places / "mine/letters")
    with served(places / "mine") as (address, asked):
        monkeypatch.setenv("ZOO_MIRROR", address)
        fetch_files("letters", FILES, "http://127.0.0.1:9/", None)
    assert asked == ["/letters/a.gz", "/letters/b.gz"]


@pytest.mark.parametrize(
    ("situation", "change"),
    [
        ("unexpected content", lambda content: gzip.compress(b"something else")),
        ("a truncated file", lambda content: content[:-9]),
        ("a truncated file", lambda content: content[:10] + b"\xff" + content[11:]),
    ],
)
def test_what_is_not_what_it_should_be_is_refused_and_not_kept(places, situation, change):
    put(places / "mirror", change=change)
    with served(places / "mirror") as (address, _):
        refused(address, situation)
    assert not list((places / "cache").rglob("*.*"))


def test_an_answer_shorter_than_it_says_is_refused(places):
    with served(places / "mirror", short=5) as (address, _):
        refused(address, "a truncated response")
    assert not list((places / "cache").rglob("*.*"))


def test_a_file_that_the_server_does_not_have_is_refused(places):
    (places / "mirror" / "b.gz").unlink()
    with served(places / "mirror") as (address, _):
        refused(address, "a file that the server does not have")


def test_no_server_is_said_in_one_line(places):
    with served(places / "mirror") as (address, _):
        pass
    refused(address, "no server")


def test_a_file_that_unpacks_without_end_is_given_up(places, monkeypatch):
    monkeypatch.setattr(fetch, "_LARGEST", 499)
    with served(places / "mirror") as (address, _):
        with pytest.raises(DataError, match="has unexpected content: more than 499 bytes instead of SHA-256"):
            fetch_files("letters", FILES, address, None)
        monkeypatch.setattr(fetch, "_LARGEST", 500)
        assert fetch_files("letters", FILES[:1], address, None)


def test_a_password_in_the_address_of_a_mirror_is_not_shown(places, monkeypatch):
    monkeypatch.setenv("ZOO_MIRROR", "http://me:secret@127.0.0.1:9")
    with pytest.raises(DataError, match=r"http://\*{4}@127\.0\.0\.1:9/letters/a\.gz cannot be downloaded") as refusal:
        fetch_files("letters", FILES, "http://127.0.0.1:9/", None)
    assert "secret" not in str(refusal.value)
