"""The sanity checks of docs/trust.py: headline metrics pass them, and other cards name those that they fail."""

import re
from pathlib import Path

import pytest

from docs.trust import CHECKS, SUBJECTS, holds

PAGE = (Path(__file__).parents[1] / "docs" / "trust.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.card.name)
def test_a_card_names_the_checks_that_its_metric_fails(subject):
    results = {check.name: holds(subject, check) for check in CHECKS}
    failed = {name for name, passed in results.items() if passed is False}
    named = {name for limit in subject.card.limits if "sanity" in limit for name in re.findall(r"'([^']+)'", limit)}
    assert named == failed
    if subject.card.level == "headline":
        assert not failed
    column = SUBJECTS.index(subject) + 2
    for check in CHECKS:
        line = next(line for line in PAGE.splitlines() if line.startswith(f"| {check.name} |"))
        cell = line.split("|")[column].strip()
        assert cell == {True: "yes", False: "**no**", None: ""}[results[check.name]]
