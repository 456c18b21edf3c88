"""Nothing but a ZooError comes out of any entrance, whatever a stranger sends in: no hang, no flood of memory."""

import contextlib

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.strangers import ENTRANCES, FOUND, limits
from zoo.errors import ZooError

_ALWAYS = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck), "phases": [Phase.generate]}


def search(entrance, folder, **given_settings):
    """Send many inputs in, and return how many of them were let in."""
    taken = 0

    @settings(**_ALWAYS, **given_settings)
    @given(entrance.inputs)
    def enter(content):
        nonlocal taken
        with limits(), contextlib.suppress(ZooError):
            entrance.enter(folder, content)
            taken += 1

    enter()
    return taken


@pytest.mark.parametrize("entrance", ENTRANCES, ids=str)
def test_nothing_but_a_zoo_error_comes_out(entrance, tmp_path):
    taken = search(entrance, tmp_path, max_examples=100, derandomize=True)
    assert taken > 0, "all are turned away at the door; what lies behind it is not examined"


@pytest.mark.slow
@pytest.mark.parametrize("entrance", ENTRANCES, ids=str)
def test_nothing_but_a_zoo_error_comes_out_of_ten_thousand(entrance, tmp_path):
    search(entrance, tmp_path, max_examples=10_000)


@pytest.mark.parametrize(("name", "content"), FOUND, ids=lambda each: each if isinstance(each, str) else "")
def test_what_broke_an_entrance_once_is_refused(name, content, tmp_path):
    (entrance,) = [each for each in ENTRANCES if each.name == name]
    with limits(), pytest.raises(ZooError):
        entrance.enter(tmp_path, content)


def test_the_limits_stop_what_takes_too_much_memory():
    with pytest.raises(MemoryError), limits():
        bytearray(2**31)
