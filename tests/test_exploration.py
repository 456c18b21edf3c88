"""What `zoo explore` computes, without a page: chains, free energies, neighbours, points of a map."""

import math

import pytest
import torch

import zoo
from tests.mutants import CoinsPlugin
from tests.stepwise import StepwisePlugin
from zoo.exploration.chain import Chain, free_energies, run_chain
from zoo.exploration.explorer import Explorer
from zoo.exploration.neighbours import Neighbours

DATA = zoo.load_data("bars-and-stripes:3")


@pytest.fixture(scope="module")
def rbm():
    model = zoo.create("rbm", DATA, seed=0, hidden=5)
    with torch.no_grad():
        for each in (model.module.W, model.module.b, model.module.c):
            each.normal_(generator=torch.Generator().manual_seed(len(each)))
    return model


@pytest.fixture(scope="module")
def vae():
    return zoo.train("vae", DATA, seed=0, steps=60, latent_dim=3, hidden=[8], progress=False)


@pytest.fixture(scope="module")
def fitted():
    return zoo.train("vae@gaussian", DATA, seed=0, steps=60, latent_dim=3, hidden=[8], progress=False)


@pytest.fixture(scope="module")
def explorer(vae, fitted):
    return Explorer({"vae": vae, "vae@gaussian": fitted}, DATA)


# The chain of an RBM


def test_free_energies_by_encode_and_decode_are_those_of_the_machine(rbm):
    chain = run_chain(rbm, torch.tensor([1.0, 0, 0, 1, 1]), 20, seed=3)
    F = rbm.module.free_energy(chain.v.flatten(1))
    torch.testing.assert_close(free_energies(rbm, chain), (F - F[0]).detach().double(), atol=1e-4, rtol=0)
    assert F.std() > 0.1


def test_hidden_units_of_a_long_chain_have_their_exact_means(rbm):
    states = torch.tensor([[float(bit) for bit in f"{n:05b}"] for n in range(32)])
    p = rbm.log_prob_codes(states).exp()
    assert p.sum().item() == pytest.approx(1)
    exact = p @ states.double()
    h = run_chain(rbm, torch.zeros(5), 600, seed=0).h[1:].double()
    blocks = h.view(20, 30, 5).mean(1)  # longer than the chain remembers
    assert ((h.mean(0) - exact).abs() < 4 * blocks.std(0) / 20**0.5).all()


def test_images_of_a_chain_are_the_means_of_its_hidden_units_and_flips_count_their_changes(rbm):
    chain = run_chain(rbm, torch.ones(5), 6, seed=1)
    torch.testing.assert_close(chain.means, rbm.decode(chain.h))
    assert torch.equal(chain.h[0], torch.ones(5))
    assert set(chain.v.unique().tolist()) <= {0.0, 1.0}
    assert Chain(chain.means, chain.v, torch.tensor([[0.0, 1], [1, 1], [0, 0]])).flips == [1, 2]


def test_the_same_seed_gives_the_first_steps_of_a_longer_chain(rbm):
    short, long = (run_chain(rbm, torch.ones(5), steps, seed=1) for steps in (3, 9))
    assert torch.equal(short.v, long.v[:4])


def test_conditionals_of_two_machines_have_no_free_energy(rbm, monkeypatch):
    chain = run_chain(rbm, torch.tensor([1.0, 0, 0, 1, 1]), 30, seed=3)
    monkeypatch.setattr(rbm.module, "mean_v", lambda h: torch.sigmoid(h @ rbm.module.W.T.flip(1)))
    with pytest.raises(zoo.Unsupported, match="not the conditionals of one distribution"):
        free_energies(rbm, chain)


def test_a_chain_needs_codes_of_bits(vae):
    with pytest.raises(zoo.Unsupported, match="codes of bits"):
        run_chain(vae, torch.zeros(3), 1, seed=0)


# Neighbours


def test_the_nearest_training_example_is_that_of_the_smallest_difference():
    train = torch.rand(40, 3, 3, generator=torch.Generator().manual_seed(0))
    x = torch.rand(3, 3, generator=torch.Generator().manual_seed(1))
    distances = (train - x).square().sum((1, 2)).sqrt()
    found, distance = Neighbours(train).nearest(x)
    assert torch.equal(found, train[distances.argmin()])
    assert distance == pytest.approx(distances.min().item(), rel=1e-6)
    assert Neighbours(train).nearest(train[7])[1] == 0


# The explorer


