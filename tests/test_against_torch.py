"""The same weights and batches through PyTorch, 50 steps: activations, losses, optimizers, schedules, normalization.

Needs the extra `bench`.
"""

import numpy as np
import pytest

import minnet
from minnet import SGD, Dense, Network

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")

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
    minnet.mae: torch.nn.functional.l1_loss,
    minnet.Huber(0.7): lambda y, t: torch.nn.functional.huber_loss(y, t, delta=0.7),
    minnet.poisson: lambda y, t: torch.nn.functional.poisson_nll_loss(y, t, log_input=True, full=False),
    minnet.hinge: lambda y, t: torch.clamp(1 - t * y, min=0).mean(),
}
SIZES = 4, 8, 8, 3


def targets(loss, rng):
    if loss is minnet.softmax_cross_entropy:
        return rng.integers(0, 3, (50, 16))
    if loss in (minnet.binary_cross_entropy, minnet.poisson):
        return rng.uniform(size=(50, 16, 3))
    return rng.choice([-1.0, 1.0], (50, 16, 3)) if loss is minnet.hinge else rng.normal(size=(50, 16, 3))


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


def quadratic(theta):
    """A bowl whose gradients range over three decades, so that clipping and per-parameter paces matter."""
    scale = torch.logspace(-1, 2, theta.shape[-1], dtype=torch.float64)
    return 0.5 * (scale * (theta - 1) ** 2).sum()


def follow(optimizer, their_optimizer, their_schedule=None, clip=lambda parameters: None, steps=50, epoch=None):
    """Take the same steps from the same start, on noisy gradients, and compare theta after each."""
    rng = np.random.default_rng(2)
    start = rng.normal(size=12)
    parameters = minnet.Parameter("W", (3, 3), minnet.zeros), minnet.Parameter("b", (1, 3), minnet.zeros, "bias")
    theirs = [torch.tensor(start[:9], requires_grad=True), torch.tensor(start[9:], requires_grad=True)]
    decayed, spared = {"params": theirs[:1]}, {"params": theirs[1:], "weight_decay": 0.0}
    their_optimizer = their_optimizer([decayed, spared])
    schedule = their_schedule(their_optimizer) if their_schedule else None
    theta, state = start.copy(), None
    state = optimizer.init(theta, parameters)
    for step in range(steps):
        whole = torch.cat(theirs)
        (gradient,) = torch.autograd.grad(quadratic(whole), whole)
        gradient = gradient + torch.tensor(rng.normal(size=12))
        theirs[0].grad, theirs[1].grad = gradient[:9].clone(), gradient[9:].clone()
        clip(theirs)
        their_optimizer.step()
        optimizer.step(theta, gradient.numpy().copy(), state)
        if schedule and epoch is None:
            schedule.step()
        elif epoch is not None:
            epoch(step, schedule, state)
        their_theta = torch.cat(theirs).detach().numpy()
        assert abs(theta - their_theta).max() <= 1e-10 * abs(their_theta).max(), f"step {step}"


def named(value):
    return repr(value) if isinstance(value, minnet.Optimizer | minnet.Schedule) else "PyTorch"


OPTIMIZERS = [
    (minnet.SGD(0.01), lambda p: torch.optim.SGD(p, lr=0.01)),
    (minnet.SGD(0.01, 0.9), lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9)),
    (minnet.SGD(0.01, 0.9, nesterov=True), lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True)),
    (minnet.SGD(0.01, 0.5, weight_decay=0.1), lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.5, weight_decay=0.1)),
    (minnet.AdaGrad(0.1), lambda p: torch.optim.Adagrad(p, lr=0.1)),
    (minnet.RMSProp(0.01), lambda p: torch.optim.RMSprop(p, lr=0.01)),
    (minnet.RMSProp(0.02, 0.9, 1e-3), lambda p: torch.optim.RMSprop(p, lr=0.02, alpha=0.9, eps=1e-3)),
    (minnet.Adam(0.05), lambda p: torch.optim.Adam(p, lr=0.05)),
    (minnet.Adam(0.05, 0.8, 0.95, 1e-4), lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.8, 0.95), eps=1e-4)),
    (minnet.AdamW(0.05, 0.3), lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.3)),
]


@pytest.mark.parametrize(("ours", "theirs"), OPTIMIZERS, ids=named)
def test_optimizers(ours, theirs):
    follow(ours, theirs)


@pytest.mark.parametrize(("ours", "theirs"), OPTIMIZERS, ids=named)
@pytest.mark.parametrize("norm", [0.5, 30.0])
def test_clipping_by_norm(ours, theirs, norm):
    follow(minnet.Clipped(ours, norm=norm), theirs, clip=lambda p: torch.nn.utils.clip_grad_norm_(p, norm))


