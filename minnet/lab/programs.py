"""Whole programs, as a user would write them: each makes a network 2-16-16-2, trains it for 200 epochs and scores it.

They are text, each for a fresh Python that has x, y, x_test and y_test (float32, and labels); they leave `score`.
"""

PROGRAMS = {
    "minnet": """
import numpy as np; from minnet import *
net = Network(Dense(2, 16), Tanh(), Dense(16, 16), Tanh(), Dense(16, 2))
run = train(net, softmax_cross_entropy, SGD(0.05, 0.9), x, y, epochs=200, batch_size=32, seed=0)
score = (run(x_test).argmax(axis=-1) == y_test).mean()
""",
    "scikit-learn": """
from sklearn.neural_network import MLPClassifier
import warnings; warnings.simplefilter('ignore')
net = MLPClassifier((16, 16), 'tanh', solver='sgd', learning_rate_init=0.05, momentum=0.9, alpha=0, tol=0,
                    nesterovs_momentum=False, batch_size=32, max_iter=200, n_iter_no_change=10**6)
score = net.fit(x, y).score(x_test, y_test)
""",
    "PyTorch eager": """
import torch; from torch import nn; torch.manual_seed(0)
x, y, x_test, y_test = map(torch.tensor, (x, y, x_test, y_test))
net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2))
sgd, loss = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9), nn.CrossEntropyLoss()
for _ in range(200):
    order = torch.randperm(len(x)); xs, ys = x[order], y[order]
    for i in range(0, len(x), 32):
        sgd.zero_grad(); loss(net(xs[i:i + 32]), ys[i:i + 32]).backward(); sgd.step()
score = (net(x_test).argmax(dim=1) == y_test).float().mean().item()
""",
    "JAX jit an epoch": """
import jax, jax.numpy as jnp, numpy as np; rng = np.random.default_rng(0)
params = [(np.float32(rng.uniform(-1, 1, (a, b)) * (6 / (a + b)) ** 0.5), np.zeros(b, np.float32))
          for a, b in ((2, 16), (16, 16), (16, 2))]
velocity = jax.tree.map(np.zeros_like, params); x, y = map(jnp.asarray, (x, y))
def net(params, x):
    for W, b in params[:-1]: x = jnp.tanh(x @ W + b)
    return x @ params[-1][0] + params[-1][1]
def loss(params, x, y):
    return -jnp.take_along_axis(jax.nn.log_softmax(net(params, x)), y[:, None], axis=1).mean()
@jax.jit
def epoch(params, velocity, i):
    order = jax.random.permutation(jax.random.fold_in(jax.random.key(0), i), len(x)).reshape(-1, 32)
    def step(carry, rows):
        params, velocity = carry; gradient = jax.grad(loss)(params, x[rows], y[rows])
        velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, gradient)
        return (jax.tree.map(lambda p, v: p - 0.05 * v, params, velocity), velocity), None
    return jax.lax.scan(step, (params, velocity), order)[0]
for i in range(200): params, velocity = epoch(params, velocity, i)
score = (np.asarray(jax.jit(net)(params, x_test)).argmax(axis=1) == y_test).mean()
""",
}
