"""Thousands of mutated files: each loads exactly right or is refused by minnet's error, and nothing else is done."""

import copy
import json
import random
import struct
import sys
import time
import tracemalloc
from collections import Counter
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from typer.testing import CliRunner

import minnet
from minnet import CheckpointError, Dense, Network, load, resume, save, train
from minnet.allowed import allowed_of
from minnet.blueprint import described, known_classes
from minnet.cli.app import app
from minnet.lab.datasets import dataset
from minnet.state_dict import views

X = np.random.default_rng(0).normal(size=(12, 2))
Y = (X[:, 0] > 0).astype(int)
NETWORK = Network(
    Dense(2, 24, minnet.he_normal), minnet.GELU("tanh"), minnet.Residual(Network(Dense(24, 24), minnet.PReLU(24))),
    minnet.BatchNorm(24), minnet.Dropout(0.2), minnet.Maxout(24, 3), minnet.Dense(3, 2),
)  # fmt: skip
SLACK = 384 * 1024  # bytes for Python's own objects, which a file of any size needs


# ---- the format once more, as independent of minnet's own writer as it can be


def taken_apart(blob):
    (n,) = struct.unpack("<Q", blob[:8])
    header = json.loads(blob[8 : 8 + n])
    return header, json.loads(header.pop("__metadata__")["minnet"]), blob[8 + n :]


def signed(header, settings, data):
    """A file in which every sum is right, whatever it says."""
    settings = {name: value for name, value in settings.items() if name not in ("sha256", "tensors")}
    sums = {}
    for name, entry in header.items():
        try:
            first, last = entry["data_offsets"]
            dtype = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "U64": "<u8"}[entry["dtype"]]
            text = json.dumps([name, dtype, entry["shape"]])
            sums[name] = sha256(text.encode() + data[first:last]).hexdigest()
        except (KeyError, TypeError, ValueError):
            sums[name] = "0" * 64
    settings["tensors"] = sums
    settings["sha256"] = sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return with_header(json.dumps({"__metadata__": {"minnet": json.dumps(settings)}, **header}), data)


def with_header(text, data):
    text = text.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text)) + text + data


# ---- mutations: (rng, blob, other blob) -> blob


def flipped_bit(rng, blob, other):
    blob = bytearray(blob)
    blob[rng.randrange(len(blob))] ^= 1 << rng.randrange(8)
    return bytes(blob)


def flipped_bit_of_the_header(rng, blob, other):
    blob = bytearray(blob)
    blob[rng.randrange(8 + int.from_bytes(blob[:8], "little"))] ^= 1 << rng.randrange(8)
    return bytes(blob)


def other_bytes(rng, blob, other):
    blob, start = bytearray(blob), rng.randrange(len(blob))
    n = rng.choice([1, 2, 8, 100])
    blob[start : start + n] = rng.randbytes(n)
    return bytes(blob)


def cut(rng, blob, other):
    return blob[: rng.choice([rng.randrange(len(blob)), rng.randrange(20), len(blob) - 1])]


def more_or_less(rng, blob, other):
    start, n = rng.randrange(len(blob)), rng.choice([1, 4, 64])
    return blob[:start] + (rng.randbytes(n) if rng.random() < 0.5 else b"") + blob[start + rng.choice([0, n]) :]


def other_length(rng, blob, other):
    n = rng.choice(
        [
            0,
            1,
            2,
            2**60,
            2**63,
            2**64 - 1,
            2**20 + 1,
            len(blob),
            len(blob) - 8,
            len(blob) - 7,
            10**8,
            rng.randrange(9999),
        ]
    )
    return struct.pack("<Q", n) + blob[8:]


def swapped_header(rng, blob, other):
    (n,), (m,) = struct.unpack("<Q", blob[:8]), struct.unpack("<Q", other[:8])
    return other[: 8 + m] + blob[8 + n :]


def duplicated_entry(rng, blob, other):
    """One name twice, the second with what another tensor, or nothing, has."""
    (n,) = struct.unpack("<Q", blob[:8])
    text, data = blob[8 : 8 + n].decode().rstrip(), blob[8 + n :]
    header = json.loads(text)
    name, another = rng.sample([key for key in header if key != "__metadata__"], 2)
    if rng.random() < 0.3:
        name, another = "__metadata__", "__metadata__"
    return with_header(text[:-1] + "," + json.dumps({name: header[another]})[1:], data)


