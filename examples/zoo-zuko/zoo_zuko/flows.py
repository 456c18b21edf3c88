"""The flows of zuko 1.6, built so that they start close to the identity.

A flow is an invertible map f from x (V,) to z (V,) with z ~ N(0, I), so that

    log p(x) = log N(f(x); 0, I) + log |det ∂f(x)/∂x|                       nats

Most chain T transformations; in each, the map of x_i is monotone and its parameters depend on other values of x:

    maf     x_i e^{a_i} + b_i                                            affine (Papamakarios et al., 2017)
    nice    the same, in a coupling: half of the values pass unchanged   RealNVP (Dinh et al., 2017)
    nsf     a rational-quadratic spline of K bins on [-5, 5], the identity outside (Durkan et al., 2019)
    bpf     a Bernstein polynomial on [-5, 5], the identity outside (Sick et al., 2020)
    sospf   the integral of a sum of squared polynomials (Jaini et al., 2019)
    naf     a monotone network with positive weights (Huang et al., 2018)
    unaf    the integral of a positive network (Wehenkel & Louppe, 2019)
    gf      Φ⁻¹(1/K Σ_k Φ(e^{a_ik} x_i + b_ik)) with a, b independent of x, rotations in between (Meng et al., 2020)
    cnf     x(1) of dx/dt = g(x, t), x(0) = x, one transformation, solved to a tolerance (Grathwohl et al., 2019)

Those of maf, nsf, bpf, sospf, naf and unaf are autoregressive in P passes: the values are divided into P groups, and
the parameters of a group depend on the groups before it. P = V is the papers' model, whose inverse takes V evaluations;
P = 2 is a coupling. The values are permuted at random before each transformation.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.distributions import Distribution

_validates = Distribution._validate_args
from zuko import flows  # type: ignore[import-untyped]  # noqa: E402
from zuko.flows import (  # type: ignore[import-untyped]  # noqa: E402
    autoregressive,
    continuous,
    coupling,
    gaussianization,
)

Distribution.set_default_validate_args(_validates)  # importing zuko turns it off for all distributions of the process

AUTOREGRESSIVE = {
    "nsf": flows.NSF,
    "maf": flows.MAF,
    "naf": flows.NAF,
    "unaf": flows.UNAF,
    "sospf": flows.SOSPF,
    "bpf": flows.BPF,
}
BOX = 5.0  # nsf and bpf are the identity outside [-5, 5]


def build_flow(
    name: str, V: int, *, transforms: int = 3, hidden: tuple[int, ...] = (64, 64), passes: int = 2, bins: int = 8
) -> flows.Flow:
    """Return a flow of V values.

    Args:
        name: the kind of flow.
        V: number of values.
        transforms: T, the number of transformations; a cnf has one.
        hidden: widths of the hidden layers of the networks.
        passes: P, the number of groups of an autoregressive transformation; 0, or more than V, is V.
        bins: K, the number of bins of a spline.
    """
    network = {"hidden_features": hidden}
    if name in AUTOREGRESSIVE:
        spline = {"bins": bins} if name == "nsf" else {}
        groups = {"passes": min(passes, V) or V, "randperm": True}
        flow = AUTOREGRESSIVE[name](V, transforms=transforms, **groups, **network, **spline)
    elif name == "nice":
        flow = flows.NICE(V, transforms=transforms, **network)
    elif name == "gf":
        flow = flows.GF(V, transforms=transforms)
    else:
        flow = flows.CNF(V, **network)
    with torch.no_grad():
        _start_near_the_identity(flow, name)
    return flow


def _start_near_the_identity(flow: flows.Flow, name: str) -> None:
    """Set the last layers of the networks to 0: exact for nsf, maf, nice, bpf and cnf, none for naf and unaf."""
    for module in flow.modules():
        if isinstance(module, gaussianization.ElementWiseTransform):  # gf, and any flow of a single value
            for phi in module.phi[1:] if name == "gf" else module.phi:
                phi.zero_()
        elif name in ("naf", "unaf"):
            continue
        elif isinstance(module, autoregressive.MaskedAutoregressiveTransform | coupling.GeneralCouplingTransform):
            _zero(module.hyper[-1])
        elif isinstance(module, continuous.FFJTransform):
            _zero(module.ode[-1])


def _zero(layer: nn.Linear) -> None:
    layer.weight.zero_()
    layer.bias.zero_()
