"""The grammar NAME[@DENSITY][:KEY=VALUE,…]."""

from __future__ import annotations

import pytest

from zoo.contestant import Contestant, expand, parse_contestant
from zoo.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "model", "density"),
    [
        ("rbm", "rbm", None),
        ("ae@gmm", "ae", "gmm"),
        ("zoo-vae/vae", "zoo-vae/vae", None),
        ("zoo-vae/vae@genzoo/gaussian", "zoo-vae/vae", "genzoo/gaussian"),
        ("zoo.vae_2/deep-vae@my-density", "zoo.vae_2/deep-vae", "my-density"),
    ],
)
def test_a_contestant_is_a_model_and_perhaps_a_density(text, model, density):
    assert parse_contestant(text) == Contestant(text, model, density)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("n=8", 8),
        ("n=-8", -8),
        ("n=1_000", 1000),
        ("n=4.0", 4.0),
        ("n=1e-3", 1e-3),
        ("n=true", True),
        ("n=false", False),
        ("n=True", "True"),
        ("n=gaussian", "gaussian"),
        ("n=a-b_2", "a-b_2"),
        ("n=inf", "inf"),
        ("n=nan", "nan"),
        ('n="a, b"', "a, b"),
        ("n='single'", "single"),
        ("n='a=b,c'", "a=b,c"),
        ('n="a=b,c"', "a=b,c"),
        (r'n="a\"=b,c"', 'a"=b,c'),
        ('n=""', ""),
        ("n=[512,256]", [512, 256]),
        ("n=[[1,2],[3]]", [[1, 2], [3]]),
        ("n = relu ", "relu"),
    ],
)
def test_a_value_is_toml_and_a_bare_word_is_a_string(setting, value):
    parsed = parse_contestant(f"vae:{setting}").config
    assert parsed == {"n": value}
    assert type(parsed["n"]) is type(value)


def test_settings_go_to_the_model_its_training_and_its_sampling():
    text = "zoo-vae/vae@gmm:latent_dim=8,train.learning_rate=0.002,likelihood=gaussian,sample.steps=5,train.clip=1"
    parsed = parse_contestant(text)
    assert parsed == Contestant(
        text,
        "zoo-vae/vae",
        "gmm",
        config={"latent_dim": 8, "likelihood": "gaussian"},
        training={"learning_rate": 0.002, "clip": 1},
        options={"steps": 5},
    )


def test_settings_of_the_density_have_a_prefix_and_a_setting_named_density_is_the_models():
    assert parse_contestant("ae@gmm:density.per_class=true").density_options == {"per_class": True}
    assert parse_contestant("m:density=0.3") == Contestant("m:density=0.3", "m", config={"density": 0.3})


def test_settings_of_a_player_are_kept_under_its_name():
    parsed = parse_contestant("gan:train.clip=1,train.critic.learning_rate=0.1,train.critic.schedule=cosine")
    assert parsed.training == {"clip": 1, "critic": {"learning_rate": 0.1, "schedule": "cosine"}}


def test_a_bare_word_may_stand_anywhere_in_the_list():
    parsed = parse_contestant("m:a=first,b=2,c=middle,train.schedule=cosine")
    assert parsed.config == {"a": "first", "b": 2, "c": "middle"}
    assert parsed.training == {"schedule": "cosine"}


@pytest.mark.parametrize(
    "text",
    ["", "@gmm", "ae@", "ae@gmm@normal", "rbm:", "a b", "a/b/c", "/vae", "vae/", "zoo-vae/@gmm", "rbm\n", "ré", ":n=1"],
)
def test_what_is_no_contestant_is_refused_with_an_example(text):
    with pytest.raises(
        ConfigError, match=r"is not a valid contestant\. Write NAME\[@DENSITY\].* for example vae@gmm:latent"
    ):
        parse_contestant(text)


@pytest.mark.parametrize(
    "settings",
    ["n", "n=", "=3", "n=1,,m=2", "n=1,", "n=1,n=2", "n=[1", "n=a b", "n=1 m=2", 'n="a', "n=1}, m={", "a=1#"],
)
def test_settings_that_are_not_toml_are_refused_with_an_example(settings):
    with pytest.raises(ConfigError, match=r"The settings of 'vae:.*' cannot be read: .* for example vae@gmm:"):
        parse_contestant(f"vae:{settings}")


@pytest.mark.parametrize(
    ("settings", "prefix"),
    [
        ("training.clip=1", "training"),
        ("train.critic.adam.beta=1", "adam"),
        ("sample.critic.steps=1", "critic"),
        ("train=3", "train"),
    ],
)
def test_a_dotted_key_has_one_of_four_prefixes(settings, prefix):
    with pytest.raises(
        ConfigError,
        match=f"'{prefix}' in .* is not a prefix; use 'train.', 'train.PLAYER.', 'sample.' or 'density.'",
    ):
        parse_contestant(f"vae:{settings}")


@pytest.mark.parametrize("text", ["vae:n=1}#junk", "vae:n=1#junk", "vae:n={a=1}", "vae:n=1} x = {"])
def test_nothing_hides_behind_the_settings(text):
    with pytest.raises(ConfigError, match="is outside quotes"):
        parse_contestant(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vae", ["vae"]),
        ("vae:beta=0.5|1|4", ["vae:beta=0.5", "vae:beta=1", "vae:beta=4"]),
        ("vae@gmm:a=1|2,b=x,c=3 | 4", [f"vae@gmm:a={a},b=x,c={c}" for a in (1, 2) for c in (3, 4)]),
        ("vae:hidden=[8]|[8,4],a=1", ["vae:hidden=[8],a=1", "vae:hidden=[8,4],a=1"]),
        ("""vae:a="x|y"|'|,'|z""", ["""vae:a="x|y\"""", "vae:a='|,'", "vae:a=z"]),
        (r"""vae:a="\"|",b=["|"]""", [r"""vae:a="\"|",b=["|"]"""]),
        ("vae|ae", ["vae|ae"]),
    ],
)
def test_several_values_of_a_setting_are_as_many_contestants(text, expected):
    assert expand(text) == expected


def test_a_grid_without_a_value_and_one_too_large_are_refused():
    for text in ("vae:beta=1|", "vae:beta=|1", "vae:beta=1||2"):
        with pytest.raises(ConfigError, match=r"must have a value on either side of '\|'; write vae:beta=0\.5\|1\|4"):
            expand(text)
    values = "|".join(map(str, range(10)))
    assert len(expand(f"vae:a={values},b={values},c={values}")) == 1000
    with pytest.raises(ConfigError, match=r"at most 1,000 contestants, got 2,000"):
        expand(f"vae:a={values},b={values},c={values},d=1|2")
