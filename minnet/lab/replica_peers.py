"""The same for replicas: how PyTorch and JAX train K networks at once, each with weights and an order of its own.

As in `peers`, each takes a Work and returns a function of the number of epochs.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minnet.lab.peers import MOMENTUM, RATE, Fit, Work, jax_scan, jax_update, shuffled
from minnet.settings import Array


def pytorch_vmap(work: Work) -> Fit:
    """Replicas as PyTorch's tutorial on model ensembling has them: torch.func.vmap over the gradient of one network."""
    import torch
    from torch.func import grad, vmap
    from torch.nn import functional as F

    bend = {"tanh": torch.tanh, "relu": torch.relu}[work.activation]
    x, y = map(torch.tensor, work.data())

    def loss(params: list[Any], x: Any, y: Any) -> Any:
        for W, b in params[:-1]:
            x = bend(x @ W + b)
        W, b = params[-1]
        return F.cross_entropy(x @ W + b, y)

    gradient = vmap(grad(loss))

    def fit(epochs: int) -> Any:
        params = [(torch.tensor(W), torch.tensor(b)) for W, b in work.weights()]
        flat = [part for layer in params for part in layer]
        velocity = [torch.zeros_like(part) for part in flat]
        for _ in range(epochs):
            order = torch.rand(work.replicas or 1, work.n).argsort(dim=1)
            xs, ys = x[order], y[order]
            for start in range(0, work.n, work.batch):
                batch = slice(start, start + work.batch)
                found = [part for layer in gradient(params, xs[:, batch], ys[:, batch]) for part in layer]
                torch._foreach_mul_(velocity, MOMENTUM)
                torch._foreach_add_(velocity, found)
                torch._foreach_add_(flat, velocity, alpha=-RATE)
        return params

    return fit


def pytorch_batched(work: Work) -> Fit:
    """Replicas by hand: weights (K, n_in, n_out), batched matmul, autograd and optim.SGD."""
    import torch
    from torch.nn import functional as F

    bend = {"tanh": torch.tanh, "relu": torch.relu}[work.activation]
    x, y = map(torch.tensor, work.data())

    def fit(epochs: int) -> Any:
        params = [(torch.tensor(W, requires_grad=True), torch.tensor(b, requires_grad=True)) for W, b in work.weights()]
        sgd = torch.optim.SGD([part for layer in params for part in layer], lr=RATE, momentum=MOMENTUM)
        for _ in range(epochs):
            order = torch.rand(work.replicas or 1, work.n).argsort(dim=1)
            xs, ys = x[order], y[order]
            for start in range(0, work.n, work.batch):
                batch = slice(start, start + work.batch)
                out = xs[:, batch]
                for i, (W, b) in enumerate(params):
                    out = torch.baddbmm(b, out, W)
                    out = bend(out) if i < len(params) - 1 else out
                sgd.zero_grad()
                # the sum over replicas of each one's mean: their gradients do not mix
                (F.cross_entropy(out.flatten(0, 1), ys[:, batch].flatten(), reduction="sum") / work.batch).backward()
                sgd.step()
        return params

    return fit


def jax_replicas(x: Array, y: Array, rates: Array, *, sizes: tuple[int, ...], activation: str, batch: int) -> Fit:
    """JAX as in `jax_scan`, but plain SGD, with data (K, n, n_in), labels (K, n) and a learning rate (K,) for each."""
    import jax
    import jax.numpy as jnp

    k, n = y.shape
    work = Work(sizes, batch, n, activation, k)
    update = jax_update(work, momentum=0.0)
    last = n % batch  # the smaller batch at the end of an epoch

    def train_once(params: Any, velocity: Any, x: Any, y: Any, rate: Any, epoch: Any, replica: Any) -> Any:
        xs, ys = shuffled(x, y, epoch, replica)
        batches = xs[: n - last].reshape(n // batch, batch, -1), ys[: n - last].reshape(n // batch, batch)
        carry = jax.lax.scan(lambda carry, b: (update(*carry, *b, rate), None), (params, velocity), batches)[0]
        return update(*carry, xs[n - last :], ys[n - last :], rate) if last else carry

    def train(params: Any, x: Any, y: Any, rate: Any, epochs: Any, replica: Any) -> Any:
        start = params, jax.tree.map(jnp.zeros_like, params)
        return jax.lax.scan(
            lambda carry, i: (train_once(carry[0], carry[1], x, y, rate, i, replica), None), start, epochs
        )[0][0]  # the parameters

    run = jax.jit(jax.vmap(train, (0, 0, 0, 0, None, 0)))

    def fit(epochs: int) -> Any:
        return jax.block_until_ready(run(work.weights(), x, y, rates, np.arange(epochs), np.arange(k)))

    return fit


REPLICA_PEERS: dict[str, Callable[[Work], Fit]] = {
    "PyTorch vmap": pytorch_vmap,
    "PyTorch batched": pytorch_batched,
    "JAX vmap + scan": jax_scan,
}
