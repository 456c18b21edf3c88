"""The page of `zoo explore`, made of Dash components: it only shows what an `Explorer` computes.

Every event that moves h, a click, a slider, a draw or a step of a walk, is one request; it returns all that changes.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.errors import Unsupported
from zoo.exploration.chain import free_energies, run_chain
from zoo.exploration.explorer import STATES, CodeMap, Explorer
from zoo.report import charts
from zoo.report.grid import as_pixels, tile
from zoo.report.pictures import data_uri
from zoo.report.plotly_json import label, points, titled
from zoo.runtime.extras import optional

SLIDERS = 32  # of the first values of a code
_STEPS = 30  # of a chain
_REACH = 3.5  # standard deviations of a slider on either side
_SIDE = 140  # pixels of a decoded image
_STYLE = Path(__file__).with_name("page.css")
_ACCENT, _GRAY = "#d6278a", "#8a8f98"


def page(explorer: Explorer) -> Any:
    """Return the Dash application, which asks nothing from another machine.

    Raises:
        ConfigError: if Dash is not installed.
    """
    dash = optional("dash", "explore", "zoo explore")
    app = dash.Dash(__name__, title=f"zoo explore: {explorer.data.name}", update_title=None, assets_folder="none")
    app.index_string = app.index_string.replace("</head>", f"<style>{_STYLE.read_text()}</style></head>").replace(
        "<html>", '<html lang="en">'
    )
    app.layout = _layout(dash, explorer)
    _respond(dash, app, explorer)
    return app


def _layout(dash: Any, explorer: Explorer) -> Any:
    """Return the parts of the page."""
    html = dash.html
    parts = [html.Header([html.H1(f"zoo explore: {explorer.data.name}"), html.P(_LEAD if explorer.models else "")])]
    if explorer.models:
        parts += _code_sections(dash, explorer)
    if explorer.samplers:
        parts.append(_path_section(html, explorer))
    return html.Main(parts)


def _code_sections(dash: Any, explorer: Explorer) -> list[Any]:
    """Return what shows and moves h, which is the code of the first test image."""
    html, dcc = dash.html, dash.dcc
    names = list(explorer.models)
    h = explorer.maps[names[0]].h[0]
    parts = [
        dcc.Store(id="h", data=h.tolist()),
        dcc.Store(id="ends", data=[None, None]),
        html.Div(
            [
                html.Section(
                    [
                        html.H2("Map of codes"),
                        html.Div(
                            dcc.RadioItems(names, names[0], id="whose", inline=True),
                            hidden=len(names) == 1,
                        ),
                        dcc.Graph(id="map", figure=map_figure(explorer, names[0], h), config={"displayModeBar": False}),
                        html.Div(
                            [
                                html.Button(f"Draw from {name}", id={"draw": name})
                                for name in names
                                if _draws(explorer, name)
                            ]
                        ),
                    ],
                    className="map",
                ),
                html.Section(
                    [
                        html.H2("Decoded"),
                        html.P("test image 1", id="whence", role="status"),
                        html.Div(_seen(html, explorer, h), id="seen"),
                    ]
                ),
            ],
            className="two",
        ),
        html.Section(
            [
                html.H2("Walk between two codes"),
                html.P(
                    "Choose a code, press Start; choose another one, press End; then move along the line between them."
                ),
                html.Div([html.Button("Start", id="from"), html.Button("End", id="to"), html.Span(id="ends-said")]),
                dcc.Slider(0, 1, 0.05, value=0, id="walk", marks={0: "start", 1: "end"}, updatemode="drag", **_QUIET),
            ]
        ),
    ]
    if explorer.has_bits:
        parts.append(_chain_section(dash))
    else:
        parts.append(_slider_section(dash, explorer, h))
    return parts


def _path_section(html: Any, explorer: Explorer) -> Any:
    return html.Section(
        [
            html.H2("From noise to a sample"),
            html.P("Noise on the left, then states that the sampler passes through, and the sample on the right."),
            html.Button("Draw noise", id="noise"),
            html.Div(_paths(html, explorer, 0), id="paths"),
        ]
    )


def _slider_section(dash: Any, explorer: Explorer, h: Tensor) -> Any:
    html, dcc = dash.html, dash.dcc
    codes = explorer.maps[next(iter(explorer.models))].h
    reach = _REACH * codes.std(0)
    low, high = (codes.mean(0) + sign * reach for sign in (-1, 1))
    low, high = torch.minimum(low, codes.amin(0)), torch.maximum(high, codes.amax(0))
    shown = min(explorer.size, SLIDERS)
    sliders = [
        html.Div(
            [
                html.Span(f"h{k + 1}"),
                dcc.Slider(
                    round(low[k].item(), 2),
                    round(high[k].item(), 2),
                    0.01,
                    value=round(h[k].item(), 2),
                    id={"value": k},
                    marks=None,
                    updatemode="drag",
                    **_QUIET,
                ),
            ],
            className="value",
        )
        for k in range(shown)
    ]
    rest = f", the first {shown} of {explorer.size}" if shown < explorer.size else ""
    return html.Section([html.H2(f"Values of h{rest}"), html.Div(sliders, className="values")])


def _chain_section(dash: Any) -> Any:
    html, dcc = dash.html, dash.dcc
    return html.Section(
        [
            html.H2("Gibbs chain"),
            html.P(
                "From the chosen h: v ~ p(v|h), then h ~ p(h|v) and v ~ p(v|h) in each step. The images are E[v|h]; "
                "F is the free energy of v, relative to the first v."
            ),
            html.Div([html.Button("Start from h", id="run"), html.Button("Start from random bits", id="random")]),
            html.Label(
                ["steps", dcc.Slider(0, _STEPS, 1, value=10, id="steps", marks=_TENS, updatemode="drag", **_QUIET)]
            ),
            dcc.Store(id="chain-of", data=None),
            html.Div(id="chain"),
        ]
    )


def _respond(dash: Any, app: Any, explorer: Explorer) -> None:
    """Register what follows each event."""
    if explorer.models:
        _respond_with_codes(dash, app, explorer)
    if not explorer.samplers:
        return

    @app.callback(  # type: ignore[untyped-decorator]
        dash.Output("paths", "children"), dash.Input("noise", "n_clicks"), prevent_initial_call=True
    )
    def draw(clicks: int) -> Any:
        return _paths(dash.html, explorer, clicks)


def _respond_with_codes(dash: Any, app: Any, explorer: Explorer) -> None:
    inputs, state, output, every = dash.Input, dash.State, dash.Output, dash.ALL
    sliders = 0 if explorer.has_bits else min(explorer.size, SLIDERS)

    @app.callback(  # type: ignore[untyped-decorator]
        output("h", "data"),
        output("whence", "children"),
        output("seen", "children"),
        output("map", "figure"),
        output({"value": every}, "value"),
        inputs("map", "clickData"),
        inputs({"value": every}, "value"),
        inputs({"draw": every}, "n_clicks"),
        inputs("walk", "value"),
        inputs("whose", "value"),
        state("h", "data"),
        state("ends", "data"),
        prevent_initial_call=True,
    )
    def move(click: Any, values: list[float], draws: Any, t: float, whose: str, h: Any, ends: Any) -> tuple[Any, ...]:
        cause, code = dash.ctx.triggered_id, torch.tensor(h, dtype=torch.float64)
        still = [dash.no_update] * sliders
        if cause == "whose":
            return *[dash.no_update] * 3, map_figure(explorer, whose, code), still
        if cause == "map":
            (point,) = click["points"][:1]
            x, y = point["x"], point["y"]
            code, said = explorer.at(whose, (x, y)), f"the point ({x:z.2f}, {y:z.2f})"
        elif cause == "walk":
            if None in ends:
                raise dash.exceptions.PreventUpdate
            start, end = (torch.tensor(each, dtype=torch.float64) for each in ends)
            code, said = torch.lerp(start, end, t), f"{t:.0%} of the way"
        elif "draw" in cause:
            code, said = explorer.draw(cause["draw"], secrets.randbits(32)), f"a draw from {cause['draw']}"
        else:
            k = cause["value"]
            if values[k] == round(h[k], 2):  # the slider follows h
                raise dash.exceptions.PreventUpdate
            code[k], said = values[k], f"h{k + 1} = {values[k]:z.2f}"
        moved = dash.Patch()
        moved["data"][-1] = _here(explorer.maps[whose], code)
        following = still if isinstance(cause, dict) and "value" in cause else code[:sliders].round(decimals=2).tolist()
        return code.tolist(), said, _seen(dash.html, explorer, code), moved, following

    @app.callback(  # type: ignore[untyped-decorator]
        output("ends", "data"),
        output("ends-said", "children"),
        inputs("from", "n_clicks"),
        inputs("to", "n_clicks"),
        state("h", "data"),
        state("ends", "data"),
        state("whence", "children"),
        prevent_initial_call=True,
    )
    def choose(start: Any, end: Any, h: list[float], ends: list[Any], whence: str) -> tuple[Any, ...]:
        which = 0 if dash.ctx.triggered_id == "from" else 1
        ends = [h if k == which else each for k, each in enumerate(ends)]
        missing = [name for name, each in zip(("start", "end"), ends, strict=True) if each is None]
        return ends, f"{('start', 'end')[which]}: {whence}" + (f"; choose the {missing[0]}" if missing else "")

    if not explorer.has_bits:
        return

    @app.callback(  # type: ignore[untyped-decorator]
        output("chain-of", "data"),
        inputs("run", "n_clicks"),
        inputs("random", "n_clicks"),
        state("h", "data"),
        prevent_initial_call=True,
    )
    def begin(run: Any, random: Any, h: list[float]) -> Any:
        bits = h if dash.ctx.triggered_id == "run" else torch.rand(len(h)).tolist()
        return [[round(each) for each in bits], secrets.randbits(32)]

    @app.callback(  # type: ignore[untyped-decorator]
        output("chain", "children"),
        inputs("chain-of", "data"),
        inputs("steps", "value"),
        state("whose", "value"),
        prevent_initial_call=True,
    )
    def step(of: Any, steps: int, whose: str) -> Any:
        if of is None:
            raise dash.exceptions.PreventUpdate
        h = torch.tensor(of[0], dtype=torch.float32).view(explorer.latent)
        return _chain(dash, explorer, whose, h, int(steps), of[1])


def map_figure(explorer: Explorer, name: str, h: Tensor) -> dict[str, Any]:
    """Return the map of a model's codes: density, codes by class, draws, and last the chosen code."""
    found = explorer.maps[name]
    arrays = {"codes": found.plane.of(found.h).numpy()}
    if found.labels is not None:
        arrays["code_labels"] = found.labels.numpy()
    figure = charts.codes(arrays)
    assert figure
    for (source, codes), symbol in zip(found.draws.items(), ("x-thin", "circle-open"), strict=False):
        x, y = found.plane.of(codes).T.round(decimals=3).tolist()
        marker = {"size": 7, "symbol": symbol, "color": _GRAY, "line": {"width": 1, "color": _GRAY}, "opacity": 0.9}
        figure["data"].append(points(x, y, source, (_GRAY, symbol), marker=marker, hoverinfo="name"))
    figure["data"] = [_ground(found), *figure["data"], _here(found, h)]
    for axis, ordinal, values in (("xaxis", "first", found.across), ("yaxis", "second", found.up)):
        title = titled(f"{ordinal} {found.plane.title}".removesuffix(" of the codes"))
        figure["layout"][axis] |= title | {"range": [values[0].item(), values[-1].item()]}
    return figure | {"layout": figure["layout"] | {"height": 560, "hoverdistance": 5, "uirevision": name}}


