"""The peers in a race, each with its own trainer or sampler, in a separate environment: `peers.py NAME DATA`."""

import os
import sys
import tempfile

import numpy as np
import torch
from serve import serve
from sizes import (
    ADAM,
    ANNEALED,
    BATCH,
    CHAINS,
    CODE,
    DEVICE,
    GIBBS,
    IMAGES,
    RATE,
    STEPS,
    TEMPERATURES,
    THREADS,
    WIDE,
    H,
    V,
)

torch.set_num_threads(THREADS)
torch.manual_seed(0)


def sklearn_pcd1(x: torch.Tensor):
    from sklearn.neural_network import BernoulliRBM

    model = BernoulliRBM(n_components=H, learning_rate=RATE, batch_size=BATCH, n_iter=1, random_state=0)
    return lambda: void(model.fit(x[:IMAGES].numpy().astype(np.float32)))


def sklearn_gibbs(x: torch.Tensor):
    from sklearn.neural_network import BernoulliRBM

    model = BernoulliRBM(n_components=H, random_state=0, n_iter=1).fit(x[:256].numpy().astype(np.float32))
    v = (torch.rand(CHAINS, V) < 0.5).numpy()

    def work() -> None:
        chains = v
        for _ in range(GIBBS):
            chains = model.gibbs(chains)

    return work


def rbms_machine(x: torch.Tensor):
    from rbms.bernoulli_bernoulli.classes import BBRBM

    machine = BBRBM(0.01 * torch.randn(V, H), torch.zeros(V), torch.zeros(H))
    for parameter in machine.parameters():
        parameter.grad = torch.zeros_like(parameter)
    return machine


def rbms_training(x: torch.Tensor, k: int, persistent: bool):
    from rbms.training.pcd import fit_batch_pcd

    machine = rbms_machine(x)
    optimiser = torch.optim.SGD(machine.parameters(), lr=RATE, maximize=True)
    weights = torch.ones(BATCH, 1)
    chains = machine.init_chains(num_samples=BATCH)

    def work() -> None:
        nonlocal chains
        order = torch.randperm(len(x))
        for step in range(STEPS):
            batch = x[order[step * BATCH : (step + 1) * BATCH]]
            start = chains if persistent else machine.init_chains(num_samples=BATCH, start_v=batch)
            optimiser.zero_grad(set_to_none=False)
            chains, _ = fit_batch_pcd((batch, weights), start, machine, k, 1.0, centered=False)
            optimiser.step()

    return work


def rbms_gibbs(x: torch.Tensor):
    machine = rbms_machine(x)
    chains = machine.init_chains(num_samples=CHAINS)
    return lambda: void(machine.sample_state(chains=chains, n_steps=GIBBS))


def rbms_ais(x: torch.Tensor):
    from rbms.partition_function.ais import compute_partition_function_ais

    machine = rbms_machine(x)
    return lambda: void(compute_partition_function_ais(num_chains=ANNEALED, num_beta=TEMPERATURES + 1, params=machine))


def learnergy_cd1(x: torch.Tensor):
    from learnergy.models.bernoulli import RBM

    model = RBM(n_visible=V, n_hidden=H, steps=1, learning_rate=RATE)
    rows = x[:IMAGES]
    dataset = torch.utils.data.TensorDataset(rows, torch.zeros(len(rows)))
    return lambda: void(model.fit(dataset, batch_size=BATCH, epochs=1))


def pythae(x: torch.Tensor, variational: bool):
    from pythae.models import AE, VAE, AEConfig, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.body = torch.nn.Sequential(torch.nn.Linear(V, WIDE), torch.nn.ReLU())
            self.heads = torch.nn.ModuleList(torch.nn.Linear(WIDE, CODE) for _ in range(1 + variational))

        def forward(self, batch: torch.Tensor) -> ModelOutput:
            wide = self.body(batch.flatten(1))
            names = ("embedding", "log_covariance")
            return ModelOutput(**{name: head(wide) for name, head in zip(names, self.heads, strict=False)})

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.body = torch.nn.Sequential(
                torch.nn.Linear(CODE, WIDE), torch.nn.ReLU(), torch.nn.Linear(WIDE, V), torch.nn.Sigmoid()
            )

        def forward(self, z: torch.Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.body(z).view(-1, 1, 28, 28))

    rows = x[:IMAGES].reshape(-1, 1, 28, 28)
    if variational:
        config = VAEConfig(input_dim=(1, 28, 28), latent_dim=CODE, reconstruction_loss="bce")
        model = VAE(config, encoder=Encoder(), decoder=Decoder())
    else:
        model = AE(AEConfig(input_dim=(1, 28, 28), latent_dim=CODE), encoder=Encoder(), decoder=Decoder())
    from pythae.data.datasets import BaseDataset

    dataset = BaseDataset(rows, torch.zeros(len(rows)))

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            settings = BaseTrainerConfig(
                output_dir=folder,
                num_epochs=1,
                learning_rate=ADAM,
                per_device_train_batch_size=BATCH,
                optimizer_cls="Adam",
                no_cuda=DEVICE == "cpu",
            )
            BaseTrainer(model, dataset, training_config=settings).train()

    return work


def void(_: object) -> None:
    """Return None, so that `serve` measures the time of the round."""


PEERS = {
    "sklearn-pcd1": sklearn_pcd1,
    "sklearn-gibbs": sklearn_gibbs,
    "rbms-cd1": lambda x: rbms_training(x, 1, persistent=False),
    "rbms-pcd1": lambda x: rbms_training(x, 1, persistent=True),
    "rbms-cd10": lambda x: rbms_training(x, 10, persistent=False),
    "rbms-gibbs": rbms_gibbs,
    "rbms-ais": rbms_ais,
    "learnergy-cd1": learnergy_cd1,
    "pythae-vae": lambda x: pythae(x, variational=True),
    "pythae-ae": lambda x: pythae(x, variational=False),
}

if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"
    name, path = sys.argv[1:]
    x = torch.from_numpy(np.load(path)).float()
    if not name.startswith(("sklearn", "pythae")):  # the first has no GPU, the second moves its data
        torch.set_default_device(DEVICE)
        x = x.to(DEVICE)
    serve(PEERS[name](x))
