"""The same weights and batches through PyTorch: 50 steps of SGD, every activation with every loss. Needs `bench`."""

import numpy as np
import pytest

import minnet
from minnet import SGD, Dense, Network

torch = pytest.importorskip("torch")

ACTIVATIONS = {
    minnet.Identity(): lambda z: z,
    minnet.Sigmoid(): torch.sigmoid,
    minnet.Tanh(): torch.tanh,
    minnet.ReLU(): torch.relu,
    minnet.LeakyReLU(): torch.nn.functional.leaky_relu,
    minnet.Softplus(): torch.nn.functional.softplus,
    minnet.GELU(): torch.nn.functional.gelu,
}
LOSSES = {
    minnet.mse: torch.nn.functional.mse_loss,
    minnet.softmax_cross_entropy: torch.nn.functional.cross_entropy,
    minnet.binary_cross_entropy: torch.nn.functional.binary_cross_entropy_with_logits,
}
SIZES = 4, 8, 8, 3


def targets(loss, rng):
    if loss is minnet.softmax_cross_entropy:
        return rng.integers(0, 3, (50, 16))
    return rng.normal(size=(50, 16, 3)) if loss is minnet.mse else rng.uniform(size=(50, 16, 3))


def torch_parameters(theta, network):
    return [torch.tensor(a, requires_grad=True) for group in network.unpack(theta.copy()) for a in group]


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)
@pytest.mark.parametrize("nesterov", [False, True])
def test_fifty_steps_of_sgd_with_momentum(activation, loss, nesterov):
    rng = np.random.default_rng(1)
    network = Network(*[part for n in range(3) for part in (Dense(SIZES[n], SIZES[n + 1]), activation)][:-1])
    x, t = rng.normal(size=(50, 16, 4)), targets(loss, rng)
    theta = network.init_theta(0, np.float64)
    theirs = torch_parameters(theta, network)
    weights, biases = theirs[::2], theirs[1::2]
    decayed = [{"params": weights, "weight_decay": 1e-2}, {"params": biases, "weight_decay": 0.0}]
    their_sgd = torch.optim.SGD(decayed, lr=0.05, momentum=0.9, nesterov=nesterov)

    sgd = SGD(0.05, 0.9, nesterov=nesterov, weight_decay=1e-2)
    state, gradient = sgd.init(theta, network.parameters), np.empty_like(theta)
    params, grads = network.unpack(theta), network.unpack(gradient)
    for step in range(50):
        y, backward = network.forward(params, x[step])
        value, dy = loss(y, t[step])
        backward(dy, grads, need_dx=False)
        sgd.step(theta, gradient, state)

        z = torch.tensor(x[step])
        for layer, (W, b) in enumerate(zip(weights, biases, strict=True)):
            z = z @ W + b
            z = ACTIVATIONS[activation](z) if layer < 2 else z
        their_value = LOSSES[loss](z, torch.tensor(t[step]))
        their_sgd.zero_grad()
        their_value.backward()
        their_sgd.step()
        assert value == pytest.approx(their_value.item(), rel=1e-10)
    their_theta = np.concatenate([p.detach().numpy().ravel() for p in theirs])
    assert abs(theta - their_theta).max() <= 1e-10 * abs(their_theta).max()