def swapped_tensors(rng, blob, other):
    """Names, places, shapes or dtypes of two tensors exchanged; the sums not mended."""
    (n,) = struct.unpack("<Q", blob[:8])
    header = json.loads(blob[8 : 8 + n])
    one, two = rng.sample([key for key in header if key != "__metadata__"], 2)
    for what in rng.choice([["dtype", "shape", "data_offsets"], ["data_offsets"], ["shape"], ["dtype"]]):
        header[one][what], header[two][what] = header[two][what], header[one][what]
    return with_header(json.dumps(header), blob[8 + n :])


HUGE = [2**60, 2**62, 2**63, 2**64, 2**31, -1, -(2**60), 0, 1, 10**400, 1e300, 0.5, True, None, "1", [1], {}, 2**16]


def huge_sizes_signed(rng, blob, other):
    header, settings, data = taken_apart(blob)
    entry = header[rng.choice(list(header))]
    what = rng.choice(["shape", "data_offsets", "dtype", "more", "ranks"])
    if what == "dtype":
        entry["dtype"] = rng.choice(
            ["F64", "F16", "BOOL", "I64", "C64", "O", "|O", "V8", "", None, ["F32"], "U64", "U32"]
        )
    elif what == "more":
        header[rng.choice(["minnet.state.other", "9.weight", "__metadata", "../../etc/passwd"])] = {
            "dtype": "F32", "shape": [0, 2**62, 2**62], "data_offsets": [0, 0],
        }  # fmt: skip
    elif what == "ranks":
        entry["shape"] = [1] * rng.choice([15, 40, 100]) + entry["shape"]
    else:
        entry[what] = list(entry[what])
        entry[what][rng.randrange(len(entry[what]))] = rng.choice(HUGE)
    return signed(header, settings, data)


NAMES = [
    "os.system", "eval", "exec", "__import__", "builtins.exec", "subprocess.Popen", "Run", "Datasheet", "train",
    "Saved", "CheckpointError", "Streams", "Parameter", "Stop", "Layer", "Activation", "Elementwise", "CATALOGUE",
    "object", "minnet.Dense", "dense", "", " Dense", "Dense\0", "\ud800", "../Dense", "/etc/passwd", "Network",
    "Residual", "Dense", "Maxout", "Tanh", "SGD", "Penalty", "EarlyStopping", "Following", "Orthogonal", "WarmUp",
    "__class__", "type", "BatchNorm", "numpy", "pickle.loads", "ctypes.CDLL", "antigravity",
]  # fmt: skip
VALUES = [
    *HUGE, float("inf"), float("-inf"), float("nan"), {"float": "inf"}, {"float": "nan"}, {"float": "__import__('os')"},
    [], [[]], {"class": "Tanh"}, {"class": "Network", "layers": []}, {"class": "Dense", "n_in": 2**60, "n_out": 2**60},
    {"class": "Elementwise", "f": {"class": "Tanh"}}, {"class": "Elementwise", "f": "os.system"}, "../../etc/passwd",
    {"class": "Residual", "inner": {"class": "Dense", "n_in": 2, "n_out": 2**40}}, {"class": ["Tanh"]}, {"class": None},
    "os.system('true')", "\ud800", "x" * 5000, [0] * 3000, {"class": "PReLU", "n": 2**62}, -0.0, 1e-320, 3, 24,
]  # fmt: skip


