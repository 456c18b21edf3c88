"""Devices: an emulated GPU gives the processor's results to the bit, and no step of a training waits for it."""

import json
import warnings

import pytest
import torch

import zoo
from zoo.api import Registry
from zoo.builtin.controls.mixture import MixturePlugin
from zoo.conformance.emulation import MPS, PLACE, EmulatedDevice
from zoo.runtime.devices import CPU, describe_device, device_of, find_device, moved
from zoo.runtime.randomness import bernoulli, generator

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


def state_of(model):
    return {name: value.cpu() for name, value in model.module.state_dict().items()}


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_a_device_is_found_by_its_name():
    assert find_device("cpu") == CPU
    with EmulatedDevice():
        assert find_device("cuda") == find_device("cuda:0") == PLACE


@pytest.mark.parametrize("name", ["gpu", "CUDA", "cuda:", "cuda:-1", "mps:1", "Auto", ""])
def test_another_name_is_refused(name):
    with pytest.raises(zoo.ConfigError, match=r"The device must be cpu, cuda, cuda:NUMBER, mps or auto, got "):
        find_device(name)


def test_a_gpu_that_is_not_there_is_refused():
    with (
        EmulatedDevice(),
        pytest.raises(zoo.ConfigError, match=r"device 'cuda:1' is not available: torch .* sees 1 GPUs; use"),
    ):
        find_device("cuda:1")


class TestEmulation:
    """What the other tests rest on: tensors of two places do not meet."""

    def test_tensors_of_both_places_do_not_meet(self):
        with EmulatedDevice():
            x = torch.zeros(2, 3).to(PLACE)
            for meet in (lambda y: x + y, lambda y: y @ x.T, lambda y: torch.cat([x, y]), lambda y: x.lerp_(y, 0.5)):
                with pytest.raises(RuntimeError, match="on the same device"):
                    meet(torch.ones(2, 3))

    def test_what_is_computed_there_is_there(self):
        with EmulatedDevice():
            x = torch.zeros(2, 3, device=PLACE, requires_grad=True)
            found = [
                x.T,
                x[0],
                x.sum(),
                torch.zeros_like(x),
                x.new_ones(4),
                *x.split(1),
                torch.nn.Parameter(x.detach()),
            ]
            (x.exp().sum() + x.square().mean()).backward()
            assert {each.device for each in [*found, x.grad]} == {PLACE}
            assert {x.cpu().device, x.to("cpu").device, x.detach().cpu().sum().device} == {CPU}

    def test_a_scalar_of_the_processor_is_welcome_and_its_arrays_are_not(self):
        with EmulatedDevice():
            x = torch.zeros(3, device=PLACE)
            assert (x + torch.tensor(1.0)).device == PLACE
            with pytest.raises(TypeError, match="numpy"):
                x.numpy()

    def test_a_generator_draws_where_it_is(self):
        with EmulatedDevice():
            with pytest.raises(RuntimeError, match="the generator is on cpu"):
                torch.randn(3, generator=torch.Generator(), device=PLACE)
            with pytest.raises(RuntimeError, match="the generator is on cuda:0"):
                torch.randn(3, generator=zoo.runtime.randomness.generator(0, "there", PLACE))

    def test_reads_are_counted(self):
        with EmulatedDevice() as device:
            x = torch.ones(3, device=PLACE)
            assert device.reads == 0
            assert x.sum().item() == 3
            assert x.sum() > 2
            assert x.tolist() == [1, 1, 1]
            assert device.reads == 3

    def test_outside_nothing_is_left(self):
        with EmulatedDevice():
            x = torch.zeros(3, device=PLACE)
        assert x.device == CPU
        assert (x + torch.ones(3)).sum() == 3


#: a model with its own `fit`: a control, registered as a model here
FITTED = "mixture:components=5"
MODELS = ("rbm:hidden=30", "ae:latent_dim=4,train.average=0.9", "vae:k=3,resample=true", FITTED)


@pytest.fixture
def registry():
    registry = Registry()
    registry.register(MixturePlugin)
    return registry


