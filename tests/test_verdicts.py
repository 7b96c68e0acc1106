"""Verdicts: three answers from an interval, and each part of each paper with tables that say yes, no and nothing."""

import inspect
from itertools import chain

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from experiments import (
    firing,
    gradient_learning,
    nonlinearity,
    output_range,
    universal_approximation,
    vanishing_gradients,
)
from minnet.lab.statistics import all_pairs, mean_interval, share_interval
from minnet.lab.verdicts import (
    FAILS,
    HALF,
    HOLDS,
    UNDECIDED,
    Statement,
    above,
    answered,
    below,
    every,
    exact,
    law,
    together,
    whole,
    within,
    worded,
)

PAPERS = (nonlinearity, firing, gradient_learning, output_range, vanishing_gradients, universal_approximation)


# --- the mechanism ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ends", "is_above", "is_below"),
    [
        ((0.1, 0.3), HOLDS, FAILS),
        ((-0.3, -0.1), FAILS, HOLDS),
        ((-0.1, 0.3), UNDECIDED, UNDECIDED),
        ((0.0, 0.0), UNDECIDED, UNDECIDED),  # no width is no certainty: it is neither above nor below
        ((np.nan, np.nan), UNDECIDED, UNDECIDED),
        ((-np.inf, np.inf), UNDECIDED, UNDECIDED),
    ],
)
def test_an_interval_has_three_answers(ends, is_above, is_below):
    assert (above(ends, 0), below(ends, 0)) == (is_above, is_below)
    assert above((ends[0] + 5, ends[1] + 5), 5) == is_above


def test_a_range_has_three_answers():
    assert within((0.6, 1.9), 0.5, 2) == HOLDS
    assert within((0.1, 0.4), 0.5, 2) == within((2.1, 9), 0.5, 2) == FAILS
    for ends in ((0.4, 0.6), (1.9, 2.1), (0.1, 9), (np.nan, np.nan)):
        assert within(ends, 0.5, 2) == UNDECIDED


def test_few_values_leave_everything_possible_open():
    one = mean_interval([3.0])[1:]
    assert above(one, 0) == below(one, 9) == within(one, 0, 9) == UNDECIDED
    assert above(share_interval(0, 0), 0.5) == below(share_interval(0, 0), 0.5) == UNDECIDED
    assert share_interval(0, 0) == (0, 1)


def test_a_share_has_wilsons_interval():
    count, n, z = 9, 10, norm.ppf(0.975)
    share = count / n  # Wilson 1927
    middle, half = share + z * z / (2 * n), z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    ends = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    np.testing.assert_allclose(share_interval(count, n), ends, rtol=1e-12)


def test_answers_combine_until_none_that_is_open_could_turn_the_whole():
    assert together([HOLDS, HOLDS]) == HOLDS
    assert together([FAILS, FAILS]) == FAILS
    assert together([HOLDS, FAILS]) == together([HALF, HOLDS]) == together([HALF, UNDECIDED]) == HALF
    assert together([HOLDS, FAILS, UNDECIDED]) == HALF
    assert together([HOLDS, UNDECIDED]) == together([FAILS, UNDECIDED]) == together([]) == UNDECIDED
    assert every([HOLDS, HOLDS]) == HOLDS
    assert every([HOLDS, FAILS, UNDECIDED]) == FAILS
    assert every([HOLDS, UNDECIDED]) == every([]) == UNDECIDED
    assert [exact(True), exact(False), exact(True, tried=False)] == [HOLDS, FAILS, UNDECIDED]


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        ([Statement(HOLDS)], "holds"),
        ([Statement(UNDECIDED, "on moons")], "not decided"),
        ([Statement(FAILS, "in layer 1"), Statement(FAILS, "in layer 2")], "does not hold"),
        ([Statement(HOLDS, "here"), Statement(UNDECIDED, "there")], "not decided: holds here; not decided there"),
        (
            [Statement(FAILS, "a"), Statement(HOLDS, "b"), Statement(FAILS, "c"), Statement(UNDECIDED, "d")],
            "half true: holds b; not decided d; does not hold a, c",
        ),
        (
            [
                Statement(HOLDS, "for a with b"),
                Statement(HOLDS, "for c"),
                Statement(HOLDS, "in d"),
                Statement(FAILS, "for e"),
            ],
            "half true: holds for a with b, c, in d; does not hold for e",
        ),
        ([law(HOLDS, "a"), law(FAILS, "b")], "does not hold: holds a; does not hold b"),
        ([law(HOLDS, "x"), Statement(HOLDS, "y")], "holds (the law holds)"),
        ([law(FAILS, "x"), Statement(HOLDS, "y")], "holds (the law does not hold)"),
        ([law(HOLDS, "x"), Statement(FAILS, "y")], "does not hold (the law holds)"),
    ],
)
def test_the_words_say_what_holds_and_what_does_not(statements, words):
    assert worded(statements) == words


