"""Networks in files: what comes back is what went in, what does not fit is refused by name, disks may be full."""

import json
import os
import resource
import shutil
import subprocess
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy  # also: so that it is there when rights to read are given up below
from examples import ACTIVATIONS, LAYERS, LOSSES, NOT_FOR_FILES, OPTIMIZERS, OTHERS, SCHEDULES

import minnet
from minnet import Checkpoint, CheckpointError, Dense, Network, ReLU, Tanh, load, resume, save, train
from minnet.blueprint import described, known_classes, rebuilt
from minnet.settings import Settings

KEPT = Path(__file__).parent / "data"
EXAMPLES = [*LAYERS, *ACTIVATIONS, *LOSSES, *OPTIMIZERS, *SCHEDULES, *OTHERS]
X = np.random.default_rng(0).normal(size=(40, 2))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)


def parts(value):
    yield value
    if isinstance(value, tuple):
        for part in value:
            yield from parts(part)
    elif is_dataclass(value):
        for field in fields(value):
            yield from parts(getattr(value, field.name))


def public_classes():
    found = (getattr(minnet, name) for name in minnet.__all__)
    return {one for one in found if isinstance(one, type) and issubclass(one, Settings)}


def test_every_public_class_has_an_example():
    """So that a new one cannot be forgotten."""
    shown = {type(part) for example in EXAMPLES for part in parts(example)}
    assert public_classes() - shown == NOT_FOR_FILES


@pytest.mark.parametrize("settings", EXAMPLES, ids=repr)
def test_every_public_class_makes_the_round_trip(settings):
    text = json.dumps(described(settings, "it"), allow_nan=False)
    again = rebuilt(json.loads(text), type(settings), "it", known_classes())
    assert again == settings
    assert repr(again) == repr(settings)
    assert hash(again) == hash(settings)


def some_theta(network, seed, dtype=np.float32):
    theta = network.init_theta(seed, np.float64)
    return (theta + np.random.default_rng(5).uniform(0.1, 1, theta.shape)).astype(dtype)


@pytest.mark.parametrize("layer", [*LAYERS, *ACTIVATIONS], ids=repr)
@pytest.mark.parametrize("seed", [0, [1, 2, 3]], ids=["one", "replicas"])
def test_every_layer_comes_back_from_a_file(layer, seed, tmp_path):
    network = Network(layer, minnet.Residual(Network(Tanh(), layer)))
    for dtype in (np.float16, np.float32, np.float64):
        theta = some_theta(network, seed, dtype)
        save(tmp_path / "it", network, theta)
        saved = load(tmp_path / "it")
        assert saved.network == network
        assert saved.theta.dtype == theta.dtype
        np.testing.assert_array_equal(saved.theta, theta)
        assert saved.theta.flags.writeable


def test_the_names_and_the_order_of_the_numbers_are_pytorchs(tmp_path):
    network = Network(Dense(2, 3), minnet.BatchNorm(3), minnet.Residual(Network(minnet.PReLU(3), Dense(3, 3))))
    theta = np.arange(float(network.size))
    save(tmp_path / "it", network, theta)
    found = safetensors.numpy.load_file(tmp_path / "it")
    expected = {
        "0.weight": [[0, 3], [1, 4], [2, 5]], "0.bias": [6, 7, 8], "1.weight": [9, 10, 11], "1.bias": [12, 13, 14],
        "1.running_mean": [15, 16, 17], "1.running_var": [18, 19, 20], "2.inner.0.weight": [21, 22, 23],
        "2.inner.1.weight": [[24, 27, 30], [25, 28, 31], [26, 29, 32]], "2.inner.1.bias": [33, 34, 35],
    }  # fmt: skip
    assert {name: array.tolist() for name, array in found.items()} == expected


