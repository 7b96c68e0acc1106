"""A neural network from scratch, in plain NumPy: what minnet does, short enough to type in front of a class.

It learns two half moons with one hidden layer of 16 tanh units. Try `hidden = x @ W1 + b1`, without tanh, and see why a
network needs an activation function. Run it: `python experiments/from_scratch.py`
"""

import numpy as np


def moons(n, rng):
    """n points (n, 2) on two half circles with noise, and which of the two each point is on, (n,)."""
    label = rng.integers(0, 2, n)
    angle = rng.uniform(0, np.pi, n)
    x = np.stack([np.cos(angle) + label, np.sin(angle) * (1 - 2 * label) + label / 2], axis=1)
    return x + rng.normal(0, 0.2, (n, 2)), label


def start(rng, n_in=2, n_hidden=16, n_out=2):
    """Random weights and zero biases. Small weights keep tanh where it is not flat (Glorot & Bengio 2010)."""
    W1 = rng.normal(0, np.sqrt(2 / (n_in + n_hidden)), (n_in, n_hidden))
    W2 = rng.normal(0, np.sqrt(2 / (n_hidden + n_out)), (n_hidden, n_out))
    return W1, np.zeros(n_hidden), W2, np.zeros(n_out)


def forward(x, W1, b1, W2, b2):
    """The hidden layer (n, 16), and one score (a logit) for each class, (n, 2)."""
    hidden = np.tanh(x @ W1 + b1)
    return hidden, hidden @ W2 + b2


def step(x, label, learning_rate, W1, b1, W2, b2):
    """One step of gradient descent: it changes the weights in place and returns the loss before it."""
    hidden, y = forward(x, W1, b1, W2, b2)
    p = np.exp(y - y.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)  # softmax: the probability of each class
    loss = -np.log(p[range(len(x)), label]).mean()  # cross-entropy

    dy = (p - np.eye(2)[label]) / len(x)  # dL/dy
    dhidden = (dy @ W2.T) * (1 - hidden**2)  # the chain rule: back through W2, then through tanh
    W2 -= learning_rate * hidden.T @ dy
    b2 -= learning_rate * dy.sum(axis=0)
    W1 -= learning_rate * x.T @ dhidden
    b1 -= learning_rate * dhidden.sum(axis=0)
    return loss


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    x, label = moons(300, rng)
    x_test, label_test = moons(2000, rng)
    weights = start(rng)
    for epoch in range(1, 101):
        for batch in np.array_split(rng.permutation(300), 10):
            loss = step(x[batch], label[batch], 0.5, *weights)
        if epoch % 20 == 0:
            accuracy = (forward(x_test, *weights)[1].argmax(axis=1) == label_test).mean()
            print(f"epoch {epoch:3d}   loss {loss:.3f}   accuracy on new points {accuracy:.1%}")