def test_laws_are_counted_apart_from_findings():
    holds, fails, unclear = ([Statement(answer)] for answer in (HOLDS, FAILS, UNDECIDED))
    of_law = [law(HOLDS)]
    answer, words = whole([of_law, of_law, holds, fails])
    assert answer == HALF
    assert words == "half true; of 2 findings 1 holds, 1 does not hold; of 2 laws 2 hold"
    assert whole([of_law, fails])[0] == FAILS  # however many laws hold
    assert whole([of_law, holds, unclear])[0] == UNDECIDED
    assert whole([[*of_law, *fails]])[1] == "does not hold; of 1 finding 1 does not hold; of 1 law 1 holds"
    assert whole([of_law])[1] == "holds; of 0 findings none; of 1 law 1 holds"


# --- the papers -------------------------------------------------------------------------------------------------------


def around(mean, spread=0.01, n=20):
    """n values of this mean, none alike."""
    return mean + spread * np.linspace(-1, 1, n)


NOTHING = around(0.0, 9.0)  # neither above nor below anything
FEW = np.array([0.5])
HIGH, LOW, WIDE = (0.2, 0.3), (-0.3, -0.2), (-0.3, 0.3)


def pairs(linear, tanh, spread=0.001):
    """All pairs of the losses of three heads, the first two that much above the sigmoid's."""
    losses = {"linear": around(0.1 + linear, spread), "tanh": around(0.1 + tanh, spread), "sigmoid": around(0.1)}
    return {"log-loss": all_pairs(pd.DataFrame(losses), lower_is_better=True)}


def units(share_at_the_ends):
    """On-shares of 100 units of 20 networks: so many of them on for no input or for all."""
    at = np.full((20, 100), 0.5)
    at[:, : int(100 * share_at_the_ends)] = 0
    at[::2, int(100 * share_at_the_ends)] = 1
    return at