def _ground(found: CodeMap) -> dict[str, Any]:
    """Return the log-density as a heatmap, which also makes every point of the plane one to click on."""
    z = torch.zeros(len(found.up), len(found.across)) if found.density is None else found.density
    top = z.max().item()
    return {
        "type": "heatmap",
        "x": found.across.tolist(),
        "y": found.up.tolist(),
        "z": z.clamp(min=top - 40).round(decimals=2).tolist(),
        "colorscale": [[0, "rgba(60,127,196,0)"], [1, "rgba(60,127,196,0.45)"]]
        if found.density is not None
        else _CLEAR,
        "showscale": False,
        "zsmooth": "best",
        "name": "log p(h)",
        "hovertemplate": "log p(h) = %{z:.1f}<extra></extra>" if found.density is not None else "<extra></extra>",
    }


def _here(found: CodeMap, h: Tensor) -> dict[str, Any]:
    """Return the marker of the chosen code."""
    ((x, y),) = found.plane.of(h[None]).tolist()
    marker = {"size": 17, "symbol": "cross-thin", "color": _ACCENT, "line": {"width": 3, "color": _ACCENT}}
    return points([x], [y], "h", (_ACCENT, "cross-thin"), marker=marker, hoverinfo="skip")


def _draws(explorer: Explorer, name: str) -> bool:
    return any(source.startswith("drawn") for source in explorer.maps[name].draws)