def test_clipping_by_value():
    clip = lambda p: torch.nn.utils.clip_grad_value_(p, 0.8)
    follow(minnet.Clipped(minnet.Adam(0.05), value=0.8), lambda p: torch.optim.Adam(p, lr=0.05), clip=clip)


lr = torch.optim.lr_scheduler
SCHEDULES = [
    (minnet.StepDecay(0.1, 7, 0.5), lambda o: lr.StepLR(o, 7, 0.5)),
    (minnet.ExponentialDecay(0.1, 0.93), lambda o: lr.ExponentialLR(o, 0.93)),
    (minnet.CosineDecay(0.1, 50), lambda o: lr.CosineAnnealingLR(o, 50)),
    (minnet.CosineDecay(0.1, 50, end=0.1), lambda o: lr.CosineAnnealingLR(o, 50, eta_min=0.01)),
    (minnet.WarmUp(0.1, 10, 0.2), lambda o: lr.LinearLR(o, 0.2, 1.0, 10)),
    (
        minnet.WarmUp(minnet.CosineDecay(0.1, 40), 10, 0.2),
        lambda o: lr.SequentialLR(o, [lr.LinearLR(o, 0.2, 1.0, 10), lr.CosineAnnealingLR(o, 40)], [10]),
    ),
    (minnet.OneCycle(0.1, 50), lambda o: lr.OneCycleLR(o, 0.1, total_steps=50, cycle_momentum=False)),
    (
        minnet.OneCycle(0.1, 60, rise=0.5, divide=10, final_divide=100),
        lambda o: lr.OneCycleLR(
            o, 0.1, total_steps=60, cycle_momentum=False, pct_start=0.5, div_factor=10, final_div_factor=100
        ),
    ),
]


@pytest.mark.filterwarnings("ignore:The epoch parameter")  # SequentialLR's own
@pytest.mark.parametrize(("ours", "theirs"), SCHEDULES, ids=named)
def test_schedules(ours, theirs):
    follow(minnet.SGD(ours, 0.9), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), theirs, steps=49)
    follow(minnet.Adam(ours), lambda p: torch.optim.Adam(p, lr=0.1), theirs, steps=49)


def test_reduce_on_plateau():
    rng = np.random.default_rng(3)
    losses = np.concatenate([np.linspace(2, 1, 10), 1 + 0.1 * rng.uniform(size=40)])
    ours = minnet.ReduceOnPlateau(0.01, 0.5, 4, threshold=1e-2)

    def epoch(step, their_schedule, state):
        their_schedule.step(losses[step])
        state["after_epoch"][...] = ours.after_epoch({"validation_loss": losses[: step + 1, None]})

    follow(
        minnet.SGD(ours),
        lambda p: torch.optim.SGD(p, lr=0.01),
        lambda o: lr.ReduceLROnPlateau(o, factor=0.5, patience=4, threshold=1e-2),
        epoch=epoch,
    )


NORMS = {
    "LayerNorm": (minnet.LayerNorm(6), lambda: torch.nn.LayerNorm(6, dtype=torch.float64)),
    "BatchNorm": (minnet.BatchNorm(6), lambda: torch.nn.BatchNorm1d(6, momentum=None, dtype=torch.float64)),
    "PReLU": (minnet.PReLU(6), lambda: torch.nn.PReLU(6, dtype=torch.float64)),
    "PReLU of one": (minnet.PReLU(), lambda: torch.nn.PReLU(dtype=torch.float64)),
}


