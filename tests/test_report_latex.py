"""`results.tex` and `results.bib`: whole tables against expected text, and characters that LaTeX would obey."""

import re
from pathlib import Path

import pytest

import zoo
from tests.report_folder import results, typed
from zoo.api import default
from zoo.comparison.preparation import DescribeContestant
from zoo.contestant import parse_contestant
from zoo.report.bibtex import to_bibtex
from zoo.report.latex import latex, to_latex

ROOT = Path(__file__).parents[1]


def small():
    """Four rows and two metrics of the made-up comparison, with a name that LaTeX would not print as it is."""
    found = results()
    kept = ("frechet", "reconstruction")
    found["metrics"] = [each for each in found["metrics"] if each["name"] in kept]
    found["rows"] = [row for row in found["rows"] if row["contestant"] in ("ae@gmm", "vae", "noise", "real")]
    for row in found["rows"]:
        row["summary"] = {name: row["summary"][name] for name in kept}
    found["rows"][0]["contestant"] = "ae_1@gmm:a=5%"
    found |= {"differences": {}, "fooled": {}, "sensitivity": [], "pictures": {}}
    return found


def test_a_table_is_one_environment_with_rules_between_the_groups_and_the_best_in_bold():
    table = to_latex(typed(small())).partition("\\end{tabular}")[0]
    assert table == (
        "% needs \\usepackage{booktabs}\n\n"
        "\\begin{table}\n  \\centering\n  \\caption{How well each model generates: digits, 100 epochs, 5 seeds}\n"
        "  \\begin{tabular}{lr}\n    \\toprule\n    contestant & Fréchet distance~$\\downarrow$ \\\\\n    \\midrule\n"
        "    ae\\_1@gmm:a=5\\% & \\textbf{9.13 $\\pm$ 0.42} \\\\\n"
        "    vae & 11.80 $\\pm$ 0.63 \\\\\n    \\midrule\n"
        "    noise & 310.0 $\\pm$ 1.2 \\\\\n    \\midrule\n"
        "    real & 2.11 \\\\\n    \\bottomrule\n  "
    )


def test_every_table_is_there_with_its_notes_and_all_environments_end():
    text = to_latex(typed())
    assert text.count("\\begin{table}") == text.count("\\end{table}") == 3
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") == 3
    assert "\\par\\footnotesize n/a" in text
    assert text.count("$^*$ best mean") == 1
    columns = [line.count("r") for line in re.findall(r"\\begin\{tabular\}\{l(r+)\}", text)]
    for number, table in zip(columns, text.split("\\toprule")[1:], strict=True):
        lines = [line for line in table.partition("\\bottomrule")[0].splitlines() if line.endswith("\\\\")]
        assert {line.replace("\\&", "").count("&") for line in lines} == {number}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b & 5% #1 {x} $", r"a\_b \& 5\% \#1 \{x\} \$"),
        ("\\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("≈ −9 × 2", r"$\approx$ $-$9 $\times$ 2"),
        ("−1 ≥ x^2 ~ 3\n*", r"$-$1 $\geq$ x\textasciicircum{}2 $\sim$ 3 $^*$"),
    ],
)
def test_text_is_printed_and_not_obeyed(text, expected):
    assert latex(text) == expected


def test_entries_name_what_they_are_the_reference_of_once():
    found = results()
    found["rows"][0]["settings"]["papers"] = {"rbm": "doi:10.1162/089976602760128018"}
    found["rows"][3]["settings"]["papers"] = {"vae": "arXiv:1312.6114"}
    found["rows"][4]["settings"]["papers"] = {"vae": "arXiv:1312.6114", "gmm": "A book {1999}", "odd": "a } b {"}
    assert to_bibtex(typed(found)) == (
        "@software{genzoo,\n  title = {genzoo},\n  author = {{The genzoo contributors}},\n  version = {0.3}\n}\n\n"
        "@misc{doi:10.1162/089976602760128018,\n  doi = {10.1162/089976602760128018},\n"
        "  url = {https://doi.org/10.1162/089976602760128018},\n  note = {Reference of: rbm}\n}\n\n"
        "@misc{arxiv:1312.6114,\n  eprint = {1312.6114},\n  archiveprefix = {arXiv},\n"
        "  url = {https://arxiv.org/abs/1312.6114},\n  note = {Reference of: vae}\n}\n\n"
        "@misc{gmm,\n  howpublished = {A book {1999}},\n  note = {Reference of: gmm}\n}\n\n"
        "@misc{odd,\n  howpublished = {a b},\n  note = {Reference of: odd}\n}\n\n"
        "@misc{arxiv:1706.08500,\n  eprint = {1706.08500},\n  archiveprefix = {arXiv},\n"
        "  url = {https://arxiv.org/abs/1706.08500},\n  note = {Reference of: Fréchet distance}\n}\n"
    )


def test_a_comparison_records_the_papers_of_its_models_and_densities():
    settings = DescribeContestant(parse_contestant("ae@gaussian")).run(default)
    assert settings.papers == {"ae": "doi:10.1126/science.1127647", "gaussian": "arXiv:1903.12436"}
    assert "papers" not in DescribeContestant(parse_contestant("affine")).run(affine()).model_dump(exclude_unset=True)


def affine():
    from tests.test_model import AffinePlugin

    registry = zoo.Registry()
    registry.register(AffinePlugin)
    return registry


def test_the_citation_has_the_version():
    assert f"\nversion: {zoo.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
