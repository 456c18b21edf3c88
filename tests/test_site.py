"""The documentation site builds without a warning, holds every command and public name, and is searched offline."""

import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import click
import pytest

import zoo
from zoo.cli.main import cli

DOCS = Path(__file__).parent.parent / "docs"
pytestmark = pytest.mark.documents
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("sphinx", reason="pip install -r docs/requirements.txt")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", DOCS, folder], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def test_every_page_of_docs_is_in_the_site_and_links_to_pages_that_exist(site):
    pages = {path.stem for path in DOCS.glob("*.md")}
    assert pages <= {path.stem for path in site.glob("*.html")}
    for path in site.glob("**/*.html"):
        for target in re.findall(r'href="([^"#:]+\.html)', path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), (path.name, target)


def test_every_command_public_name_and_setting_is_documented(site):
    commands = (site / "commands.html").read_text(encoding="utf-8")
    context = click.Context(cli)
    for name in cli.list_commands(context):
        assert f'id="zoo-{name}"' in commands, name
    python = (site / "python.html").read_text(encoding="utf-8")
    missing = {name for name in zoo.__all__ if f'id="zoo.{name}"' not in python}
    assert missing <= {"__version__", "BITS_SEED", "SPLIT_SEED", "hookimpl"}
    settings = (site / "generated" / "settings.html").read_text(encoding="utf-8")
    for name in ("latent_dim", "decoder_noise", "ais_chains", "learning_rate", "free_bits"):
        assert name in settings


def test_a_page_asks_nothing_from_another_machine(site):
    loading = re.compile(r'<(?:script|link|img)[^>]*(?:src|href)="(https?:)?//')
    for path in site.glob("**/*.html"):
        assert not loading.search(path.read_text(encoding="utf-8")), path.name


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_search_finds_a_word_without_a_network(site):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=site)
    handler.log_message = lambda *arguments: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/search.html?q=memoriser"
        found = subprocess.run(
            [
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--virtual-time-budget=20000",
                "--dump-dom",
                address,
            ],
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout
        server.shutdown()
    assert 'href="metrics.html' in found
