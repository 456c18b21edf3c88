"""BibTeX entries of the models, latent densities and metrics of a comparison, and of the zoo itself.

Cards have identifiers (arXiv, DOI), not titles: a reference manager completes an entry by its identifier.
"""

from __future__ import annotations

import re

from zoo.results.schema import Results

_ARXIV = re.compile(r"arXiv:(?P<id>\S+)", re.IGNORECASE)
_DOI = re.compile(r"(?:doi:)?(?P<id>10\.\d{4,}/\S+)", re.IGNORECASE)


def to_bibtex(results: Results) -> str:
    """Return one entry for each paper, with what it is the reference of as its note."""
    used: dict[str, list[str]] = {}
    for row in results.rows:
        papers = (row.settings or {}).get("papers")
        for name, paper in papers.items() if isinstance(papers, dict) else ():
            used.setdefault(str(paper), []).append(name)
    for metric in results.metrics:
        if metric.paper:
            used.setdefault(metric.paper, []).append(metric.title)
    version = results.protocol.versions.get("genzoo", "")
    zoo = _entry("software", "genzoo", {"title": "genzoo", "author": "{The genzoo contributors}", "version": version})
    return "\n\n".join([zoo, *(_reference(paper, list(dict.fromkeys(names))) for paper, names in used.items())]) + "\n"


def _reference(paper: str, names: list[str]) -> str:
    note = {"note": f"Reference of: {', '.join(names)}"}
    if match := _ARXIV.fullmatch(paper):
        found = match["id"]
        fields = {"eprint": found, "archiveprefix": "arXiv", "url": f"https://arxiv.org/abs/{found}"}
        return _entry("misc", f"arxiv:{found}", fields | note)
    if match := _DOI.fullmatch(paper):
        return _entry(
            "misc", f"doi:{match['id']}", {"doi": match["id"], "url": f"https://doi.org/{match['id']}"} | note
        )
    return _entry("misc", names[0], {"howpublished": paper} | note)


def _entry(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = [f"  {name} = {{{_balanced(value)}}}" for name, value in fields.items() if value]
    return f"@{kind}{{{re.sub(r'[^A-Za-z0-9:./-]+', '-', key)},\n" + ",\n".join(lines) + "\n}"


def _balanced(text: str) -> str:
    """Return a text without the braces of which one has no partner, which would end the entry early."""
    depth, ends_early = 0, False
    for sign in text:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        ends_early = ends_early or depth < 0
    return " ".join((re.sub(r"[{}]", "", text) if depth or ends_early else text).split())
