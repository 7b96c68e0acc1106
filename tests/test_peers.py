"""Every peer trains what it says: it learns the rule behind the data, as minnet does; replicas differ."""

import numpy as np
import pytest

from minnet.lab.peers import PEERS, Work
from minnet.lab.replica_peers import REPLICA_PEERS, jax_replicas
from minnet.lab.speed_tables import blocks, figure
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


ALL = {name: fit for name, fit in (PEERS | REPLICA_PEERS).items() if name != "products alone"}


@pytest.mark.parametrize("peer", ALL)
def test_a_peer_learns_the_rule(peer):
    if not Job(peer, ONE).installed:
        pytest.skip(f"{peer} is not installed")
    many = peer in REPLICA_PEERS
    for work in [MANY] * (many or peer == "minnet") + [ONE] * (not many):
        x, y = work.data()
        labels = said(ALL[peer](work)(20), x)
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


def test_jobs_are_timed_in_turns_and_their_own_memory_is_told():
    small, large = Work((5, 4, 3), 64, n=256), Work((500, 4, 3), 64, n=40000)  # x alone is 80 MB
    of_this_process = np.ones(2**25)  # 268 MB, which the others do not have
    jobs = [Job("minnet", small), Job("products alone", small, processes=2), Job("minnet", large)]
    times = take_turns(jobs, rounds=3, seconds=0.01)
    assert [len(times[job].seconds) for job in jobs] == [3, 3, 3]
    assert np.isfinite([times[job].seconds for job in jobs]).all()
    assert 10 < times[jobs[0]].peak < of_this_process.nbytes / 1e6
    assert times[jobs[1]].peak > 1.5 * times[jobs[0]].peak  # of both processes
    assert times[jobs[2]].peak > times[jobs[0]].peak + 80


STEPS = [
    {"peer": peer, "work": work, "replicas": None, "threads": threads, "processes": 1, "microseconds": micro,
     "fastest": micro / 2, "slowest": 2 * micro, "first": 0.5, "peak": 40.0}
    for work, threads, times in (
        ("2-16-16-2, batch 32, tanh", 1, {"minnet": 40.0, "scikit-learn": 160.0, "products alone": 10.0}),
        ("9-9-9-2, batch 32, tanh", 2, {"minnet": 1000.0, "scikit-learn": 1500.0, "products alone": 900.0}),
    )
    for peer, micro in times.items()
]  # fmt: skip


def told(records):
    return {"machine": "a machine", "rounds": 3, "records": records}


def test_times_are_told_beside_minnets_without_those_that_were_not_there():
    tables = blocks({"steps": told(STEPS)})
    assert tables["speed: steps"].splitlines() == [
        "| µs a step | threads | minnet | scikit-learn | products alone |",
        "| --- | --- | --- | --- | --- |",
        "| 2-16-16-2, batch 32, tanh | 1 | **40.0** | 160 (4.00 ×) | 10.0 (0.250 ×) |",
        "| 9-9-9-2, batch 32, tanh | 2 | **1,000** | 1,500 (1.50 ×) | 900 (0.900 ×) |",
        "",
        "`python experiments/speed.py steps --rounds 3`: a machine.",
    ]
    line = "| 2-16-16-2, batch 32, tanh | scikit-learn | 1 | 160 | 80.0 | 320 | 0.50 | 40 |"
    assert line in tables["speed: steps in full"].splitlines()


def test_a_share_of_k_networks_stands_beside_one_network_and_both_cores_apart():
    def row(peer, micro, replicas, **more):
        return {**STEPS[0], "peer": peer, "microseconds": micro, "replicas": replicas, **more}

    records = [row("minnet", 5.0, 32), row("JAX vmap + scan", 10.0, 32), row("scikit-learn", 150.0, None),
               row("minnet", 3.0, 16, processes=2), row("JAX vmap + scan", 9.0, 16, processes=2)]  # fmt: skip
    table = blocks({"replicas": told(records)})["speed: replicas"].splitlines()
    assert table[0] == "| µs a step, per network | K | cores | minnet | JAX vmap + scan | scikit-learn |"
    assert table[2] == "| 2-16-16-2, batch 32, tanh | 32 | 1 | **5.0** | 10.0 (2.00 ×) | 150 (30.0 ×) |"
    assert table[3] == "| 2-16-16-2, batch 32, tanh | 32 | 2 | **3.0** | 9.0 (3.00 ×) |  |"
    left, right = figure({"steps": told(STEPS), "replicas": told(records)}).axes
    drawn = {line.get_label(): list(line.get_ydata()) for line in left.lines}
    assert drawn == {"minnet": [1, 1], "scikit-learn": [4, 1.5], "PyTorch eager": [], "JAX jit a step": [],
                     "JAX jit an epoch": [], "products alone": [0.25, 0.9]}  # fmt: skip
    assert list(right.lines[0].get_ydata()) == [5.0]
