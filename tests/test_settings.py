"""Every setting of every public class: what it may be, and that all else is refused, naming class and setting."""

from dataclasses import KW_ONLY, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
from examples import ACTIVATIONS, LAYERS, LOSSES, OPTIMIZERS, OTHERS, SCHEDULES

import minnet as mn
from minnet.allowed import Allowed
from minnet.settings import Settings

# Each setting by what it may be. The ranges are PyTorch's where it refuses anything (torch.optim, torch.nn, LinearLR,
# ReduceLROnPlateau), scikit-learn's for the rest; where neither has a word to say, what the formula is defined for.
POSITIVE = {
    "CELU.alpha", "ELU.alpha", "AdaGrad.epsilon", "Adam.epsilon", "AdamW.epsilon", "BatchNorm.epsilon", "Huber.delta",
    "LayerNorm.epsilon", "RMSProp.epsilon", "ExponentialDecay.gamma", "OneCycle.divide", "OneCycle.final_divide",
    "StepDecay.gamma", "VarianceScaling.scale",
}  # fmt: skip
RATE = {
    "SGD.rate", "AdaGrad.rate", "Adam.rate", "AdamW.rate", "RMSProp.rate", "CosineDecay.rate", "ExponentialDecay.rate",
    "OneCycle.rate", "ReduceOnPlateau.rate", "StepDecay.rate", "WarmUp.schedule",
}  # fmt: skip
NOT_NEGATIVE = {
    "SGD.weight_decay", "AdamW.weight_decay", "CosineDecay.end", "EarlyStopping.least", "Penalty.l1", "Penalty.l2",
}  # fmt: skip
FROM_0_BELOW_1 = {
    "SGD.momentum", "Adam.beta1", "Adam.beta2", "AdamW.beta1", "AdamW.beta2", "Dropout.rate", "RMSProp.decay",
    "ReduceOnPlateau.threshold",
}  # fmt: skip
BETWEEN_0_AND_1 = {"OneCycle.rise", "ReduceOnPlateau.gamma"}
ANY_NUMBER = {"Constant.value", "Orthogonal.gain", "PReLU.start"}
LIMIT = {"Clipped.norm", "Clipped.value"}
MODERATE = {"SiLU.beta", "Sine.omega_0", "Snake.alpha"}
COUNT = {
    "BatchNorm.n", "LayerNorm.n", "PReLU.n", "LearnedSwish.n", "Dense.n_in", "Dense.n_out", "Maxout.n_in",
    "Maxout.n_out", "Maxout.pieces", "CosineDecay.steps", "OneCycle.steps", "WarmUp.steps", "StepDecay.every",
    "EarlyStopping.patience", "Checkpoint.every",
}  # fmt: skip
WORD = {"Checkpoint.on_error", "GELU.approximate", "VarianceScaling.fan", "VarianceScaling.distribution"}
TEXT = {"EarlyStopping.monitor", "ReduceOnPlateau.monitor"}
OBJECT = {
    "Clipped.optimizer", "Dense.weight_init", "Dense.bias_init", "Maxout.weight_init", "Residual.inner",
    "Following.activation", "Elementwise.f", "Elementwise.df",
}  # fmt: skip

