"""One example of every public class that a file can hold, each with no setting at its default."""

import minnet as mn

LAYERS = [
    mn.Dense(2, 3, weight_init=mn.Orthogonal(gain=1.3), bias_init=mn.Constant(0.1)),
    mn.Dense(2, 3, weight_init=mn.Following(mn.GELU(approximate="tanh"))),
    mn.Residual(mn.Dense(3, 3, weight_init=mn.VarianceScaling(1.7, "out", "normal"))),
    mn.Dropout(0.25),
    mn.LayerNorm(3, epsilon=1e-3),
    mn.BatchNorm(3, epsilon=1e-4),
    mn.PReLU(3, start=0.1),
    mn.LearnedSwish(3),
    mn.Maxout(3, 2, pieces=3, weight_init=mn.he_normal),
    mn.Softmax(),
    mn.LogSoftmax(),
    mn.Network(mn.Residual(mn.Network(mn.Dense(2, 2), mn.Tanh())), mn.Dense(2, 1)),
]
ACTIVATIONS = [
    *mn.CATALOGUE,
    mn.LeakyReLU(0.2),
    mn.ELU(0.7),
    mn.CELU(0.7),
    mn.SiLU(1.5),
    mn.Sine(omega_0=1.5),
    mn.Snake(0.3),
]
LOSSES = [
    mn.MeanSquaredError(),
    mn.SoftmaxCrossEntropy(),
    mn.BinaryCrossEntropy(),
    mn.MeanAbsoluteError(),
    mn.Huber(0.7),
    mn.Hinge(),
    mn.Poisson(),
]
SCHEDULES = [
    mn.StepDecay((0.1, 0.2), 7, 0.5),
    mn.ExponentialDecay(0.1, 0.93),
    mn.CosineDecay(0.1, 40, end=0.01),
    mn.WarmUp(mn.CosineDecay(0.1, 40), 10, 0.2),
    mn.WarmUp((0.1, 0.2), 10),
    mn.OneCycle(0.1, 60, rise=0.5, divide=10.0, final_divide=100.0),
    mn.ReduceOnPlateau(0.1, 0.5, 4, monitor="loss", threshold=1e-2),
]
OPTIMIZERS = [
    mn.SGD(0.1, 0.9, nesterov=True, weight_decay=1e-3),
    mn.SGD((0.1, 0.2)),
    *[mn.SGD(schedule) for schedule in SCHEDULES],
    mn.AdaGrad(0.1, 1e-9),
    mn.RMSProp(0.01, 0.9, 1e-7),
    mn.Adam(0.05, 0.8, 0.95, 1e-4),
    mn.AdamW(0.05, 0.3, 0.8, 0.95, 1e-4),
    mn.Clipped(mn.Adam(mn.StepDecay(0.1, 5)), norm=0.5, value=float("inf")),
]
OTHERS = [mn.Penalty(0.1, 0.2), mn.EarlyStopping("loss", 3, least=0.1), mn.Checkpoint("it", every=3, on_error="warn")]
# Contracts have no instances; what is made of a function, or is no setting, is not for a file.
NOT_FOR_FILES = {mn.Layer, mn.Activation, mn.Loss, mn.Optimizer, mn.Schedule, mn.Elementwise}
