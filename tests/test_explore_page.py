"""The page of `zoo explore` in a headless browser, and what the command says without its extra."""

import shutil
import socket
import sys
import threading

import pytest
import torch
from click.testing import CliRunner

import zoo
from tests.stepwise import StepwisePlugin
from zoo.cli.main import cli
from zoo.exploration.explorer import Explorer
from zoo.exploration.page import map_figure, page
from zoo.exploration.server import make_server

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DATA = zoo.load_data("bars-and-stripes:3")


@pytest.fixture(scope="module")
def explorer():
    models = {
        name: zoo.train(name, DATA, seed=0, steps=60, latent_dim=3, hidden=[8], progress=False)
        for name in ("ae@normal", "vae")
    }
    return Explorer(models, DATA)


@pytest.fixture(scope="module")
def stepwise():
    registry = zoo.Registry()
    registry.register(StepwisePlugin)
    return Explorer({"steps": registry.create("steps", DATA, seed=0)}, DATA)


def test_without_the_extra_the_command_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "dash", None)
    done = CliRunner().invoke(cli, ["explore", str(tmp_path / "run")])
    assert (
        str(done.exception)
        == 'zoo explore needs dash, which is not installed; install it: pip install "genzoo[explore]".'
    )


def test_the_figure_has_the_density_below_and_the_chosen_code_on_top(explorer):
    h = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    found, figure = explorer.maps["vae"], map_figure(explorer, "vae", h)
    ground, *_, here = figure["data"]
    torch.testing.assert_close(
        torch.tensor(ground["z"]), found.density.clamp(min=found.density.max() - 40), atol=6e-3, rtol=0
    )
    assert (ground["x"], ground["y"]) == (found.across.tolist(), found.up.tolist())
    assert [*here["x"], *here["y"]] == found.plane.of(h[None])[0].tolist()
    assert {"N(0, I)", "drawn by vae"} <= {trace["name"] for trace in figure["data"]}


def test_a_port_that_is_taken_is_refused(explorer):
    pytest.importorskip("dash", reason='pip install "genzoo[explore]"')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            zoo.ConfigError, match=rf"^Cannot listen on port {port}: .*; give another one, or --port 0\.$"
        ):
            make_server(page(explorer), port)


@pytest.fixture(scope="module")
def open_page():
    """Yield a function that opens an explorer in a browser, and check what its pages asked for."""
    pytest.importorskip("dash", reason='pip install "genzoo[explore]"')
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    servers, asked = [], []

    def opened(explorer, ready="#map .nsewdrag"):
        server = make_server(page(explorer), 0)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        tab = browser.new_page(viewport={"width": 1400, "height": 1400})
        tab.on("request", lambda request: asked.append(request.url))
        tab.set_default_timeout(150_000)
        tab.goto(f"http://127.0.0.1:{server.port}")
        tab.wait_for_selector(ready)
        return tab

    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        browser.close()
    for server in servers:
        server.shutdown()
        server.server_close()
    assert [url for url in asked if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))] == []


def pictures(tab):
    return tab.eval_on_selector_all("#seen img", "all => all.map(each => each.src)")


def changed(tab, before, whence):
    """The pictures, once they are others and the page says that they come from `whence`.

    Some actions cause several updates; only the last one says so.
    """
    tab.wait_for_function(
        "([before, whence]) => document.querySelector('#whence').textContent.startsWith(whence)"
        " && [...document.querySelectorAll('#seen img')].map(each => each.src).join() !== before",
        arg=[",".join(before), whence],
    )
    return pictures(tab)


@pytest.mark.slow
def test_a_model_without_codes_shows_paths_and_a_button_draws_another(stepwise, open_page):
    tab = open_page(stepwise, "#paths img")
    before = tab.get_attribute("#paths img", "src")
    tab.get_by_role("button", name="Draw noise").focus()
    tab.keyboard.press("Enter")
    tab.wait_for_function("before => document.querySelector('#paths img').src !== before", arg=before)
    assert tab.get_attribute("#paths img", "alt") == "4 states of a sample of steps"
    assert tab.locator("#map").count() == 0


@pytest.mark.slow
def test_a_click_decodes_a_slider_changes_the_picture_and_keys_work(explorer, open_page):
    tab = open_page(explorer)
    first = pictures(tab)
    assert len(first) == 4
    box = tab.locator("#map .nsewdrag").bounding_box()
    tab.mouse.click(box["x"] + 0.93 * box["width"], box["y"] + 0.06 * box["height"])
    clicked = changed(tab, first, "the point (")
    thumbs = tab.locator(".value [role=slider]")
    assert thumbs.count() == 3
    track = tab.locator(".value .dash-slider-root, .value [class*=slider]").first.bounding_box()
    tab.mouse.click(track["x"] + 0.1 * track["width"], track["y"] + track["height"] / 2)
    slid = changed(tab, clicked, "h1 = ")
    thumbs.nth(1).focus()
    for _ in range(30):
        tab.keyboard.press("ArrowRight")
    pressed = changed(tab, slid, "h2 = ")
    tab.get_by_role("button", name="Draw from vae").focus()
    tab.keyboard.press("Enter")
    drawn = changed(tab, pressed, "a draw from vae")
    tab.click("#from")
    tab.wait_for_function("() => document.querySelector('#ends-said').textContent.includes('choose the end')")
    tab.mouse.click(box["x"] + 0.05 * box["width"], box["y"] + 0.9 * box["height"])
    end = changed(tab, drawn, "the point (")
    tab.click("#to")
    tab.wait_for_function("() => document.querySelector('#ends-said').textContent.startsWith('end')")
    tab.locator("#walk [role=slider], [id=walk] [role=slider]").first.focus()
    tab.keyboard.press("Home")
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("() => document.querySelector('#whence').textContent === '5% of the way'")
    assert pictures(tab) != end


@pytest.mark.slow
def test_a_chain_runs_from_the_chosen_code(open_page):
    rbm = zoo.create("rbm", DATA, seed=0, hidden=5)
    tab = open_page(Explorer({"rbm": rbm}, DATA))
    tab.click("#run")
    tab.wait_for_selector("img.chain")
    assert "nats after 10 steps" in tab.inner_text("#chain")
    source = tab.get_attribute("img.chain", "src")
    tab.locator("#steps [role=slider], [id=steps] [role=slider]").first.focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("() => document.querySelector('#chain').textContent.includes('nats after 11 steps')")
    assert tab.get_attribute("img.chain", "src") != source