def places(value):
    """Every (container, key) in some JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from places(inner)


def other_settings_signed(rng, blob, other):
    header, settings, data = taken_apart(blob)
    for _ in range(rng.choice([1, 1, 1, 3])):
        known = [(box, key) for box, key in places(settings) if box is not settings.get("tensors") and key != "tensors"]
        box, key = rng.choice(known)
        change = rng.random()
        if isinstance(box, dict) and change < 0.15:
            box[rng.choice(["more", "__init__", "__class__", "class", "f", "epochs"])] = copy.deepcopy(
                rng.choice(VALUES)
            )
        elif change < 0.25:
            del box[key]
        else:
            box[key] = copy.deepcopy(rng.choice(VALUES))
    return signed(header, settings, data)


def other_class_signed(rng, blob, other):
    header, settings, data = taken_apart(blob)
    boxes = [box for box, key in places(settings) if key == "class"]
    rng.choice(boxes)["class"] = rng.choice(NAMES)
    return signed(header, settings, data)


def other_numbers_signed(rng, blob, other):
    """NaN, infinities and any bits in the tensors."""
    header, settings, data = taken_apart(blob)
    data = bytearray(data)
    first, last = header[rng.choice(list(header))]["data_offsets"]
    if last - first >= 8:
        at = rng.randrange(first, last - 7, 4)
        data[at : at + 8] = rng.choice(
            [b"\0\0\xc0\x7f" * 2, b"\0\0\x80\xff" * 2, rng.randbytes(8), b"\xff" * 8, bytes(8)]
        )
    return signed(header, settings, bytes(data))


def deep_json(rng, blob, other):
    header, settings, data = taken_apart(blob)
    n = rng.choice([30, 70, 500, 5000, 50_000])
    inner = rng.choice([("[", "]", ""), ('{"a":', "}", "0"), ('{"class":"Residual","inner":', "}", '{"class":"Tanh"}')])
    text = inner[0] * n + inner[2] + inner[1] * (n if rng.random() < 0.8 else 0)
    if rng.random() < 0.5:
        return with_header(text, data)
    whole = json.dumps(settings)
    whole = rng.choice(
        [text, whole[:-1] + ',"more":' + text + "}", whole.replace('{"class": "GELU"', text + '{"c":"G"', 1)]
    )
    if rng.random() < 0.5 and '"sha256": "' in whole and n < 400:
        settings["network"]["layers"][0] = json.loads(text) if text.count("]") + text.count("}") >= n else None
        return signed(header, settings, data)
    return with_header(json.dumps({"__metadata__": {"minnet": whole}, **header}), data)


def other_metadata(rng, blob, other):
    header, settings, data = taken_apart(blob)
    text = json.dumps(settings)
    texts = ["", "[]", "NaN", text + " ", text + "x", text[:-1] + ',"format":1}', "9" * 5000, "1e999", '"\\ud800"', 1]
    texts.append(text.replace('"format": 1', '"format": 2'))
    others = [None, [], "minnet", {}, {"minnet": text, "more": ""}, {"Minnet": text}]
    metadata = rng.choice([*others, *({"minnet": text} for text in texts)])
    return with_header(json.dumps({"__metadata__": metadata, **header}), data)


def other_kinds_of_files(rng, blob, other):
    others = [b"", bytes(7), bytes(8), bytes(9), bytes(5000), b"\xff" * 5000, b"{}"]
    others += [start + bytes(99) for start in (b"\x80\x04\x95", b"PK\x03\x04", b"\x93NUMPY")]
    others += [with_header(text, b"") for text in ("{}", '{"__metadata__":{}}', "null", "\ufeff{}", "{} {} ")]
    return rng.choice([*others, safetensors.numpy.save({"0.weight": np.zeros((2, 2), "f4")})])


MUTATIONS = [
    flipped_bit, flipped_bit_of_the_header, other_bytes, cut, more_or_less, other_length, swapped_header,
    duplicated_entry, swapped_tensors, huge_sizes_signed, other_settings_signed, other_class_signed,
    other_numbers_signed, deep_json, other_metadata, other_kinds_of_files,
]  # fmt: skip


# ---- what is looked at


class Watch:
    """What happens besides reading the one file: imports, code made or run, other files opened, processes, sockets."""

    HARMLESS = (
        "object.__",
        "sys._getframe",
        "builtins.id",
        "tracemalloc",
        "os.stat",
        "array.__new__",
        "gc.",
        "code.__new__",
    )

    def __init__(self):
        self.path, self.seen = None, []
        sys.addaudithook(self.hook)

    def hook(self, event, arguments):
        if self.path and not event.startswith(self.HARMLESS) and (event, str(arguments[0])) != ("open", self.path):
            self.seen.append((event, arguments))


for own in known_classes().values():  # whose annotations are evaluated once
    allowed_of(own.make)
WATCH = Watch()


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """Two files with what was in them: a network of two replicas, and a training of three."""
    folder = tmp_path_factory.mktemp("honest")
    theta = NETWORK.init_theta([0, 1])
    save(folder / "network", NETWORK, theta, metadata={"classes": ["yes", "no"]})
    run = train(
        NETWORK, minnet.softmax_cross_entropy, minnet.Clipped(minnet.Adam(minnet.WarmUp(0.01, 5)), norm=1.0), X, Y,
        epochs=3, batch_size=8, seed=[1, 2, 3], penalty=minnet.Penalty(l2=1e-3),
        callbacks=[minnet.EarlyStopping("loss"), minnet.Checkpoint(folder / "training")],
    )  # fmt: skip
    return [((folder / "network").read_bytes(), theta), ((folder / "training").read_bytes(), run.theta)]


def says(saved, blob):
    """Whether what was loaded is what a file of right sums says, read by safetensors and json."""
    _, settings, _ = taken_apart(blob)
    tensors = safetensors.numpy.load(blob)
    again = views(saved.network, saved.theta)
    same = all(again[name].tobytes() == tensors[name].tobytes() for name in again)
    extra = {name for name in tensors if name not in again and not name.startswith("minnet.")}
    return same and not extra and covers(described(saved.network, "it"), settings["network"])


def covers(full, given):
    """Whether every setting given is as it is in full, where a list is a tuple and 1 is 1.0."""
    if isinstance(full, dict) and isinstance(given, dict):
        return given.keys() <= full.keys() and all(covers(full[name], given[name]) for name in given)
    if isinstance(full, list) and isinstance(given, list):
        return len(full) == len(given) and all(map(covers, full, given))
    return full == given and isinstance(full, bool) == isinstance(given, bool)


def outcome(path, blob, honest_blob, theta, signed_anew):
    """Load a mutated file: "refused" or "loaded"; anything else fails."""
    path.unlink(missing_ok=True)  # writing over an old file would wait for the disk
    path.write_bytes(blob)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    WATCH.path, WATCH.seen = str(path), []
    try:
        saved = load(path)
    except CheckpointError as error:
        saved, message = None, str(error)
    finally:
        WATCH.path = None
    peak = tracemalloc.get_traced_memory()[1] - before
    assert not WATCH.seen
    assert peak <= 2 * max(len(blob), len(honest_blob)) + SLACK, f"{peak} bytes for a file of {len(blob)}"
    if saved is None:
        assert message.startswith(repr(str(path)))
        assert "\n" not in message
        assert len(message) < 1000
        return "refused"
    same = saved.network == NETWORK and saved.theta.tobytes() == theta.tobytes()
    if not signed_anew:
        assert same
        assert saved.metadata in ({"classes": ["yes", "no"]}, {})
    assert same or says(saved, blob)
    return "loaded as it was" if same else "loaded as it says"


def mutated_files(number, honest, seed):
    """Mutation, its file, and the honest file with theta that it was made of."""
    rng = random.Random(seed)
    for i in range(number):
        which, mutation = rng.randrange(2), MUTATIONS[i % len(MUTATIONS)]
        (blob, theta), (other, _) = honest[which], honest[1 - which]
        yield mutation.__name__, mutation(rng, blob, other), blob, theta


def check_files(number, honest, path, seed):
    """So many mutated files; returns the outcomes of each mutation."""
    for blob, theta in honest:
        for _ in range(2):  # whatever is imported or made at the first use
            assert outcome_of_honest(path, blob, theta)
    met = Counter()
    tracemalloc.start()
    try:
        for name, mutated, blob, theta in mutated_files(number, honest, seed):
            met[name, outcome(path, mutated, blob, theta, name.endswith("_signed"))] += 1
    finally:
        tracemalloc.stop()
    return met


def outcome_of_honest(path, blob, theta):
    path.write_bytes(blob)
    saved = load(path)
    return saved.network == NETWORK and saved.theta.tobytes() == theta.tobytes()


def test_mutated_files_load_exactly_right_or_are_refused(honest, tmp_path):
    met = check_files(640, honest, tmp_path / "it", 0)
    assert sum(met.values()) == 640
    assert {outcome for _, outcome in met} == {"refused", "loaded as it was", "loaded as it says"}


@pytest.mark.slow
def test_ten_thousand_mutated_files(honest, tmp_path):
    met = check_files(10_000, honest, tmp_path / "it", 1)
    for (mutation, how), count in sorted(met.items()):
        print(f"{mutation:28}{how:20}{count:6}")


@pytest.mark.parametrize("name", [*NAMES, "this", "lib2to3.main.main", "minnet.lab.report.write_report"])
def test_a_name_is_looked_up_and_never_imported(name, honest, tmp_path):
    blob, theta = honest[0]
    assert outcome_of_honest(tmp_path / "it", blob, theta)
    header, settings, data = taken_apart(blob)
    settings["network"]["layers"][1] = {"class": name}
    met = outcome(tmp_path / "it", signed(header, settings, data), blob, theta, True)
    assert met == ("loaded as it says" if name in ("Tanh", "Network") else "refused")


def with_text(change):
    """A mutation of the settings' text, which is signed as json reads it: of two equal names the last counts."""

    def mutation(header, settings, data):
        read = json.loads(change(json.dumps(settings)))
        read.pop("sha256")
        right = sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()
        text = change(json.dumps(settings | {"sha256": right}))
        return with_header(json.dumps({"__metadata__": {"minnet": text}, **header}), data)

    return mutation