def _seen(html: Any, explorer: Explorer, h: Tensor) -> list[Any]:
    """Return what each model makes of h: the image, its density, and the nearest training image."""
    return [
        html.Div(
            [
                html.H3(each.name),
                html.Figure(
                    [html.Img(src=_picture(explorer, each.image[None]), alt=f"h decoded by {each.name}"), "decoded"]
                ),
                html.Figure(
                    [
                        html.Img(src=_picture(explorer, each.neighbour[None]), alt="nearest training image"),
                        f"nearest training image, distance {each.distance:.2f}",
                    ]
                ),
                html.P("it has no density of h" if each.nats is None else f"log p(h) = {each.nats:z.2f} nats"),
            ],
            className="seen",
        )
        for each in explorer.seen(h)
    ]


def _chain(dash: Any, explorer: Explorer, name: str, h: Tensor, steps: int, seed: int) -> list[Any]:
    """Return the images of a chain and its figures."""
    model = explorer.models[name]
    chain = run_chain(model, h, steps, seed)
    try:
        energies = free_energies(model, chain).tolist()
    except Unsupported as error:
        energies, said = [], f"No free energy: {error}."
    else:
        said = f"F(v) - F(first v) = {energies[-1]:z.1f} nats after {steps} steps"
    if chain.flips:
        said += f"; {chain.flips[-1]} of {explorer.size} hidden units flipped in the last step"
    parts = [
        html_image(dash.html, _picture(explorer, chain.means, columns=11, side=56), f"{steps + 1} states of the chain"),
        dash.html.P(said, role="status"),
    ]
    if energies and steps:
        figure: dict[str, Any] = charts.bars(chain.flips)
        figure["data"] = [points(range(steps + 1), energies, label("F"), ("#3b7fc4", "circle"), mode="lines+markers")]
        figure["layout"]["xaxis"] |= titled("step")
        figure["layout"]["yaxis"] |= titled("F(v) - F(first v), nats")
        parts.append(dash.dcc.Graph(figure=figure, config={"displayModeBar": False}))
    return parts


