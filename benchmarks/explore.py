"""Time from a click on the map of `zoo explore` to the new picture, in headless Chromium.

    python benchmarks/explore.py [--clicks 40]

Two models of the digits with codes of 16 values, `ae@gmm` and `vae`, are decoded per click. The time runs from the
browser's pointer event to the change of an image's source, which the page observes itself. Needs genzoo[explore],
playwright and Chromium.
"""

import argparse
import random
import shutil
import statistics
import threading
import time

import zoo
from zoo.exploration.explorer import Explorer
from zoo.exploration.page import page
from zoo.exploration.server import make_server

WATCH = """() => {
  window.delays = [];
  let begun = 0;
  for (const event of ["pointerup", "keydown"]) addEventListener(event, () => { begun = performance.now(); }, true);
  new MutationObserver(() => {
    if (begun) { window.delays.push(performance.now() - begun); begun = 0; }
  }).observe(document.getElementById("seen"), {subtree: true, attributes: true, attributeFilter: ["src"]});
}"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=40)
    clicks = parser.parse_args().clicks
    from playwright.sync_api import sync_playwright

    digits = zoo.load_data("digits")
    explorer = Explorer({name: zoo.train(name, digits, seed=0, epochs=5) for name in ("ae@gmm", "vae")}, digits)
    code = explorer.maps["vae"].h[0]
    begun = time.perf_counter()
    for _ in range(clicks):
        explorer.seen(code)
    print(f"decoded, scored and compared in Python: {1000 * (time.perf_counter() - begun) / clicks:.1f} ms")
    server = make_server(page(explorer), 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1400, "height": 1000})
        tab.goto(f"http://127.0.0.1:{server.port}")
        tab.wait_for_selector("#map .nsewdrag")
        tab.wait_for_timeout(1000)
        tab.evaluate(WATCH)
        box, draw = tab.locator("#map .nsewdrag").bounding_box(), random.Random(0).uniform
        for _ in range(clicks):
            tab.mouse.click(box["x"] + draw(0.1, 0.9) * box["width"], box["y"] + draw(0.1, 0.9) * box["height"])
            tab.wait_for_timeout(600)
        said("click", tab.evaluate("window.delays.splice(0)"), clicks)
        tab.locator(".value [role=slider]").first.focus()
        for _ in range(clicks):
            tab.keyboard.press("ArrowRight")
            tab.wait_for_timeout(600)
        said("key on a slider", tab.evaluate("window.delays.splice(0)"), clicks)
        browser.close()
    server.shutdown()


def said(event, delays, asked):
    """Print the median and the ninth decile of the delays in ms."""
    median, ninth = statistics.median(delays), statistics.quantiles(delays, n=10)[-1]
    print(f"{event}: median {median:.0f} ms, 90 % within {ninth:.0f} ms ({len(delays)} of {asked} changed the picture)")


if __name__ == "__main__":
    main()