def test_the_same_network_is_the_same_file(tmp_path):
    network = Network(Dense(2, 3), Tanh(), Dense(3, 2))
    for name in "ab":
        save(tmp_path / name, network, network.init_theta(0), metadata={"classes": ["yes", "no"], "scale": 0.1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert load(tmp_path / "a").metadata == {"classes": ["yes", "no"], "scale": 0.1}
    assert os.listdir(tmp_path) == ["a", "b"] or os.listdir(tmp_path) == ["b", "a"]


@dataclass(frozen=True, repr=False)
class Doubled(minnet.Layer):
    """A layer of one's own, with two parameters of one name."""

    inner: minnet.Layer
    init: "minnet.initializers.Initializer" = minnet.zeros

    @property
    def parameters(self):
        return (*self.inner.parameters, *self.inner.parameters)

    def forward(self, params, x, streams=None):
        raise AssertionError("nobody asked for it")


@dataclass(frozen=True)
class Halves:
    def __call__(self, rng, shape):
        return np.full(shape, 0.5)


def test_classes_of_ones_own_are_handed_in(tmp_path):
    network = Network(Doubled(Dense(2, 3), init=Halves()), Tanh())
    theta = some_theta(network, [0, 1])
    save(tmp_path / "it", network, theta)
    saved = load(tmp_path / "it", custom=[Doubled, Halves])
    assert saved.network == network
    np.testing.assert_array_equal(saved.theta, theta)
    with pytest.raises(CheckpointError, match=r"layers\[0\]: class 'Doubled' is unknown; .*custom=\(Doubled,\)"):
        load(tmp_path / "it")
    with pytest.raises(CheckpointError, match=r"layers\[0\].init: class 'Halves' is unknown"):
        load(tmp_path / "it", custom=[Doubled])
    with pytest.raises(ValueError, match="custom has to be dataclasses"):
        load(tmp_path / "it", custom=[Halves()])
    with pytest.raises(ValueError, match="two classes are called 'Dense'"):
        load(tmp_path / "it", custom=[dataclass(frozen=True)(type("Dense", (Settings,), {}))])


class NotADataclass(minnet.Layer):
    def forward(self, params, x, streams=None):
        return x, None


@dataclass(frozen=True, repr=False)
class Forgetful(minnet.Layer):
    n: int

    def __post_init__(self):
        object.__setattr__(self, "n", self.n + 1)

    def forward(self, params, x, streams=None):
        return x, None


NET = Network(Dense(2, 3))
Impostor = dataclass(frozen=True, repr=False)(type("Tanh", (ReLU,), {}))


@pytest.mark.parametrize(
    ("network", "theta", "metadata", "message"),
    [
        (NET, np.zeros(5), {}, r"theta has to be floats \(..., 9\), got float64 of shape \(5,\)"),
        (NET, np.zeros(9, int), {}, r"theta has to be floats"),
        (NET, np.zeros(9, np.longdouble), {}, r"is of dtype float128, which the file cannot hold"),
        (NET, np.zeros((2, 2, 9)), {}, r"theta has to be floats"),
        (NET, np.full(9, np.nan), {}, r"theta has to be finite, got nan"),
        (NET, np.zeros(9), {"f": len}, r"metadata has to be what JSON can hold: .* not JSON serializable"),
        (NET, np.zeros(9), {"x": float("nan")}, r"not JSON compliant"),
        (NET, np.zeros(9), {0: "cat"}, r"metadata changes in JSON \(keys have to be strings"),
        (Network(Impostor()), np.zeros(0), {}, r"'Tanh'"),
        (Network(NotADataclass()), np.zeros(0), {}, r"network.layers\[0\].*NotADataclass.* cannot be written"),
        (Network(Forgetful(1)), np.zeros(0), {}, r"Forgetful\(2\).* comes back from a file as .*Forgetful\(3\)"),
        (
            Network(Dense(2, 3), Network(minnet.Elementwise(lambda x: x * x))),
            np.zeros(9),
            {},
            r"network.layers\[1\].layers\[0\].f, of Elementwise\(<lambda>\): .*; make it a frozen dataclass",
        ),
        (
            Network(Dense(2, 3, lambda rng, shape: np.zeros(shape))),
            np.zeros(9),
            {},
            r"layers\[0\].weight_init, of Dens",
        ),
    ],
)
def test_what_cannot_be_written_is_refused_by_name(network, theta, metadata, message, tmp_path):
    with pytest.raises(CheckpointError, match=message) as caught:
        save(tmp_path / "it", network, theta, metadata=metadata)
    assert str(caught.value).startswith(repr(str(tmp_path / "it")))
    assert "\n" not in str(caught.value)
    assert not os.listdir(tmp_path)


def test_a_function_is_refused_at_trains_door(tmp_path):
    network = Network(Dense(2, 3), minnet.Elementwise(np.tanh), Dense(3, 2))
    with pytest.raises(CheckpointError, match=r"network.layers\[1\].f, of Elementwise\(tanh\)"):
        fit(tmp_path / "it", network=network)


# ---- disks


def fit(path, network=NET, epochs=4, *, callbacks=(), every=1, on_error="raise", **settings):
    network = Network(Dense(2, 3), Tanh(), Dense(3, 2)) if network is NET else network
    settings = {"epochs": epochs, "batch_size": 8, "seed": 0} | settings
    settings["callbacks"] = [*callbacks, *([Checkpoint(path, every=every, on_error=on_error)] if path else [])]
    return train(network, minnet.softmax_cross_entropy, minnet.Adam(0.05), X, Y, **settings)


@contextmanager
def full_disk(folder):
    """A disk of 16 KB that is full: a small tmpfs where mounting is allowed, else a limit on the size of files."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "none", folder]
    mounted = shutil.which("mount") and subprocess.run(mount, capture_output=True, check=False).returncode == 0

    def fill():
        if mounted:
            with suppress(OSError), open(folder / "filling", "wb", 0) as file:
                while True:
                    file.write(bytes(512))
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (512, limits[1]))

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield fill
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        if mounted:
            subprocess.run(["umount", folder], check=True)


@contextmanager
def folder_made_read_only(folder):
    """Nobody may write there: root becomes nobody for the time."""

    def lock():
        folder.chmod(0o555)
        if os.geteuid() == 0:
            os.seteuid(65534)

    above = [one for one in (folder, *folder.parents) if one.owner() == folder.owner() and one != Path("/")]
    modes = {one: one.stat().st_mode for one in above}
    try:
        for one in above[1:]:
            one.chmod(modes[one] | 0o111)  # pytest's folders are closed to others
        yield lock
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        for one, mode in modes.items():
            one.chmod(mode)


DISKS = {full_disk: "No space left on device|File too large", folder_made_read_only: "Permission denied"}


@pytest.mark.parametrize("disk", DISKS)
def test_a_save_that_fails_leaves_the_old_file(disk, tmp_path):
    path, network = tmp_path / "it", Network(Dense(2, 30))
    with disk(tmp_path) as break_it:
        save(path, network, network.init_theta(0))
        old = path.read_bytes()
        break_it()
        with pytest.raises(CheckpointError, match=DISKS[disk]) as caught:
            save(path, network, network.init_theta(1))
        assert repr(str(path)) in str(caught.value)
        assert isinstance(caught.value.__cause__, OSError)
        assert path.read_bytes() == old
        assert set(os.listdir(tmp_path)) <= {"it", "filling"}


@pytest.mark.parametrize("disk", DISKS)
def test_a_training_that_cannot_be_saved_stops_or_goes_on_as_the_caller_chose(disk, tmp_path):
    path, whole = tmp_path / "it", fit(None)

    def broken_after_two_epochs(run):
        if len(run.history["loss"]) == 3:
            break_it()

    with disk(tmp_path) as break_it:
        with pytest.raises(CheckpointError, match=DISKS[disk]) as caught:
            fit(path, callbacks=[broken_after_two_epochs])
        run = caught.value.run
        assert repr(str(path)) in str(caught.value)
        assert run.stops[0][:2] == ("checkpoint", 3)
        np.testing.assert_array_equal(run.history["loss"], whole.history["loss"][:3])
        np.testing.assert_array_equal(run.theta, fit(None, epochs=3).theta)
        np.testing.assert_array_equal(load(path).theta, fit(None, epochs=2).theta)
    with disk(tmp_path) as break_it:
        with pytest.warns(RuntimeWarning, match=DISKS[disk]) as warned:
            run = fit(path, callbacks=[broken_after_two_epochs], on_error="warn")
        assert len(warned) == 2
        np.testing.assert_array_equal(run.theta, whole.theta)
        np.testing.assert_array_equal(load(path).theta, fit(None, epochs=2).theta)
    if path.exists():  # and with the disk in order again
        np.testing.assert_array_equal(resume(path, X, Y).theta, whole.theta)


def test_what_is_wrong_with_a_path_is_said(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, message in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "it is no regular file"),
        (tmp_path / "pipe", "it is no regular file"),
        (Path("/dev/zero"), "it is no regular file"),
        ("a\0b", "null"),
    ):
        with pytest.raises(CheckpointError, match=message):
            load(path)
    with pytest.raises(CheckpointError, match="there is no such folder"):
        fit(tmp_path / "none" / "it")
    with pytest.raises(CheckpointError, match="No such file or directory"):
        save(tmp_path / "none" / "it", NET, NET.init_theta(0))
    with pytest.raises(ValueError, match="Checkpoint expects every to be an integer >= 1, got 0"):
        fit(tmp_path / "it", every=0)
    with pytest.raises(ValueError, match="on_error to be 'raise' or 'warn', got 'ignore'"):
        fit(tmp_path / "it", on_error="ignore")


# ---- files of earlier versions


def test_the_network_written_by_format_1_is_still_read():
    saved = load(KEPT / "network_format_1.safetensors")
    assert repr(saved.network) == saved.metadata["network"]
    y = saved.network(saved.theta, np.array(saved.metadata["x"]))
    np.testing.assert_allclose(y, saved.metadata["y"], rtol=1e-5)