def _paths(html: Any, explorer: Explorer, seed: int) -> list[Any]:
    """Return the path of one sample of each model."""
    parts = []
    for name in explorer.samplers:
        states = explorer.path(name, seed)
        picture = _picture(explorer, states, columns=STATES, side=90)
        parts += [html.H3(name), html_image(html, picture, f"{len(states)} states of a sample of {name}")]
    return parts


def html_image(html: Any, source: str, alt: str) -> Any:
    """Return an image with its alternative text."""
    return html.Img(src=source, alt=alt, className="chain")


def _picture(explorer: Explorer, images: Tensor, *, columns: int = 1, side: int = _SIDE) -> str:
    """Return images of the data's units as a `data:` address; real values are scaled by those of the training split."""
    if explorer.data.spec.support == "real":
        low, high = explorer.data.train.min(), explorer.data.train.max()
        images = (images - low) / (high - low)
    return data_uri(tile(as_pixels(images.numpy()), columns, side=side, gap=0 if columns == 1 else 3, clear=True))


_TENS = {n: str(n) for n in range(0, _STEPS + 1, 10)}
_QUIET = {"allow_direct_input": False}
_CLEAR = [[0, "rgba(0,0,0,0)"], [1, "rgba(0,0,0,0)"]]
_LEAD = (
    "A decoder turns any code h into an image. Click on the map, drag a slider or draw a code, and see what each model "
    "makes of the same h. Dots are codes of test images, crosses and rings are drawn codes, the shade is log p(h)."
)