nan, inf = float("nan"), float("inf")
NO_NUMBER = ["0.5", "", True, {}, 1j, [], (), b"1", np.zeros((2, 2)), object()]
SEVERAL = [(0.5, 0.5), [0.5, 0.5], np.full(3, 0.5), np.array(0.5)]
NUMBERS = [nan, -inf, 10**400, np.float32(nan), *NO_NUMBER]
TABLE = [  # settings, what each of them takes, what each of them refuses
    (POSITIVE, [1e-9, 2, np.float32(0.5)], [0, 0.0, -1, -1e-9, inf, None, *NUMBERS, *SEVERAL]),
    (RATE, [0, 0.5, 3, np.float32(0.5), *SEVERAL], [-1, -1e-9, inf, None, (0.5, -1), (0.1, nan), [inf], *NUMBERS]),
    (NOT_NEGATIVE, [0, 0.5, 3], [-1, -1e-9, inf, None, *NUMBERS, *SEVERAL]),
    (FROM_0_BELOW_1, [0, 0.99], [-1e-9, 1, 1.0, 2, inf, None, *NUMBERS, *SEVERAL]),
    (BETWEEN_0_AND_1, [0.1, 0.99], [0, -0.5, 1, 1.0, 2, inf, None, *NUMBERS, *SEVERAL]),
    ({"LeakyReLU.alpha"}, [1e-9, 1], [0, -0.5, 1.01, inf, None, *NUMBERS, *SEVERAL]),
    ({"WarmUp.start"}, [0, 0.5, 1], [-1, -1e-9, 1.01, inf, None, *NUMBERS, *SEVERAL]),
    (ANY_NUMBER, [0, -1.5, 1e300], [inf, None, *NUMBERS, *SEVERAL]),
    (LIMIT, [1e-9, 2, inf, None], [0, -1, nan, -inf, *NO_NUMBER, *SEVERAL]),
    (MODERATE, [1e-3, 1000], [0, -1, 1e-4, 1001, inf, None, *NUMBERS, *SEVERAL]),
    (COUNT, [6, np.int64(7)], [0, -1, 2.5, 2.0, inf, None, *NUMBERS, *SEVERAL]),
    ({"ReduceOnPlateau.patience"}, [0, 3], [-1, 2.5, inf, None, *NUMBERS, *SEVERAL]),
    ({"SGD.nesterov"}, [True, False], ["yes", 0, 1, 1.0, None, nan, np.array(True)]),
    (WORD, [], ["None", "other", 0, None, True, nan, ("in",), np.array("in")]),
    (TEXT, ["loss"], [0, None, True, nan, ("loss",), b"loss"]),
    ({"Checkpoint.path"}, ["it", Path("it")], [0, None, True, nan, ("it",), b"it"]),
    (OBJECT, [], ["relu", 3, True, nan, inf, (), object(), np.zeros(3)]),
]
EXAMPLES = {
    type(one).__name__: one
    for one in (*LAYERS, *ACTIVATIONS, *LOSSES, *OPTIMIZERS, mn.SGD(0.1, 0.9), *OTHERS, *SCHEDULES, mn.he_normal,
                mn.zeros, mn.orthogonal, mn.Following(mn.Tanh()), mn.Elementwise(np.square, df=lambda x: 2 * x))
}  # fmt: skip
KNOWN = sorted(set().union(*(settings for settings, _, _ in TABLE)))


def test_the_table_holds_every_setting_of_every_public_class():
    public = [getattr(mn, name) for name in mn.__all__]
    settings = [kind for kind in public if isinstance(kind, type) and issubclass(kind, Settings) and is_dataclass(kind)]
    there = {f"{kind.__name__}.{field.name}" for kind in settings for field in fields(kind)}
    assert there - {"Network.layers"} == set(KNOWN)  # which its constructor takes one by one, and looks at itself
    assert len(KNOWN) == sum(len(part) for part, _, _ in TABLE)


@pytest.mark.parametrize("setting", KNOWN)
def test_each_setting_takes_what_it_may_be_and_refuses_all_else(setting):
    kind, name = setting.split(".")
    _, good, bad = next(row for row in TABLE if setting in row[0])
    for value in good:
        replace(EXAMPLES[kind], **{name: value})
    for value in bad:
        with pytest.raises(ValueError, match=f"^{kind} expects {name} ") as caught:
            replace(EXAMPLES[kind], **{name: value})
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mn.Adam(epsilon=-1), "Adam expects epsilon > 0, got -1"),
        (lambda: mn.SGD(inf), "SGD expects rate >= 0 and finite, got inf"),
        (lambda: mn.SGD((0.1, nan)), "SGD expects rate >= 0, got (0.1, nan)"),
        (lambda: mn.Dropout("0.5"), "Dropout expects rate >= 0 and < 1, got '0.5'"),
        (lambda: mn.Dense(2.5, 1), "Dense expects n_in to be an integer >= 1, got 2.5"),
        (lambda: mn.GELU("erf"), "GELU expects approximate to be 'none' or 'tanh', got 'erf'"),
        (lambda: mn.Residual(3), "Residual expects inner to be a Layer, got 3"),
    ],
)
def test_the_error_says_what_is_expected_and_what_came(make, message):
    with pytest.raises(ValueError, match="expects") as caught:
        make()
    assert str(caught.value) == message


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_refuses_what_has_no_batch(loss):
    """One number or a row alone, with a target of the same shape: what is the mean over the batch then?"""
    for shape in ((), (3,)):
        with pytest.raises(ValueError, match=r"expects.* shape \(\.\.\., batch"):
            loss(np.zeros(shape), np.zeros(shape))


def test_settings_of_ones_own_may_say_what_they_allow():
    @dataclass(frozen=True, repr=False)
    class Own(Settings):
        slope: Annotated[float, Allowed(">= -1 and <= 1e3")] = 0.5
        _: KW_ONLY
        loose: float = 0.1

    @dataclass(frozen=True, repr=False)
    class Looser(Own):
        slope: float = 0.5

    assert Own(-1.0, loose=(1, 2)).loose == (1, 2)
    assert Own(1000.0).slope == 1000
    for wrong in (-1.01, 1001, "1"):
        with pytest.raises(ValueError, match="Own expects slope >= -1 and <= 1e3, got"):
            Own(wrong)
        assert Looser(wrong).slope == wrong
