"""What is printed in a terminal and shown in Jupyter: the same numbers, escaped, whole, and of no fixed colour."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import minnet as mn
from minnet import Dense, Network, Tanh
from minnet.lab.comparison import Comparison
from minnet.lab.datasets import dataset
from minnet.shown import as_html

NASTY = "<script>alert('$x$ & \"y\"')</script>"


def run():
    x = np.random.default_rng(0).normal(size=(40, 2))
    network = Network(Dense(2, 3), Tanh(), Dense(3, 1))
    return mn.train(network, mn.mse, mn.SGD(0.1), x, x[:, :1], epochs=2, batch_size=8, seed=[0, 1])


def comparison(names):
    columns = {"score": 0.95, "low": 0.9, "high": 0.97, "worst": 0.5, "failed": 0.0,
               "crossed_low": 0.8, "crossed_high": 0.98, "rate": 0.1, "shared_score": 0.7}  # fmt: skip
    table = pd.DataFrame(columns, index=names).assign(shared_rate=0.1)
    pairs = pd.DataFrame({"a": names[:1], "b": names[1:], "verdict": "no detectable difference"})
    return Comparison(dataset("moons"), pd.DataFrame(), table, pairs, {}, {}, {})


RESULTS = [
    Network(Dense(2, 16), mn.BatchNorm(16), Tanh(), Dense(16, 2)),
    run(),
    mn.datasheet(mn.ReLU()),
    comparison(["tanh", NASTY]),
]
EVERY = pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)


class Reader(HTMLParser):
    """The texts of a page, and whether its tags are whole."""

    def __init__(self, page):
        super().__init__()
        self.open, self.texts, self.tags = [], [], []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@EVERY
def test_html_is_whole_escaped_and_takes_its_colours_from_the_page(result):
    page = Reader(result._repr_html_())
    assert {tag for tag, _ in page.tags} <= {"div", "table", "thead", "tbody", "tr", "th", "td"}
    assert all(set(attributes) <= {"style"} for _, attributes in page.tags)
    styles = " ".join(attributes.get("style", "") for _, attributes in page.tags)
    assert not re.search(r"color(?!: inherit)|background|url|font-family", styles)


@EVERY
def test_html_says_what_the_terminal_says(result):
    html, text = " ".join(Reader(result._repr_html_()).texts), repr(result)
    numbers = re.findall(r"\d+\.\d+", text)
    assert numbers or isinstance(result, Network)
    assert all(number.rstrip("0").rstrip(".") in html for number in numbers)


def test_a_network_shows_a_row_a_layer():
    page = Reader(RESULTS[0]._repr_html_())
    assert page.texts == [
        "Network of 146 parameters", "layer", "parameters", "0", "Dense(2, 16)", "48", "1", "BatchNorm(16)", "64", "2",
        "Tanh()", "3", "Dense(16, 2)", "34",
    ]  # fmt: skip


def test_names_are_escaped():
    assert NASTY in Reader(comparison(["tanh", NASTY])._repr_html_()).texts
    assert Reader(as_html(NASTY, [(NASTY, NASTY)], header=(NASTY,), note=NASTY)).texts == [NASTY] * 5


def test_a_datasheet_prints_as_its_lines():
    lines = repr(mn.datasheet(mn.ReLU())).splitlines()
    assert lines[0] == "ReLU()"
    assert [line.split("  ")[1] for line in lines[1:4]] == ["range", "limits", "monotone"]
    assert max(map(len, lines)) <= 120