HALVES = [around(0.5), around(0.5, 0.1)]
SAME, DIFFERS = np.zeros(20, bool), np.ones(20, bool)
MET = np.arange(20) < 15
POINTS = np.array([0, 1, 1, 0])
OFF = {"relu": True, "step": True}
# Of each part of each paper: who judges it, and tables for the claim, against it, and of nothing. None: a law that is
# computed, and always decided.
PARTS = {
    "nonlinearity a": (nonlinearity.judge_collapse, ([0.2, 0.9],), ([0.2, 1.1],), ([],)),
    "nonlinearity b1": (nonlinearity.judge_ceiling, (0, 1000), (1, 1000), (0, 999)),
    "nonlinearity b2": (
        nonlinearity.judge_bent,
        ({"moons": (0.06, 0.08), "xor": HIGH},),
        ({"moons": (0.02, 0.04), "xor": LOW},),
        ({"moons": (0.04, 0.06), "xor": WIDE},),
    ),
    "nonlinearity b3": (
        nonlinearity.judge_barely,
        ({"tanh": (0.01, 0.03), "sigmoid": LOW},),
        ({"tanh": (0.06, 0.3), "sigmoid": HIGH},),
        ({"tanh": (0.04, 0.06), "sigmoid": WIDE},),
    ),
    "nonlinearity c": (nonlinearity.judge_witness, (POINTS, (3, 3)), (1 - POINTS, (4, 4)), None),
    "nonlinearity d": (nonlinearity.judge_features, ((0.985, 0.99),), ((0.9, 0.97),), ((0.97, 0.99),)),
    "firing a": (firing.judge_switches, (OFF,), ({"tanh": False, "sine": False},), ({},)),
    "firing b": (
        firing.judge_never_off,
        ({"relu": around(0.5), "sigmoid": np.zeros(20), "softplus": np.zeros(20)},),
        ({"relu": np.zeros(20), "sigmoid": np.zeros(20), "softplus": np.zeros(20)},),
        ({"relu": FEW, "sigmoid": np.zeros(1), "softplus": np.zeros(1)},),
    ),
    "firing b, the law": (
        lambda relu, sigmoid: firing.judge_never_off({"relu": relu, "sigmoid": sigmoid, "softplus": sigmoid})[1:],
        (around(0.5), np.zeros(20)),
        (around(0.5), around(0.1)),
        None,
    ),
    "firing c": (
        lambda *tables: firing.judge_half(HALVES, *tables)[1:],
        (units(0.0), around(0.5)),
        (units(0.2), around(0.3)),
        (units(0.045), around(0.45, 0.1)),
    ),
    "firing c, the law": (
        lambda means: firing.judge_half(means, units(0), around(0.5))[:1],
        (HALVES,),
        ([around(0.5), around(0.52)],),
        None,
    ),
    "firing d": (
        firing.judge_silenced,
        ([around(0.1, 0.1), around(0.5)],),
        ([around(-0.1, 0.1), around(-0.5)],),
        ([around(0.0, 0.9), around(0.02, 0.9)],),
    ),
    "firing e": (firing.judge_hard_step, (0, True), (1, True), (0, False)),
    "gradient a": (gradient_learning.judge_gradients, ({"a": 1e-12, "b": 0.0},), ({"a": np.nan, "b": 1e-12},), ({},)),
    "gradient b": (gradient_learning.judge_exact_zeros, ([0.0, 0.0], [1.0, 3.9]), ([0.1, 0.0], [1.0, 4.1]), ([], [])),
    "gradient c": (
        lambda *tables: gradient_learning.judge_losses(1.0, *tables)[1:],
        (around(50, 9), around(0.03)),
        (around(-5, 1), around(0.0)),
        (NOTHING, NOTHING),
    ),
    "gradient c, the law": (
        lambda ratio: gradient_learning.judge_losses(ratio, NOTHING, NOTHING)[:1],
        (1 + 1e-12,),
        (1.01,),
        None,
    ),
    "gradient d": (gradient_learning.judge_by_hand, (0, 1e-16), (1, 1e-3), None),
    "gradient e": (
        lambda *narrow: gradient_learning.judge_slopes((SAME, SAME), narrow)[1:],
        (MET, MET),
        (MET, SAME),
        (MET, np.arange(20) < 11),
    ),
    "gradient e, the law": (
        lambda *wide: gradient_learning.judge_slopes(wide, (DIFFERS, DIFFERS))[:1],
        (MET, MET),
        (MET, DIFFERS),
        (DIFFERS, DIFFERS),
    ),
    "gradient f": (
        gradient_learning.judge_differentiable,
        ({"tanh (smooth)": HIGH, "ReLU (a kink)": LOW, "hard step (flat)": LOW},),
        ({"tanh (smooth)": LOW, "ReLU (a kink)": HIGH, "hard step (flat)": HIGH},),
        ({"tanh (smooth)": WIDE, "ReLU (a kink)": WIDE, "hard step (flat)": WIDE},),
    ),
    "output a": (
        output_range.judge_ranges,
        (True, True, {"float64": 36.7, "float32": 16.6}),
        (False, False, {"float64": None, "float32": 16.6}),
        None,
    ),
    "output b": (output_range.judge_sums, (2.0, True), (np.inf, False), None),
    "output c": (output_range.judge_unbounded, (around(0.4),), (around(0.002, 0.001),), (FEW,)),
    "output d": (
        output_range.judge_heads,
        (pairs(0.03, 0.02),),
        (pairs(-0.03, -0.02),),
        (pairs(0.03, -0.02, 9.0),),
    ),
    "vanishing a": (
        vanishing_gradients.judge_by_layer,
        (around(4), around(2e-8, 1e-9)),
        (around(40), around(2e-5, 1e-9)),
        (np.array([1.4, 2, 4, 30, 78]), np.array([1e-8, 1e-8, 1e-8, 1e-5, 1e-5])),
    ),
    "vanishing b": (
        vanishing_gradients.judge_predicted,
        ({"GELU, He": [around(1.1), around(1)]},),
        ({"GELU, He": [around(1), around(2)]},),
        ({"GELU, He": [around(1), around(1.2, 0.5)]},),
    ),
    "vanishing c": (vanishing_gradients.judge_starts, ((9, 10), (0, 10)), ((1, 10), (9, 10)), ((6, 10), (4, 10))),
    "vanishing d": (vanishing_gradients.judge_born_dead, ([0.06, 0.9],), ([1e-9, 0.9],), ([],)),
    "vanishing e": (
        vanishing_gradients.judge_dead_units,
        ([(around(0), around(0.96)), (around(0.7), around(0.96))],) * 2,
        ([(around(0), around(0.96)), (around(0.7), around(0.6))],) * 2,
        ([(around(0), around(0.96)), (around(0.4), around(0.6))],) * 2,
    ),
    "universal a": (
        universal_approximation.judge_sine,
        (0.99, -1.99, -1.01),
        (1.1, -1.9, -1.01),
        None,
    ),
    "universal a, any function": (
        lambda *given: [universal_approximation.judge_error(*map(np.array, given), "for the polygon")],
        ([0.1, 0.2], [0.1, 0.3]),
        ([0.1, 0.4], [0.1, 0.3]),
        None,
    ),
    "universal b": (universal_approximation.judge_floor, (0.5, 0.5, 0.6), (0.6, 0.5, 0.4), None),
    "universal c": (
        universal_approximation.judge_learned,
        ({"Adam with 8 units": HIGH},),
        ({"Adam with 8 units": LOW},),
        ({"Adam with 8 units": WIDE},),
    ),
    "universal d": (universal_approximation.judge_depth, ([2, 4, 8], 1), ([2, 4, 7], 2), None),
    "universal e": (
        universal_approximation.judge_pieces,
        ({"at depth 1": (0.9, 1.8)},),
        ({"at depth 1": (2.1, 3.0)},),
        ({"at depth 1": (1.9, 2.1)},),
    ),
}
TABLES = [
    pytest.param(judge, table, answer, id=f"{name}: {answer}")
    for name, (judge, *tables) in PARTS.items()
    for table, answer in zip(tables, (HOLDS, FAILS, UNDECIDED), strict=True)
    if table is not None
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("judge", "table", "answer"), TABLES)
def test_each_verdict_follows_its_table(judge, table, answer):
    statements = judge(*table)
    assert answered(statements) == answer, worded(statements)


