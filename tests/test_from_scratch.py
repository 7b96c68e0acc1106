"""The trainer that is typed in front of a class computes what the engine computes."""

import numpy as np

from experiments import from_scratch
from minnet import SGD, Dense, Network, Tanh, softmax_cross_entropy, train


def test_200_steps_by_hand_are_200_steps_of_the_engine():
    """Both sum products of at most 30 terms of size 1 in some order: their difference stays near the rounding unit."""
    rng = np.random.default_rng(3)
    x, label = from_scratch.moons(300, rng)
    weights = from_scratch.start(rng)
    theta = np.concatenate([part.ravel() for part in weights])
    network = Network(Dense(2, 16), Tanh(), Dense(16, 2))
    run = train(
        network, softmax_cross_entropy, SGD(0.5), x, label, epochs=20, batch_size=30, seed=0, start=theta, shuffle=False
    )
    for _ in range(20):
        for first in range(0, 300, 30):
            batch = slice(first, first + 30)
            from_scratch.step(x[batch], label[batch], 0.5, *weights)
    by_hand = np.concatenate([part.ravel() for part in weights])
    assert abs(by_hand - theta).max() > 0.1  # they moved
    np.testing.assert_allclose(run.theta, by_hand, rtol=0, atol=1e-12)
