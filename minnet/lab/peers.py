"""The same training by minnet and by what a user would pick instead: one function a peer, as its manual writes it.

Each takes a Work and returns a function of the number of epochs, which trains that long and returns what it trained:
softmax cross-entropy, SGD with momentum 0.9, batches in a new random order each epoch, float32. A peer is not imported
before it is asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from minnet.products import matmul, times_transposed
from minnet.settings import Array

RATE, MOMENTUM = 0.05, 0.9
Fit = Callable[[int], Any]


@dataclass(frozen=True)
class Work:
    """Sizes of a network, its batch, the number of samples; `replicas` with their own seeds, or None for one alone."""

    sizes: tuple[int, ...]
    batch: int
    n: int = 1024
    activation: str = "tanh"
    replicas: int | None = None

    @property
    def steps(self) -> int:
        """In an epoch."""
        return self.n // self.batch

    def data(self) -> tuple[Array, Array]:
        """x (n, n_in) and labels (n,): a random linear rule, which takes no less time to train than any other."""
        rng = np.random.default_rng(0)
        x = rng.normal(size=(self.n, self.sizes[0])).astype(np.float32)
        return x, (x @ rng.normal(size=(self.sizes[0], self.sizes[-1]))).argmax(axis=1)

    def weights(self) -> list[tuple[Array, Array]]:
        """W and b of each layer, of each replica: Glorot-uniform and zero."""
        rng, lead = np.random.default_rng(0), () if self.replicas is None else (self.replicas,)
        limits = [np.sqrt(6 / (a + b)) for a, b in pairwise(self.sizes)]
        return [
            (rng.uniform(-limit, limit, (*lead, a, b)).astype(np.float32), np.zeros((*lead, 1, b), np.float32))
            for limit, (a, b) in zip(limits, pairwise(self.sizes), strict=True)
        ]


def minnet(work: Work) -> Fit:
    """minnet.train, as in the README."""
    from minnet import SGD, Dense, Network, ReLU, Tanh, softmax_cross_entropy, train

    bend = {"tanh": Tanh, "relu": ReLU}[work.activation]()
    layers = [layer for a, b in pairwise(work.sizes) for layer in (Dense(a, b), bend)]
    network, (x, y) = Network(*layers[:-1]), work.data()
    seed = 0 if work.replicas is None else range(work.replicas)
    return lambda epochs: train(
        network, softmax_cross_entropy, SGD(RATE, MOMENTUM), x, y, epochs=epochs, batch_size=work.batch, seed=seed
    )


def scikit_learn(work: Work) -> Fit:
    """MLPClassifier.fit; it has no replicas."""
    import warnings

    from sklearn.neural_network import MLPClassifier

    warnings.filterwarnings("ignore", module="sklearn")  # that so few epochs did not converge is known
    x, y = work.data()
    return lambda epochs: MLPClassifier(
        work.sizes[1:-1], activation=work.activation, solver="sgd", learning_rate_init=RATE, momentum=MOMENTUM,
        nesterovs_momentum=False, alpha=0.0, batch_size=work.batch, max_iter=epochs, tol=0.0, n_iter_no_change=10**6,
        random_state=0,
    ).fit(x, y)  # fmt: skip


def pytorch(work: Work) -> Fit:
    """The training loop of PyTorch's tutorials, eager: nn.Sequential, CrossEntropyLoss, optim.SGD."""
    import torch
    from torch import nn

    bend = {"tanh": nn.Tanh, "relu": nn.ReLU}[work.activation]
    x, y = map(torch.tensor, work.data())

    def fit(epochs: int) -> Any:
        layers = [layer for a, b in pairwise(work.sizes) for layer in (nn.Linear(a, b), bend())]
        network = nn.Sequential(*layers[:-1])
        sgd, loss = torch.optim.SGD(network.parameters(), lr=RATE, momentum=MOMENTUM), nn.CrossEntropyLoss()
        for _ in range(epochs):
            order = torch.randperm(work.n)
            xs, ys = x[order], y[order]
            for start in range(0, work.n, work.batch):
                sgd.zero_grad()
                loss(network(xs[start : start + work.batch]), ys[start : start + work.batch]).backward()
                sgd.step()
        return [(layer.weight.T, layer.bias) for layer in network if isinstance(layer, nn.Linear)]

    return fit