def nested(n):
    inner = {"class": "Tanh"}
    for _ in range(n):
        inner = {"class": "Residual", "inner": inner}
    return inner


def with_layer(layer):
    return lambda header, settings, data: signed(
        header, settings | {"network": {"class": "Network", "layers": [layer]}}, data
    )


def header_text(header, settings):
    return json.dumps({"__metadata__": {"minnet": json.dumps(settings)}, **header})


@pytest.mark.parametrize(
    ("mutation", "message"),
    [
        (lambda h, s, d: with_header(header_text(h, s), d), None),  # the honest one
        (lambda h, s, d: signed(h, s, d), None),
        (
            lambda h, s, d: with_header(header_text(h, s), d + b"0"),
            r"its tensors take \d+ bytes, but \d+ bytes of data",
        ),
        (lambda h, s, d: with_header(header_text(h, s), d[:-4]), "its tensors take"),
        (lambda h, s, d: signed(h, s, d + b"more"), "its tensors take"),
        (
            lambda h, s, d: with_header(header_text(h, s)[:-1] + f',"0.bias":{json.dumps(h["0.bias"])}}}', d),
            "a name stands twice in its header: .*'0.bias'",
        ),
        (with_text(lambda text: text.replace('"n_in": 2', '"n_in": 9, "n_in": 2', 1)), "a name stands twice"),
        (with_text(lambda text: text), None),
        (lambda h, s, d: with_header(header_text(h, s | {"metadata": {}}), d), "its settings are damaged"),
        (lambda h, s, d: with_header(header_text(h, s), d[:-1] + b"?"), "tensor '.*' is damaged"),
        (with_layer(nested(300)), "settings nested more than 64 deep"),
        (with_layer(nested(50)), "has no tensors"),
        (with_layer({"class": "Dense", "n_in": 2**60, "n_out": 2**60}), r"tensor '0.weight' should be float32"),
        (with_layer({"class": "Dense", "n_in": 2.0, "n_out": 24}), r"layers\[0\].n_in: expected int, got 2.0"),
        (with_layer({"class": "Dense", "n_in": True, "n_out": 24}), r"layers\[0\].n_in: expected int, got True"),
        (with_layer({"class": "Dense", "n_in": 0, "n_out": 24}), r"layers\[0\]: Dense cannot be made: .* >= 1, got 0"),
        (with_layer({"class": "Dense", "n_in": 2}), r"Dense cannot be made: .* missing"),
        (with_layer({"class": "Dense", "n_in": 2, "n_out": 24, "os": 1}), r"Dense has no field \['os'\]"),
        (with_layer({"class": "Dense", "n_in": 2, "n_out": 3, "weight_init": "os.system"}), "weight_init: expected"),
        (with_layer({"class": "GELU", "approximate": "fast"}), r"approximate: expected .*Literal.*, got 'fast'"),
        (with_layer({"class": "SGD", "rate": 0.1}), r"layers\[0\]: expected Layer, got SGD\(0.1\)"),
        (with_layer({"class": "Elementwise", "f": "eval"}), r"layers\[0\].f: expected"),
        (lambda h, s, d: signed(h, s | {"format": 2}, d), "it is of format 2, and this minnet reads format 1"),
        (lambda h, s, d: signed(h, s | {"more": 1}, d), r"its settings should be \['dtype'"),
        (lambda h, s, d: signed(h, s | {"replicas": [3]}, d), r"should be float32 \(3, 24, 2\), got float32"),
        (lambda h, s, d: signed(h, s | {"dtype": "float64"}, d), "should be float64"),
        (lambda h, s, d: signed(h, s | {"dtype": "object"}, d), "theta cannot be of dtype 'object'"),
    ],
)
def test_what_is_wrong_is_said(mutation, message, honest, tmp_path):
    blob, theta = honest[0]
    (tmp_path / "it").write_bytes(mutation(*taken_apart(blob)))
    if message is None:
        np.testing.assert_array_equal(load(tmp_path / "it").theta, theta)
    else:
        with pytest.raises(CheckpointError, match=message):
            load(tmp_path / "it")