@pytest.mark.parametrize("name", NORMS)
def test_layers_that_learn_scales(name):
    layer, make = NORMS[name]
    rng = np.random.default_rng(4)
    network, theirs = Network(layer), make()
    theta = network.init_theta(0, np.float64)
    learned = sum(p.numel() for p in theirs.parameters())
    theta[:learned] += 0.3 * rng.normal(size=learned)
    sgd = SGD(0.05, 0.9)
    state, gradient = sgd.init(theta, network.parameters), np.empty_like(theta)
    with torch.no_grad():
        for parameter, ours in zip(theirs.parameters(), network.unpack(theta)[0], strict=False):
            parameter.copy_(torch.tensor(ours).reshape(parameter.shape))
    their_sgd = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9)
    streams = minnet.Streams(0, "noise")
    x = 3 * rng.normal(size=(50, 16, 6)) + 1
    t = rng.normal(size=(50, 16, 6))
    for step in range(50):
        y, backward = network.forward(network.unpack(theta), x[step], streams)
        dx = backward(minnet.mse(y, t[step])[1], network.unpack(gradient))
        sgd.step(theta, gradient, state)
        their_x = torch.tensor(x[step], requires_grad=True)
        their_sgd.zero_grad()
        torch.nn.functional.mse_loss(theirs(their_x), torch.tensor(t[step])).backward()
        their_sgd.step()
        np.testing.assert_allclose(dx, their_x.grad.numpy(), rtol=1e-10, atol=1e-14)
    their_theta = np.concatenate([p.detach().numpy().ravel() for p in theirs.parameters()])
    np.testing.assert_allclose(theta[:learned], their_theta, rtol=1e-10)

    if name == "BatchNorm":  # population statistics with the weights fixed, then inference
        population = x.reshape(-1, 6)
        theirs.reset_running_stats()
        theirs(torch.tensor(population))
        theirs.eval()
        y = network.calibrate(network.unpack(theta), population)
        mean, variance = network.unpack(theta)[0][2:]
        np.testing.assert_allclose(mean[0], theirs.running_mean.numpy(), rtol=1e-12)
        np.testing.assert_allclose(variance[0], theirs.running_var.numpy(), rtol=1e-12)
        np.testing.assert_allclose(y, theirs(torch.tensor(population)).detach().numpy(), rtol=1e-10)
        np.testing.assert_array_equal(network(theta, population), y)


def test_class_weights_are_sample_weights():
    rng = np.random.default_rng(5)
    y, labels, weights = rng.normal(size=(20, 3)), rng.integers(0, 3, 20), np.array([0.2, 1.0, 3.0])
    loss, dy = minnet.softmax_cross_entropy(y, labels, weights[labels])
    their_y = torch.tensor(y, requires_grad=True)
    theirs = torch.nn.functional.cross_entropy(their_y, torch.tensor(labels), weight=torch.tensor(weights))
    theirs.backward()
    assert loss == pytest.approx(theirs.item(), rel=1e-12)
    np.testing.assert_allclose(dy, their_y.grad.numpy(), rtol=1e-10, atol=1e-16)


BENDS = [
    (minnet.Tanh(), torch.nn.Tanh()),
    (minnet.Sigmoid(), torch.nn.Sigmoid()),
    (minnet.ReLU(), torch.nn.ReLU()),
    (minnet.LeakyReLU(0.2), torch.nn.LeakyReLU(0.2)),
    (minnet.GELU(), torch.nn.GELU()),
    (minnet.GELU("tanh"), torch.nn.GELU("tanh")),
    (minnet.PReLU(), torch.nn.PReLU()),
    (minnet.PReLU(8), torch.nn.PReLU(8)),
    (minnet.LayerNorm(8, epsilon=1e-3), torch.nn.LayerNorm(8, eps=1e-3)),
    (minnet.BatchNorm(8, epsilon=1e-3), torch.nn.BatchNorm1d(8, eps=1e-3)),
    (minnet.Dropout(0.3), torch.nn.Dropout(0.3)),
    (minnet.Residual(Network(Dense(8, 8), minnet.ReLU())), None),
    (Network(Dense(8, 8), minnet.SELU()), torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.SELU())),
    (minnet.LogSoftmax(), torch.nn.LogSoftmax(-1)),
]


class TheirResidual(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU())

    def forward(self, x):
        return x + self.inner(x)


@pytest.mark.parametrize(("ours", "theirs"), BENDS, ids=repr)
def test_pytorch_reads_a_checkpoint(ours, theirs, tmp_path):
    """Trained for some steps, so that nothing is where it started; strictly: every name and shape has to be theirs."""
    rng = np.random.default_rng(6)
    x, t = rng.normal(size=(50, 4)).astype(np.float32), rng.normal(size=(50, 3))
    network = Network(Dense(4, 8), ours, Dense(8, 3))
    torch_network = torch.nn.Sequential(torch.nn.Linear(4, 8), theirs or TheirResidual(), torch.nn.Linear(8, 3)).eval()
    for seed in (0, [0, 1]):
        run = minnet.train(network, minnet.mse, SGD(0.05, 0.9), x, t, epochs=5, batch_size=10, seed=seed)
        minnet.save(tmp_path / "it", network, run.theta)
        tensors = safetensors_torch.load_file(tmp_path / "it")
        assert all(tensor.dtype == torch.float32 for tensor in tensors.values())
        for k in np.ndindex(run.theta.shape[:-1]):
            torch_network.load_state_dict({name: tensor[k] for name, tensor in tensors.items()})
            y = torch_network(torch.tensor(x)).detach().numpy()
            np.testing.assert_allclose(run(x)[k], y, rtol=1e-6, atol=1e-6)
