"""The reference of the contract is what its command prints, and no hook is left out: neither there nor by the kit."""

import inspect
import re
import runpy
from pathlib import Path

import pytest

from zoo.conformance.claim import claims
from zoo.contract.hookspecs import GROUPS, ModelHooks
from zoo.plugins.catalogue import read_catalogue

DOCS = Path(__file__).parents[1] / "docs"
REFERENCE = (DOCS / "contract.md").read_text(encoding="utf-8")
HOOKS = [(group, name) for group, cls in GROUPS.items() for name, hook in vars(cls).items() if inspect.isfunction(hook)]


def test_the_reference_is_what_the_command_on_its_top_prints():
    (script,) = re.findall(r"^<!-- Written by: python docs/(\w+\.py) > docs/contract\.md -->$", REFERENCE, re.MULTILINE)
    assert runpy.run_path(str(DOCS / script))["page"]() == REFERENCE


@pytest.mark.parametrize(("group", "hook"), HOOKS)
def test_every_hook_is_documented_with_all_that_it_offers(group, hook):
    section = re.search(rf"^## `{group}`\n(.*?)(?=^## |\Z)", REFERENCE, re.MULTILINE | re.DOTALL)[1]
    part = re.search(rf"^### `{hook}`: .*?\n(.*?)(?=^### |\Z)", section, re.MULTILINE | re.DOTALL)[1]
    function = getattr(GROUPS[group], hook)
    assert inspect.getdoc(function) in part
    for argument in list(inspect.signature(function).parameters)[1:]:
        assert re.search(rf"\b{argument}: ", part)


def test_every_hook_of_a_model_is_in_a_claim_of_the_kit():
    said = " ".join(claim.text for claim in claims())
    hooks = [name for name, hook in vars(ModelHooks).items() if inspect.isfunction(hook)]
    assert [hook for hook in hooks if f"`{hook}`" not in said] == []


def test_every_group_has_an_example_by_others():
    examples = {entry.group for entry in read_catalogue().entries if entry.tier == "example"}
    assert examples == set(GROUPS) - {"zoo.controls"}  # whose plugins are models