def check_resuming(number, honest, path, seed):
    """Mutated checkpoints of a training: each goes on, or is refused by minnet's own error."""
    met = Counter()
    for name, mutated, _, _ in mutated_files(number, honest[1:] * 2, seed):
        path.unlink(missing_ok=True)
        path.write_bytes(mutated)
        try:
            run = resume(path, X, Y, callbacks=[lambda run: True])
        except CheckpointError:
            assert path.read_bytes() == mutated
            met[name, "refused"] += 1
        else:
            same = run.theta.tobytes() == honest[1][1].tobytes()
            assert same or (name == "other_settings_signed" and np.isfinite(run.theta).all())
            met[name, "went on as it was" if same else "went on as it says"] += 1
    return met


def test_mutated_trainings_go_on_or_are_refused(honest, tmp_path):
    met = check_resuming(640, honest, tmp_path / "it", 0)
    assert {outcome for _, outcome in met} >= {"refused", "went on as it was"}
    assert not met["other_numbers_signed", "went on as it says"]  # other numbers do not agree with one another


@pytest.mark.slow
def test_ten_thousand_mutated_trainings(honest, tmp_path):
    met = check_resuming(10_000, honest, tmp_path / "it", 1)
    for (mutation, how), count in sorted(met.items()):
        print(f"{mutation:28}{how:20}{count:6}")