def test_equal_accuracies_are_not_certain():
    """Three seeds alike may differ by a test point, which decides what lies within a few points of the threshold."""
    barely, clearly = np.full(3, 0.0105), np.full(3, 0.02)  # the threshold is one point
    for more, answer in ((barely, UNDECIDED), (clearly, HOLDS)):
        assert gradient_learning.judge_losses(1.0, around(50), more)[-1].answer == answer
        assert output_range.judge_unbounded(more)[0].answer == answer
    fewest, most = (around(0), np.full(3, 0.96)), (around(0.7), np.full(3, 0.9505))
    assert {s.answer for s in vanishing_gradients.judge_dead_units((fewest, most), (fewest, most))} == {UNDECIDED}


def test_of_losses_the_lower_is_better():
    infinite, some = np.full(20, np.inf), np.append(around(0.1, n=19), np.inf)  # so that the difference is none
    for lost, answer in (((infinite, infinite, some), HOLDS), ((some, some, infinite), FAILS)):
        table = pd.DataFrame(dict(zip(("linear", "tanh", "sigmoid"), lost, strict=True)))
        found = {"log-loss": all_pairs(table, lower_is_better=True)}
        assert [s.answer for s in output_range.judge_heads(found)] == [answer, answer]


def test_every_part_is_fed_tables():
    named = {name.partition(",")[0] for name in PARTS}
    assert len(named) == 31
    judges = {name for paper in PAPERS for name, _ in inspect.getmembers(paper, inspect.isfunction) if "judge_" in name}
    source = inspect.getsource(inspect.getmodule(test_every_part_is_fed_tables))
    assert [name for name in judges if f".{name}" not in source] == []
    for paper in PAPERS:  # and no part has answers from anywhere else
        assert "Part(" in inspect.getsource(paper)
        for word in ("HALF", "half true"):
            assert word not in inspect.getsource(paper)


@pytest.mark.parametrize(
    ("judge", "table", "words"),
    [
        (
            firing.judge_silenced,
            ([around(-0.14, 0.1), around(0.29, 0.1)],),
            "half true: holds in layer 2; does not hold in layer 1",
        ),
        (
            firing.judge_switches,
            ({"relu": True, "tanh": False, "gelu": False},),
            "half true: holds for 1 of 3; does not hold for 2 of 3",
        ),
        (
            vanishing_gradients.judge_predicted,
            ({"ReLU, He": [around(1), around(1)], "GELU, He": [around(1), around(2)]},),
            "half true: holds for ReLU with He; does not hold for GELU with He",
        ),
        (
            vanishing_gradients.judge_dead_units,
            (
                [(around(0), around(0.96)), (around(0.7), around(0.96))],
                [(around(0), around(0.96)), (around(0.7), around(0.5))],
            ),
            "half true: holds for the wide network; does not hold for the narrow network",
        ),
        (
            gradient_learning.judge_differentiable,
            ({"tanh (smooth)": HIGH, "ReLU (a kink)": WIDE, "hard step (flat)": LOW},),
            "not decided: holds for tanh (smooth), hard step (flat); not decided for ReLU (a kink)",
        ),
        (
            nonlinearity.judge_barely,
            ({"tanh at its own rate": (0.01, 0.03), "tanh at rate 0.1": HIGH},),
            "half true: holds for tanh at its own rate; does not hold for tanh at rate 0.1",
        ),
    ],
)
def test_parts_that_differ_are_named(judge, table, words):
    assert worded(judge(*table)) == words


def test_the_verdict_can_be_turned_by_data_unless_it_is_a_law():
    for name, (judge, yes, no, nothing) in PARTS.items():
        laws = {statement.law for statement in chain(judge(*yes), judge(*no) if no else [])}
        assert laws == {True} or nothing is not None, name