def test_each_model_decodes_the_same_code_and_says_its_density(explorer, vae, fitted):
    h = torch.tensor([0.3, -1.0, 0.5], dtype=torch.float64)
    plain, dense = explorer.seen(h)
    assert (plain.name, dense.name) == ("vae", "vae@gaussian")
    assert torch.equal(plain.image, vae.decode(h[None].float())[0])
    assert plain.nats == pytest.approx(-0.5 * (0.09 + 1 + 0.25) - 1.5 * math.log(2 * math.pi), abs=1e-5)
    m, L = fitted.density.state["mean"], fitted.density.state["cholesky"]
    normal = torch.distributions.MultivariateNormal(m, scale_tril=L)
    assert dense.nats == pytest.approx(normal.log_prob(h).item(), abs=1e-4)
    assert torch.equal(plain.neighbour, Neighbours(DATA.train).nearest(plain.image)[0])


def test_a_point_on_a_code_is_that_code_and_any_other_one_of_the_plane(explorer, vae):
    found = explorer.maps["vae"]
    assert torch.equal(found.h, vae.encode(DATA.test).double())
    on = found.plane.of(found.h[3:4])[0] + 1e-4
    torch.testing.assert_close(explorer.at("vae", tuple(on.tolist())), found.h[3], atol=2e-3, rtol=0)
    away = (found.across[-1].item(), found.up[0].item())
    h = explorer.at("vae", away)
    torch.testing.assert_close(found.plane.of(h[None])[0], torch.tensor(away, dtype=torch.float64))
    torch.testing.assert_close(h, found.plane.at(torch.tensor([away]))[0])


def test_the_density_of_a_map_is_that_of_its_points(explorer, vae):
    found = explorer.maps["vae"]
    row, column = 11, 40
    h = found.plane.at(torch.stack([found.across[column], found.up[row]])[None])
    assert found.density[row, column].item() == pytest.approx(vae.log_prob_codes(h).item(), abs=1e-4)
    assert found.plane.of(found.draws["N(0, I)"]).abs().max() < max(found.across.abs().max(), found.up.abs().max())


def test_codes_of_bits_have_no_points_between_them(rbm):
    explorer = Explorer({"rbm": rbm}, DATA)
    found = explorer.maps["rbm"]
    assert found.density is None
    assert list(found.draws) == ["drawn by rbm"]
    h = explorer.at("rbm", (0.1, 0.2))
    assert set(h.tolist()) <= {0.0, 1.0}
    (seen,) = explorer.seen(h)
    assert seen.nats == pytest.approx(rbm.log_prob_codes(h[None]).item(), abs=1e-4)


def test_a_draw_is_one_of_the_model(explorer, vae):
    assert torch.equal(explorer.draw("vae", 5), vae.sample_codes(1, seed=5)[0].double())


def test_models_of_other_codes_or_data_are_refused(vae, rbm):
    with pytest.raises(zoo.ConfigError, match=r"one shape and type, got vae 3 real, rbm 5 bits\."):
        Explorer({"vae": vae, "rbm": rbm}, DATA)
    with pytest.raises(
        zoo.ConfigError, match=r"vae is a model of examples of shape \(3, 3\) .*, got data of shape \(8, 8\)"
    ):
        Explorer({"vae": vae}, zoo.Data.from_arrays(torch.rand(40, 8, 8), name="larger"))
    table = zoo.Data.from_arrays(torch.rand(40, 5), name="table")
    with pytest.raises(
        zoo.Unsupported, match=r"Only models of images can be explored, and examples of table have shape \(5,\)\."
    ):
        Explorer({"vae": vae}, table)


# Paths from noise


@pytest.fixture(scope="module")
def stepwise():
    registry = zoo.Registry()
    registry.register(StepwisePlugin)
    return registry.create("steps", DATA, seed=0)


def test_a_model_without_codes_has_a_path_and_no_map(stepwise, vae):
    explorer = Explorer({"steps": stepwise, "vae": vae}, DATA)
    assert (list(explorer.models), list(explorer.samplers)) == (["vae"], ["steps"])
    assert list(explorer.maps) == ["vae"]
    torch.testing.assert_close(explorer.path("steps", 4), stepwise.sample_path(1, seed=4)[:, 0])
    assert Explorer({"steps": stepwise}, DATA).maps == {}


def test_a_long_path_is_shown_from_its_first_state_to_its_last(stepwise, monkeypatch):
    monkeypatch.setattr("zoo.exploration.explorer.STATES", 3)
    states = stepwise.sample_path(1, seed=0)[:, 0]
    torch.testing.assert_close(Explorer({"steps": stepwise}, DATA).path("steps", 0), states[[0, 2, 3]])


def test_a_model_with_neither_codes_nor_a_path_is_refused():
    registry = zoo.Registry()
    registry.register(CoinsPlugin)
    with pytest.raises(zoo.Unsupported, match="pixels cannot be explored"):
        Explorer({"pixels": registry.create("coins", DATA)}, DATA)