def peak_of(path):
    """The most memory that loading takes, and whether it did load."""
    tracemalloc.start()
    try:
        load(path)
        return tracemalloc.get_traced_memory()[1], True
    except CheckpointError:
        return tracemalloc.get_traced_memory()[1], False
    finally:
        tracemalloc.stop()


def test_a_large_file_takes_twice_its_size_at_most(tmp_path):
    """One matrix is nearly the whole file, which is the worst case: it is read, and turned into theta."""
    path, network = tmp_path / "it", Network(Dense(1500, 1500), Dense(1500, 2))
    save(path, network, network.init_theta(0))
    blob = path.read_bytes()
    assert peak_of(path) == (pytest.approx(2 * len(blob), rel=0.005), True)
    for mutation in (cut, flipped_bit, huge_sizes_signed, swapped_tensors, other_length):
        for seed in range(4):
            path.write_bytes(mutation(random.Random(seed), blob, blob))
            peak, loaded = peak_of(path)
            assert not loaded
            assert peak <= 2.005 * len(blob)


@pytest.mark.parametrize("part", ['{"":0},', "[],", "0,", '{"":{"":{}}},', '"",', "\U0001f600"])
def test_a_header_full_of_nothing_takes_a_bounded_amount(part, tmp_path):
    """Objects take more memory than the text that asks for them: the header's size and its parts are bounded."""
    for n in (2**20 // len(part.encode()) - 100, minnet.tensor_files.PART_LIMIT // (1 + part.count("{")) - 100):
        inner = f"[{part * n}0]" if "," in part else f'["{part * n}"]'
        for text in (inner, json.dumps({"__metadata__": {"minnet": inner}}, ensure_ascii=False)):
            (tmp_path / "it").write_bytes(with_header(text, b""))
            peak, loaded = peak_of(tmp_path / "it")
            assert not loaded
            print(part, n, len(text), peak)
            assert peak <= 16 * 2**20


# ---- right in form, and senseless


def refused(path, blob, message, of=load):
    path.write_bytes(blob)
    with pytest.raises(CheckpointError, match=message) as caught:
        of(path)
    assert len(str(caught.value)) < 1000
    assert "\n" not in str(caught.value)


def test_a_variance_below_0_is_refused(honest, tmp_path):
    header, settings, data = taken_apart(honest[0][0])
    first, _ = header["3.running_var"]["data_offsets"]
    data = data[:first] + struct.pack("<f", -5.0) + data[first + 4 :]
    refused(tmp_path / "it", signed(header, settings, data), "'3.running_var' holds a variance below 0: -5.0")
    theta = NETWORK.init_theta(0)
    views(NETWORK, theta)["3.running_var"][3] = -1e-9
    with pytest.raises(CheckpointError, match="running_var' holds a variance below 0"):
        save(tmp_path / "other", NETWORK, theta)
    assert not (tmp_path / "other").exists()


def test_the_number_of_layers_is_bounded_on_both_sides(honest, tmp_path):
    _, settings, _ = taken_apart(honest[0][0])
    for layer in ({"class": "Tanh"}, {"class": "Network", "layers": []}):
        network = {"class": "Network", "layers": [layer] * 20_000}
        blob = signed({}, settings | {"network": network, "replicas": []}, b"")
        refused(tmp_path / "it", blob, "network is made of more than 10000 settings")
    with pytest.raises(CheckpointError, match="network is made of more than 10000 settings"):
        save(tmp_path / "other", Network(*[minnet.Tanh()] * 10_000), np.zeros(0))
    save(tmp_path / "other", Network(*[minnet.Tanh()] * 9000), np.zeros(0))
    assert len(load(tmp_path / "other").network.layers) == 9000


def test_a_message_is_one_line_whatever_the_file_holds(honest, tmp_path):
    header, settings, data = taken_apart(honest[0][0])
    long, layers = "x" * 70_000, settings["network"]["layers"]
    huge = {"class": "Dense", "n_in": -(10**4000), "n_out": 1}
    for layer in ({"class": long}, {"class": "Tanh", long: 1}, {"class": "GELU", "approximate": long}, huge):
        network = settings["network"] | {"layers": [layer, *layers[1:]]}
        refused(tmp_path / "it", signed(header, settings | {"network": network}, data), "network.layers")
    many = settings["network"] | {"layers": [*layers, *[{"class": "Dropout", "rate": 0.5}] * 3000]}
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    refused(tmp_path / "it", signed(header | {"more": entry}, settings | {"network": many}, data), "has no tensors")
    refused(tmp_path / "it", signed(header | {long: entry}, settings, data), "has no tensors")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"callbacks": [{"class": "EarlyStopping", "monitor": "x" * 5000}]}, r"EarlyStopping\(monitor='xxx"),
        ({"optimizer": {"class": "SGD", "rate": [0.1] * 5}}, "does not fit this training: .* 5 learning rates"),
        ({"optimizer": {"class": "SGD", "rate": {"class": "ReduceOnPlateau", "rate": 0.1}}}, "does not fit this"),
        ({"done": 4}, "4 of 3 epochs cannot be done"),
        ({"done": True}, "True of 3 epochs cannot be done"),
        ({"seed": [1, 2]}, "seed does not fit"),
        ({"seed": [1, 2, -(2**70)]}, "seed does not fit"),
        ({"epochs": 10**8}, "too many"),
    ],
)  # fmt: skip
def test_a_training_that_cannot_be_is_the_files_fault(change, message, honest, tmp_path):
    header, settings, data = taken_apart(honest[1][0])
    blob = signed(header, settings | {"run": settings["run"] | change}, data)
    refused(tmp_path / "it", blob, message, lambda path: resume(path, X, Y))


