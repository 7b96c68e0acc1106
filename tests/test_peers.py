"""Every peer trains what it says: it learns the rule behind the data, as minnet does; replicas differ."""

import numpy as np
import pytest

from minnet.lab.peers import PEERS, Work, jax_replicas
from minnet.lab.stopwatch import Job, take_turns
from minnet.run import Run

ONE, MANY = Work((5, 16, 3), 32), Work((5, 16, 3), 32, replicas=3)


def said(trained, x):
    """The labels of a network, (..., n), by whatever a peer returns."""
    if isinstance(trained, Run):
        return trained(x).argmax(axis=-1)
    if hasattr(trained, "predict"):
        return trained.predict(x)
    layers = [[np.asarray(part.detach() if hasattr(part, "detach") else part) for part in layer] for layer in trained]
    for W, b in layers[:-1]:
        x = np.tanh(x @ W + b)
    return (x @ layers[-1][0] + layers[-1][1]).argmax(axis=-1)


@pytest.mark.parametrize("peer", [name for name in PEERS if name != "products alone"])
def test_a_peer_learns_the_rule(peer):
    if not Job(peer, ONE).installed:
        pytest.skip(f"{peer} is not installed")
    many = any(word in peer for word in ("vmap", "batched"))
    for work in [MANY] * (many or peer == "minnet") + [ONE] * (not many):
        x, y = work.data()
        labels = said(PEERS[peer](work)(20), x)
        assert labels.shape == ((3, work.n) if work.replicas else (work.n,))
        assert ((labels == y).mean(axis=-1) > 0.9).all()
        if work.replicas:
            assert (labels[0] != labels[1]).any()


def test_jax_trains_each_replica_at_its_own_rate_on_its_own_data():
    pytest.importorskip("jax")
    (x, y), rates = ONE.data(), np.array([0.05, 1e-9], np.float32)
    xs, ys = np.stack([x, x])[:, :1000], np.stack([y, y])[:, :1000]  # the last batch is a smaller one
    fit = jax_replicas(xs, ys, rates, sizes=ONE.sizes, activation="tanh", batch=32)
    learned, still = (said(fit(20), x) == y).mean(axis=-1)
    assert learned > 0.9
    assert still < 0.7


def test_jobs_are_timed_in_turns():
    jobs = [Job("minnet", Work((5, 4, 3), 64, n=256)), Job("products alone", Work((5, 4, 3), 64, n=256), processes=2)]
    times = take_turns(jobs, rounds=3, seconds=0.01)
    assert [len(times[job].seconds) for job in jobs] == [3, 3]
    assert all(second > 0 for job in jobs for second in times[job].seconds)