@pytest.mark.parametrize("contestant", MODELS)
def test_a_training_on_a_device_is_the_one_on_the_processor(contestant, tmp_path, registry):
    here = registry.train(contestant, steps=30, seed=1)
    with EmulatedDevice():
        there = registry.train(contestant, steps=30, seed=1, device="cuda", folder=tmp_path / "run")
        assert there.device == PLACE
    assert_same(state_of(here), state_of(there))
    assert json.loads((tmp_path / "run" / "run.json").read_text())["device"] == "cuda:0"
    x = zoo.load_data("digits").test[:9]
    assert torch.equal(registry.load(tmp_path / "run").reconstruct(x), here.reconstruct(x))


def test_real_data_are_standardised_on_a_device_as_on_the_processor():
    x = 5 + 3 * torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    here = zoo.train("vae:latent_dim=2", x, steps=20)
    with EmulatedDevice():
        there = zoo.train("vae:latent_dim=2", x, steps=20, device="cuda")
        reconstructed = there.reconstruct(x[:9])
    assert_same(state_of(here), state_of(there))
    assert torch.equal(reconstructed, here.reconstruct(x[:9]))


def test_early_stopping_validates_on_a_device_as_on_the_processor():
    setting = "vae:latent_dim=2,train.patience=1"
    here = zoo.train(setting, epochs=3)
    with EmulatedDevice():
        there = zoo.train(setting, epochs=3, device="cuda")
    assert_same(state_of(here), state_of(there))


def test_a_model_answers_where_it_is_asked_from():
    data = zoo.load_data("digits")
    x = data.test[:20].round()
    here = zoo.train("vae:latent_dim=4", data, steps=20)
    with EmulatedDevice():
        there = zoo.train("vae:latent_dim=4", data, steps=20).to("cuda")
        assert there.device == PLACE
        codes = there.encode(x)
        assert codes.device == there.decode(codes).device == there.log_prob_codes(codes).device == CPU
        assert there.encode(x.to(PLACE)).device == there.log_prob(x.to(PLACE), k=5)[0].nats.device == PLACE
        assert there.sample(3, seed=0).device == CPU
        found = there.log_prob(x, k=5)[0].nats
    assert torch.equal(found, here.log_prob(x, k=5)[0].nats)


@pytest.mark.parametrize(
    ("contestant", "within"),
    [("vae@gmm:latent_dim=3", 0), ("ae@gmm:latent_dim=3,sample.decoder_noise=bernoulli", 0.2)],
)
def test_a_latent_density_stays_on_the_processor(contestant, within):
    """The AE's proposal is made from draws of the density, which on a device have another seed."""
    data = zoo.load_data("digits")
    x = data.test[:20].round()
    here = zoo.train(contestant, data, steps=20)
    with EmulatedDevice():
        there = zoo.train(contestant, data, steps=20, device="cuda")
        found, samples = there.log_prob(x, k=500)[0].nats, [there.sample(2000, seed=seed) for seed in (0, 0, 1)]
        codes = there.sample_codes(4, seed=0)
    torch.testing.assert_close(found.mean(), here.log_prob(x, k=500)[0].nats.mean(), atol=within, rtol=0)
    assert {value.device for value in there.density.state.values()} == {codes.device} == {CPU}
    assert torch.equal(samples[0], samples[1])
    assert not torch.equal(samples[0], samples[2])
    assert not torch.equal(samples[0][0], samples[0][1024])  # each block draws codes of its own