def test_a_training_without_parameters_is_refused(honest, tmp_path):
    _, settings, _ = taken_apart(honest[1][0])
    for lead in ([], [3], [2**31 - 1]):
        settings |= {"network": {"class": "Network", "layers": [{"class": "Tanh"}]}, "replicas": lead}
        refused(
            tmp_path / "it", signed({}, settings, b""), "seed does not fit|it has no", lambda path: resume(path, X, Y)
        )


def test_epochs_that_are_only_claimed_take_no_memory(honest, tmp_path):
    header, settings, data = taken_apart(honest[1][0])
    (tmp_path / "it").write_bytes(signed(header, settings | {"run": settings["run"] | {"epochs": 3 * 10**7}}, data))
    peak_memory()
    before = peak_memory()
    with pytest.raises(Ended):
        resume(tmp_path / "it", X, Y, callbacks=[end])
    assert peak_memory() - before < 50e6


# ---- through resume and every command

RUNS_CODE = (
    "exec", "compile", "import", "os.system", "os.exec", "os.fork", "os.spawn", "os.posix_spawn", "subprocess.",
    "socket.", "ctypes.", "pty.", "marshal.", "pickle.",
)  # fmt: skip


@pytest.fixture(scope="module")
def made_by_commands(tmp_path_factory):
    """A model and a checkpoint as `minnet train` writes them, and rows to predict."""
    folder = tmp_path_factory.mktemp("commands")
    few = "train", "--points", 40, "--hidden", 4, "--epochs", 2, "-q", "--checkpoint", folder / "run"
    assert command(*few, "--seeds", 2, "--out", folder / "model")[0] == 0
    (folder / "rows.csv").write_text("x1,x2\n0.5,1\n-1,0.25\n")
    return folder


