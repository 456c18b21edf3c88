"""Bare loops: only the arithmetic of a race: `python bare.py CASE DATA`."""

import math
import sys

import numpy as np
import torch
import torch.nn.functional as F
from serve import serve
from sizes import (
    ADAM,
    ANNEALED,
    BATCH,
    CHAINS,
    CHANNELS,
    CODE,
    DECODED,
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
from torch import nn

torch.set_num_threads(THREADS)
torch.set_default_device(DEVICE)
torch.manual_seed(0)


class Bits:
    """Bits from 16-bit thresholds, four per 64-bit draw, in preallocated buffers."""

    def __init__(self, rows: int, columns: int) -> None:
        self.draws = torch.empty(-(-rows * columns // 4), dtype=torch.int64)
        self.u = torch.empty(rows, columns)
        self.bits = torch.empty(rows, columns)

    def __call__(self, p: torch.Tensor) -> torch.Tensor:
        self.draws.random_(-(2**63), None)
        self.u.copy_(self.draws.view(torch.int16)[: self.u.numel()].view(self.u.shape))
        self.u.mul_(2**-16).add_(0.5)
        return torch.lt(self.u, p, out=self.bits)


def uniform(rows: int, columns: int):
    u, bits = torch.empty(rows, columns), torch.empty(rows, columns)
    return lambda p: torch.lt(u.uniform_(), p, out=bits)


def cd(x: torch.Tensor, k: int, source):
    """CD-k with plain SGD, both phases in one product."""
    W, b, c = 0.01 * torch.randn(V, H), torch.zeros(V), torch.zeros(H)
    draw_h, draw_v = source(BATCH, H), source(BATCH, V)
    v, h = torch.empty(2 * BATCH, V), torch.empty(2 * BATCH, H)
    sign = torch.cat([torch.full((BATCH, 1), 1 / BATCH), torch.full((BATCH, 1), -1 / BATCH)])

    def work() -> None:
        order = torch.randperm(len(x))
        for step in range(STEPS):
            torch.index_select(x, 0, order[step * BATCH : (step + 1) * BATCH], out=v[:BATCH])
            torch.sigmoid(torch.addmm(c, v[:BATCH], W), out=h[:BATCH])
            p = h[:BATCH]
            for _ in range(k):
                q = torch.sigmoid_(torch.addmm(b, draw_h(p), W.T))
                v[BATCH:] = draw_v(q)
                p = torch.sigmoid_(torch.addmm(c, v[BATCH:], W))
            h[BATCH:] = p
            signed = v * sign
            W.addmm_(signed.T, h, alpha=RATE)
            b.add_(signed.sum(0), alpha=RATE)
            c.add_((h * sign).sum(0), alpha=RATE)

    return work


def cd_products(x: torch.Tensor):
    """Only the four products of a CD-1 step, in this order: the most that any other work could leave."""
    W, v, h = 0.01 * torch.randn(V, H), x[: 2 * BATCH].clone(), torch.rand(2 * BATCH, H)
    a, o = torch.empty(BATCH, H), torch.empty(BATCH, V)

    def work() -> None:
        for _ in range(STEPS):
            torch.mm(v[:BATCH], W, out=a)
            torch.mm(h[:BATCH], W.T, out=o)
            torch.mm(v[BATCH:], W, out=a)
            W.addmm_(v.T, h, alpha=1e-9)

    return work


def gibbs_products(x: torch.Tensor):
    """Only the two products of a Gibbs step."""
    W, v, h = 0.1 * torch.randn(V, H), x[:1000].clone(), torch.rand(1000, H)
    a, o = torch.empty(1000, H), torch.empty(1000, V)

    def work() -> None:
        for _ in range(CHAINS // 1000 * GIBBS):
            torch.mm(v, W, out=a)
            torch.mm(h, W.T, out=o)

    return work


def networks() -> tuple[nn.Module, nn.Module]:
    def chain(code: int) -> tuple[nn.Module, nn.Module]:
        encoder = nn.Sequential(nn.Linear(V, WIDE), nn.ReLU(), nn.Linear(WIDE, code))
        return encoder, nn.Sequential(nn.Linear(CODE, WIDE), nn.ReLU(), nn.Linear(WIDE, V))

    return chain


def trained(x: torch.Tensor, loss, parameters: list[nn.Parameter]):
    optimiser = torch.optim.Adam(parameters, lr=ADAM, fused=True)

    def work() -> None:
        order = torch.randperm(len(x))
        for step in range(STEPS):
            optimiser.zero_grad(set_to_none=True)
            loss(x.index_select(0, order[step * BATCH : (step + 1) * BATCH])).backward()
            optimiser.step()

    return work


def convolutions() -> tuple[nn.Module, nn.Module]:
    wide, narrow = CHANNELS
    conv = {"kernel_size": 3, "stride": 2, "padding": 1}
    encoder = nn.Sequential(
        *(nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, wide, **conv), nn.ReLU(), nn.Conv2d(wide, narrow, **conv)),
        *(nn.ReLU(), nn.Flatten(), nn.Linear(narrow * 7 * 7, 2 * CODE)),
    )
    decoder = nn.Sequential(
        *(nn.Linear(CODE, narrow * 7 * 7), nn.ReLU(), nn.Unflatten(1, (narrow, 7, 7))),
        *(nn.ConvTranspose2d(narrow, wide, output_padding=1, **conv), nn.ReLU()),
        *(nn.ConvTranspose2d(wide, 1, output_padding=1, **conv), nn.Flatten()),
    )
    return encoder, decoder


def vae(x: torch.Tensor, encoder: nn.Module, decoder: nn.Module):
    def loss(batch: torch.Tensor) -> torch.Tensor:
        mu, raw = encoder(batch).chunk(2, dim=1)
        sigma = F.softplus(raw)
        o = decoder(mu + sigma * torch.randn_like(sigma))
        kl = (mu.square() + sigma.square() - 1) / 2 - sigma.log()
        return (kl.sum(1) - (batch * o - F.softplus(o)).sum(1)).mean()

    return trained(x, loss, [*encoder.parameters(), *decoder.parameters()])


def vae_by_hand(x: torch.Tensor):
    """The same step with explicit derivatives and all parameters in one vector: an upper limit for autograd."""
    shapes = [(V, WIDE), (WIDE,), (WIDE, 2 * CODE), (2 * CODE,), (CODE, WIDE), (WIDE,), (WIDE, V), (V,)]
    sizes = [math.prod(shape) for shape in shapes]
    theta, gradient, first, second = (torch.zeros(sum(sizes)) for _ in range(4))
    W1, b1, W2, b2, W3, b3, W4, b4 = (part.view(shape) for part, shape in zip(theta.split(sizes), shapes, strict=True))
    gradients = [part.view(shape) for part, shape in zip(gradient.split(sizes), shapes, strict=True)]
    for W in (W1, W2, W3, W4):
        W.uniform_(-(len(W) ** -0.5), len(W) ** -0.5)
    count = torch.zeros(())

    def step(batch: torch.Tensor) -> None:
        h = torch.addmm(b1, batch, W1).relu_()
        mu, raw = torch.addmm(b2, h, W2).chunk(2, dim=1)
        sigma, epsilon = F.softplus(raw), torch.randn(BATCH, CODE)
        z = torch.addcmul(mu, sigma, epsilon)
        g = torch.addmm(b3, z, W3).relu_()
        d_o = torch.addmm(b4, g, W4).sigmoid_().sub_(batch).div_(BATCH)
        d_g = (d_o @ W4.T).mul_(g > 0)
        d_z = d_g @ W3.T
        d_raw = (d_z * epsilon + (sigma - 1 / sigma) / BATCH) * raw.sigmoid()
        d_code = torch.cat([d_z + mu / BATCH, d_raw], dim=1)
        d_h = (d_code @ W2.T).mul_(h > 0)
        for place, (below, above) in enumerate([(batch, d_h), (h, d_code), (z, d_g), (g, d_o)]):
            torch.mm(below.T, above, out=gradients[2 * place])
            torch.sum(above, 0, out=gradients[2 * place + 1])
        count.add_(1)
        torch._fused_adam_(
            [theta],
            [gradient],
            [first],
            [second],
            [],
            [count],
            lr=ADAM,
            beta1=0.9,
            beta2=0.999,
            weight_decay=0.0,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )

    def work() -> None:
        order = torch.randperm(len(x))
        for index in order[:IMAGES].split(BATCH):
            step(x.index_select(0, index))

    return work


def ae(x: torch.Tensor):
    encoder, decoder = networks()(CODE)

    def loss(batch: torch.Tensor) -> torch.Tensor:
        return (decoder(encoder(batch)).sigmoid() - batch).square().sum(1).mean()

    return trained(x, loss, [*encoder.parameters(), *decoder.parameters()])


def decode(x: torch.Tensor):
    decoder = networks()(CODE)[1]
    z = torch.randn(DECODED, CODE)

    @torch.no_grad()
    def work() -> None:
        torch.cat([decoder(block).sigmoid() for block in z.split(4096)])

    return work


def gibbs(x: torch.Tensor):
    W, b, c = 0.1 * torch.randn(V, H), torch.zeros(V), torch.zeros(H)
    draw_h, draw_v, v = Bits(1000, H), Bits(1000, V), (torch.rand(CHAINS, V) < 0.5).float()

    def work() -> None:
        for block in v.split(1000):
            for _ in range(GIBBS):
                h = draw_h(torch.sigmoid_(torch.addmm(c, block, W)))
                block.copy_(draw_v(torch.sigmoid_(torch.addmm(b, h, W.T))))

    return work


def ais(x: torch.Tensor):
    W, b, c = 0.1 * torch.randn(V, H), torch.zeros(V), torch.zeros(H)
    draw_h, draw_v = Bits(ANNEALED, H), Bits(ANNEALED, V)

    def work() -> None:
        v, log_w = (torch.rand(ANNEALED, V) < 0.5).float(), torch.zeros(ANNEALED, dtype=torch.float64)
        for k in range(TEMPERATURES):
            before, after = k / TEMPERATURES, (k + 1) / TEMPERATURES
            a = torch.addmm(c, v, W)
            log_w += (F.softplus(after * a) - F.softplus(before * a)).sum(1)
            h = draw_h(torch.sigmoid_(a.mul_(after)))
            v = draw_v(torch.sigmoid_(torch.addmm(b, h, W.T, alpha=after)))
        log_w.logsumexp(0) - math.log(ANNEALED)

    return work


CASES = {
    "rbm-cd1": lambda x: cd(x, 1, Bits),
    "rbm-cd1-uniform": lambda x: cd(x, 1, uniform),
    "rbm-cd1-products": cd_products,
    "rbm-cd10": lambda x: cd(x, 10, Bits),
    "vae": lambda x: vae(x, *networks()(2 * CODE)),
    "conv": lambda x: vae(x, *convolutions()),
    "vae-by-hand": vae_by_hand,
    "ae": ae,
    "decode": decode,
    "gibbs": gibbs,
    "gibbs-products": gibbs_products,
    "ais": ais,
}

if __name__ == "__main__":
    case, path = sys.argv[1:]
    serve(CASES[case](torch.from_numpy(np.load(path)).float().to(DEVICE)))