def jax_update(work: Work, momentum: float = MOMENTUM) -> Callable[..., Any]:
    """(params, velocity, x, y) -> params, velocity: one step of one network."""
    import jax
    import jax.numpy as jnp

    bends: dict[str, Any] = {"tanh": jnp.tanh, "relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "identity": lambda z: z}
    bend = bends[work.activation]

    def loss(params: Any, x: Any, y: Any) -> Any:
        for W, b in params[:-1]:
            x = bend(x @ W + b)
        W, b = params[-1]
        return -jnp.take_along_axis(jax.nn.log_softmax(x @ W + b), y[:, None], axis=1).mean()

    def update(params: Any, velocity: Any, x: Any, y: Any, rate: Any = RATE) -> Any:
        gradient = jax.grad(loss)(params, x, y)
        velocity = jax.tree.map(lambda v, g: momentum * v + g if momentum else g, velocity, gradient)
        return jax.tree.map(lambda p, v: p - rate * v, params, velocity), velocity

    return update


def jax_step(work: Work) -> Fit:
    """JAX, jit over one step that cuts its own batch out of the shuffled data; buffers are donated."""
    import jax
    import jax.numpy as jnp

    update = jax_update(work)
    x, y = map(jnp.asarray, work.data())

    def one(params: Any, velocity: Any, xs: Any, ys: Any, i: Any) -> Any:
        cut = jax.lax.dynamic_slice_in_dim
        return update(params, velocity, cut(xs, i, work.batch), cut(ys, i, work.batch))

    step, shuffle = jax.jit(one, donate_argnums=(0, 1)), jax.jit(lambda epoch: shuffled(x, y, epoch))

    def fit(epochs: int) -> Any:
        params = jax.tree.map(jnp.asarray, work.weights())
        velocity = jax.tree.map(jnp.zeros_like, params)
        for epoch in range(epochs):
            xs, ys = shuffle(epoch)
            for i in range(0, work.n, work.batch):
                params, velocity = step(params, velocity, xs, ys, i)
        return jax.block_until_ready(params)

    return fit


def shuffled(x: Any, y: Any, epoch: Any, replica: Any = 0) -> Any:
    """x and y in the same random order, by JAX; another one for each epoch and replica."""
    import jax

    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), epoch), replica)
    order = jax.random.permutation(key, len(x))
    return x[order], y[order]


def jax_scan(work: Work) -> Fit:
    """JAX, jit over a whole epoch: scan over its steps, vmap over the replicas, each with an order of its own."""
    import jax
    import jax.numpy as jnp

    update = jax_update(work)
    x, y = map(jnp.asarray, work.data())

    def train_once(params: Any, velocity: Any, epoch: Any, replica: Any) -> Any:
        xs, ys = shuffled(x, y, epoch, replica)
        batches = xs.reshape(work.steps, work.batch, -1), ys.reshape(work.steps, work.batch)
        return jax.lax.scan(lambda carry, batch: (update(*carry, *batch), None), (params, velocity), batches)[0]

    run = jax.jit(jax.vmap(train_once, (0, 0, None, 0)) if work.replicas else train_once, donate_argnums=(0, 1))
    replicas = np.arange(work.replicas) if work.replicas else 0

    def fit(epochs: int) -> Any:
        params = jax.tree.map(jnp.asarray, work.weights())
        velocity = jax.tree.map(jnp.zeros_like, params)
        for epoch in range(epochs):
            params, velocity = run(params, velocity, epoch, replicas)
        return jax.block_until_ready(params)

    return fit


def floor(work: Work) -> Fit:
    """No training: the bare matrix products of a step by NumPy's BLAS, and the update of one vector in place."""
    rng = np.random.default_rng(0)
    lead = () if work.replicas is None else (work.replicas,)
    shapes = list(pairwise(work.sizes))
    ends = list(accumulate((a * b + b for a, b in shapes), initial=0))

    def some(*shape: int) -> Array:
        return rng.normal(size=(*lead, *shape)).astype(np.float32) * np.float32(1e-3)

    def matrices(vector: Array) -> list[Array]:
        """Its weights: the products read them from theta and write them into the gradient, as in a training."""
        return [
            vector[..., end : end + a * b].reshape(*lead, a, b) for end, (a, b) in zip(ends[:-1], shapes, strict=True)
        ]

    values, theta, gradient = [some(work.batch, size) for size in work.sizes], some(ends[-1]), some(ends[-1])
    weights, slopes, velocity = matrices(theta), matrices(gradient), theta * 0
    rate, momentum = np.float32(RATE), np.float32(MOMENTUM)

    def fit(epochs: int) -> None:
        for _ in range(epochs * work.steps):
            for x, W, y in zip(values[:-1], weights, values[1:], strict=True):
                matmul(x, W, out=y)
            for i in reversed(range(len(weights))):
                matmul(values[i].mT, values[i + 1], out=slopes[i])
                if i:
                    times_transposed(values[i + 1], weights[i], out=values[i])
            np.multiply(velocity, momentum, out=velocity)
            np.add(velocity, gradient, out=velocity)
            np.subtract(theta, rate * velocity, out=theta)

    return fit


PEERS: dict[str, Callable[[Work], Fit]] = {
    "minnet": minnet,
    "scikit-learn": scikit_learn,
    "PyTorch eager": pytorch,
    "JAX jit a step": jax_step,
    "JAX jit an epoch": jax_scan,
    "products alone": floor,
}
NEEDS = {"scikit-learn": "sklearn", "PyTorch": "torch", "JAX": "jax"}