def command(*arguments):
    """Exit code and stderr of a command; whatever it raises is raised."""
    done = CliRunner().invoke(app, [*map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stderr


def commands(file, folder):
    rows, moons = folder / "rows.csv", ("--data", "moons", "--points", 40)
    yield from (("inspect", file), ("inspect", file, "--json"), ("predict", file, rows), ("diagnose", file, *moons[2:]))
    yield from (("export", file, "--to", target) for target in ("numpy", "torch", "sklearn"))
    yield "export", file, "--to", "torch", "-o", folder / "program.py"
    if find_spec("onnx"):
        yield "export", file, "--to", "onnx", "-o", folder / "network.onnx"
    for more in ((), ("--epochs", 3)):
        yield "train", *moons, "--seeds", 2, "--checkpoint", file, "--resume", "-q", *more


class Ended(Exception):
    pass


def end(run):
    raise Ended


def peak_memory():
    """The most that this process has held since the last reset, in bytes; then reset."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")
    return int(line.split()[1]) * 1024


def everything(blob, folder):
    """What comes of a file through load, resume and every command: its outcomes, seconds and bytes."""
    file, met = folder / "it", Counter()
    split = dataset("moons", n_train=40, n_val=40).splits([0, 1])

    def checked(name, call):
        file.unlink(missing_ok=True)
        file.write_bytes(blob)
        peak_memory()
        before, started = peak_memory(), time.process_time()
        WATCH.path, WATCH.seen = str(file), []
        try:
            met[name, call()] += 1
        finally:
            WATCH.path, seconds = None, time.process_time() - started
        ran = [what for what in WATCH.seen if what[0].startswith(RUNS_CODE)]
        assert not ran, (name, ran)
        worst[name] = np.maximum(worst.get(name, (0, 0)), (seconds, peak_memory() - before))

    def library(function):
        try:
            function()
        except CheckpointError as error:
            told = str(error)
        except (Ended, minnet.DivergenceError):
            return "taken"
        else:
            return "taken"
        assert "\n" not in told
        assert len(told) < 1000
        return "refused"

    def of_command(arguments):
        code, stderr = command(*arguments)
        assert code in (0, 1, 2), (arguments, code)
        if code == 2:
            assert stderr.startswith("Error: "), stderr
            assert stderr.count("\n") == 1, stderr
            assert len(stderr) < 2100
        return "refused" if code == 2 else "taken"

    worst = {}
    checked("load", lambda: library(lambda: load(file)))
    validation = split.x_val, split.y_val
    checked("resume", lambda: library(lambda: resume(file, split.x, split.y, validation=validation, callbacks=[end])))
    for arguments in commands(file, folder):
        name = " ".join(str(word) for word in arguments if not str(word).startswith("/"))
        checked(name, lambda arguments=arguments: of_command(arguments))
    return met, worst


def all_through_everything(number, folder, seed):
    """So many files through everything; returns outcomes, and of each door the most seconds and bytes."""
    honest = [((folder / name).read_bytes(), None) for name in ("model", "run")]
    for blob, _ in honest * 2:  # whatever is imported or made at the first use
        list(everything_unchecked(blob, folder))
    met, worst = Counter(), {}
    rng = random.Random(seed)
    for i in range(number):
        which, mutation = rng.randrange(2), MUTATIONS[i % len(MUTATIONS)]
        mutated = mutation(rng, honest[which][0], honest[1 - which][0])
        try:
            outcomes, most = everything(mutated, folder)
        except BaseException:
            print(f"file {i}, made by {mutation.__name__}")
            (folder / "culprit").write_bytes(mutated)
            raise
        met += outcomes
        for name, values in most.items():
            worst[name] = np.maximum(worst.get(name, (0, 0)), values)
    return met, worst


def everything_unchecked(blob, folder):
    file = folder / "it"
    for arguments in commands(file, folder):
        file.write_bytes(blob)
        yield command(*arguments)


def test_mutated_files_through_every_command(made_by_commands):
    met, worst = all_through_everything(64, made_by_commands, 3)
    assert {outcome for _, outcome in met} == {"refused", "taken"}
    assert max(size for _, size in worst.values()) <= 50e6


@pytest.mark.slow
def test_two_thousand_files_through_every_command(made_by_commands):
    met, worst = all_through_everything(2000, made_by_commands, 4)
    for name, (seconds, size) in worst.items():
        print(f"{name:70}{met[name, 'refused']:6}{met[name, 'taken']:6}{seconds:8.3f} s{size / 1e6:8.1f} MB")
    assert max(size for _, size in worst.values()) <= 50e6