def test_a_run_goes_on_on_its_device(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    zoo.train("rbm:hidden=10", steps=10, folder=here)
    wanted = zoo.resume(here, steps=20, allow_changes=True)
    with EmulatedDevice():
        zoo.train("rbm:hidden=10", steps=10, folder=there, device="cuda")
        found = zoo.resume(there, steps=20, allow_changes=True)
        assert found.device == PLACE
    assert_same(state_of(wanted), state_of(found))


def test_a_run_goes_on_elsewhere_only_where_that_is_allowed(tmp_path):
    with EmulatedDevice():
        zoo.train("rbm:hidden=10", steps=10, folder=tmp_path, device="cuda")
    with pytest.raises(zoo.CheckpointError, match=r"device.*cuda:0.*cpu.*--allow-changes"):
        zoo.resume(tmp_path, device="cpu")
    assert zoo.resume(tmp_path, steps=12, device="cpu", allow_changes=True).device == CPU


def test_a_run_from_before_there_were_devices_goes_on_on_the_processor(tmp_path):
    zoo.train("rbm:hidden=10", steps=10, folder=tmp_path)
    record = json.loads((tmp_path / "run.json").read_text())
    del record["device"]
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert zoo.resume(tmp_path, steps=12, allow_changes=True).device == CPU


@pytest.mark.parametrize(
    "contestant",
    [
        "rbm:hidden=20,train.clip=1,train.average=0.9,weight_decay=0.01",
        "rbm:hidden=20,algorithm=cd,centred=false",
        "ae:latent_dim=4",
        "ae:latent_dim=4,noise=0.1",
        "vae:latent_dim=4",
        "vae:latent_dim=4,k=3",
        "vae:network=conv,channels=[4],train.optimiser=sgd,train.momentum=0.5",
    ],
)
def test_no_step_waits_for_the_device(contestant):
    """With 18 steps in an epoch, losses are read at the end of a training, however many steps it has."""
    reads = []
    for steps in (3, 15):
        with EmulatedDevice() as device:
            zoo.train(contestant, steps=steps, device="cuda")
            reads.append(device.reads)
    assert reads[0] == reads[1]


def test_a_module_without_tensors_is_on_the_processor():
    assert device_of(torch.nn.Module()) == CPU


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_comparison_on_a_gpu_that_is_not_there_is_refused_before_any_training(tmp_path, compare):
    with pytest.raises(zoo.ConfigError, match="The device 'cuda' is not available"):
        compare(zoo, ["ae@normal:latent_dim=2,hidden=[8]"], device="cuda", seeds=1, steps=1, out=tmp_path)
    assert not any(tmp_path.iterdir())


@GPU
@pytest.mark.parametrize("contestant", [*MODELS, "ae@gmm:latent_dim=4"])
def test_a_model_trains_and_samples_on_a_gpu(contestant, tmp_path, registry):
    model = registry.train(contestant, steps=30, device="cuda", folder=tmp_path / "run")
    assert model.device.type == "cuda"
    here = registry.load(tmp_path / "run")
    x = zoo.load_data("digits").test[:20]
    torch.testing.assert_close(model.reconstruct(x), here.reconstruct(x), atol=1e-3, rtol=1e-3)
    assert torch.equal(model.sample(20, seed=0), model.sample(20, seed=0))


@GPU
@pytest.mark.parametrize("contestant", ["rbm:hidden=20", "ae:latent_dim=4", "vae:latent_dim=4"])
def test_no_step_waits_for_a_gpu(contestant):
    """As often as CUDA warns of a wait in a training of 3 steps, so often does it in one of 15."""
    waits = []
    zoo.train(contestant, steps=3, device="cuda")  # what is loaded at the first use
    torch.cuda.set_sync_debug_mode("warn")
    try:
        for steps in (3, 15):
            with warnings.catch_warnings(record=True) as found:
                warnings.simplefilter("always")
                zoo.train(contestant, steps=steps, device="cuda")
            waits.append(len([each for each in found if "synchroniz" in str(each.message)]))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert waits[0] == waits[1]


@GPU
def test_a_comparison_on_a_gpu_has_all_its_figures(tmp_path, compare):
    found = compare(zoo, ["vae", "ae@normal"], device="cuda", seeds=2, epochs=2, out=tmp_path)
    assert not found.failed
    assert found.results["protocol"]["device"].startswith("cuda, ")


class TestMac:
    """The GPU of a Mac, emulated: its tensors may not be float64. Nothing here was run on a Mac."""

    def test_it_is_found_and_auto_is_the_first_that_is_there(self):
        assert find_device("auto") == CPU
        with EmulatedDevice(MPS):
            assert find_device("mps") == find_device("auto") == MPS
            assert describe_device(MPS) == "an emulation"
        with EmulatedDevice():
            assert find_device("auto") == PLACE

    @pytest.mark.skipif(torch.backends.mps.is_available(), reason="this is a Mac")
    def test_it_is_refused_elsewhere(self):
        with pytest.raises(zoo.ConfigError, match=r"'mps' is not available: torch .* sees no GPU of a Mac; use cpu"):
            find_device("mps")

    def test_the_emulation_refuses_float64(self):
        with EmulatedDevice(MPS):
            x = torch.zeros(3, dtype=torch.float64)
            for wrong in (
                lambda: x.to(MPS),
                lambda: x.float().to(MPS).double(),
                lambda: torch.zeros(3, device=MPS).to(x),
            ):
                with pytest.raises((TypeError, RuntimeError)):
                    wrong()
            assert moved(x, MPS).dtype == torch.float32

    @pytest.mark.parametrize(
        "contestant",
        ["rbm:hidden=8", "ae@gmm:latent_dim=3", "vae@gmm:latent_dim=3,k=3", "vae:latent_dim=2,train.average=0.9"],
    )
    def test_a_model_trains_samples_and_scores_there(self, contestant, tmp_path, registry):
        data = zoo.load_data("digits")
        x = data.test[:20].round()
        with EmulatedDevice(MPS):
            there = registry.train(contestant, data, steps=10, device="auto", folder=tmp_path / "run")
            assert there.device == MPS
            here = registry.load(tmp_path / "run")
            assert torch.equal(there.reconstruct(x), here.reconstruct(x))
            assert torch.equal(there.sample(9, seed=0), there.sample(9, seed=0))
            if there.plugin.implements("log_prob") and not contestant.startswith("ae"):
                (found,), (wanted,) = there.log_prob(x), here.log_prob(x)
                assert torch.equal(found.nats, wanted.nats)
                assert there.log_prob(x.to(MPS))[0].nats.dtype == torch.float32
            there.diagnose(x, x)
        assert json.loads((tmp_path / "run" / "run.json").read_text())["device"] == "mps:0"

    def test_a_model_with_its_own_fit_stays_on_the_processor(self, tmp_path, registry):
        """Such models compute in float64 wherever they like."""
        with EmulatedDevice(MPS):
            there = registry.train(FITTED, steps=10, device="mps", folder=tmp_path)
            assert there.device == registry.load(tmp_path, device="mps").device == there.to("mps").device == CPU
        assert json.loads((tmp_path / "run.json").read_text())["device"] == "cpu"

    def test_data_of_float64_and_codes_of_classes_are_float32_there(self):
        draws = torch.Generator().manual_seed(0)
        x = torch.randn(200, 2, generator=draws, dtype=torch.float64) + 1.7e9
        data = zoo.Data.from_arrays(x, torch.arange(200) % 2)
        assert data.train.dtype == torch.float64
        with EmulatedDevice(MPS):
            there = zoo.train("vae@gmm:latent_dim=2,hidden=[8],density.per_class=true", data, steps=5, device="mps")
            assert there.sample(7, seed=0).dtype == there.reconstruct(data.test[:3]).dtype == torch.float64
            assert there.sample_codes(4, seed=0).device == CPU

    def test_a_run_is_resumed_there(self, tmp_path):
        with EmulatedDevice(MPS):
            zoo.train("rbm:hidden=10", steps=10, folder=tmp_path, device="mps")
            assert zoo.resume(tmp_path, steps=20, allow_changes=True).device == MPS

    def test_bits_have_their_probabilities(self):
        p = torch.tensor([0.0, 0.25, 1.0]).repeat(20_000, 1)
        with EmulatedDevice(MPS):
            b = bernoulli(p.to(MPS), generator(0, "bits", MPS)).cpu()
        low, mean, high = b.mean(0).tolist()
        assert (low, high) == (0, 1)
        assert abs(mean - 0.25) < 4 * (0.25 * 0.75 / len(b)) ** 0.5
