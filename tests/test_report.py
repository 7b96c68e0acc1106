"""The report: whole, self-contained, escaped; and, where a browser is installed, opened in one."""

import csv
import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import combinations
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.datasets import load_diabetes

from minnet import SGD, Dense, Identity, Network, ReLU, Tanh, mse, softmax_cross_entropy, train
from minnet.lab import report
from minnet.lab.comparison import Comparison
from minnet.lab.datasets import dataset
from minnet.lab.pictures import MANY_PAIRS
from minnet.lab.report import write_report
from minnet.lab.tables import read_table

CHROMIUM = shutil.which("chromium")
NASTY = "<script>alert('$x$ & \"y\"')</script>"
RATES = (0.01, 0.1, 1.0)


class Made(Comparison):
    """A comparison with a short verdict."""

    def verdict(self):
        return f"On {self.data.name} it is like this."


def compared(data, activations, *, seeds=3, epochs=8):
    """A small comparison by hand, from real training runs; seed 0 of each condition at the highest rate is broken."""
    regression = getattr(data, "task", "classification") == "regression"
    loss, n_out = (mse, 1) if regression else (softmax_cross_entropy, data.n_classes)
    rows, curves, examples, scores = [], {}, {}, {}
    for name, activation in activations.items():
        network = Network(Dense(data.n_in, 8), activation, Dense(8, n_out))
        for phase, some in (("tuning", range(seeds)), ("test", range(seeds, 2 * seeds))):
            split, history = data.splits(some), []
            for rate in RATES:
                curve, target = [], loss.encode(split.y_test, n_out, np.float32)

                def watch(training, curve=curve, split=split, target=target):
                    diverged = [stop.reason == "diverged" for stop in training.stops]
                    with np.errstate(all="ignore"):
                        curve.append(np.where(diverged, data.guess, loss.metric(training(split.x_test), target)))

                run = train(network, loss, SGD(rate), split.x, split.y, epochs=epochs, batch_size=32, seed=some,
                            validation=(split.x_val, split.y_val),
                            callbacks=[watch])  # fmt: skip
                history.append(curve)
                for k, seed in enumerate(some):
                    broken = run.diverged[k] or (phase == "tuning" and rate == RATES[-1] and k == 0)
                    rows.append(
                        {
                            "condition": name,
                            "activation": name,
                            "initialiser": "recommended",
                            "optimizer": "SGD",
                            "phase": phase,
                            "rate": rate,
                            "seed": seed,
                            "diverged": broken,
                            "validation_score": data.guess if broken else run.history["validation_metric"][-1][k],
                            "validation_loss": run.history["validation_loss"][-1][k],
                            "test_score": data.guess if broken else curve[-1][k],
                        }
                    )
            if phase == "test":
                curves[name] = pd.DataFrame(history[1], index=range(1, epochs + 1), columns=list(some))
                examples[name] = network, run.theta[0], data.split(some[0])
                scores[name] = np.array(history[1][-1])
    runs = pd.DataFrame(rows)
    table = pd.DataFrame(
        {
            "score": {name: values.mean() for name, values in scores.items()},
            "low": {name: values.mean() - 0.02 for name, values in scores.items()},
            "high": {name: values.mean() + 0.02 for name, values in scores.items()},
            "worst": {name: values.min() for name, values in scores.items()},
        }
    ).assign(failed=0.0, failed_low=0.0, failed_high=0.56, rate=RATES[1], window=1.0, shared_score=0.5, shared_rate=0.1,
             window_low=RATES[0], window_high=RATES[1], grid_low=RATES[0], grid_high=RATES[-1])  # fmt: skip
    table["crossed_low"], table["crossed_high"] = table.low - 0.01, table.high + 0.01
    if regression:
        table[["crossed_low", "crossed_high"]] = np.nan
    pairs = pd.DataFrame(
        [
            {
                "a": a,
                "b": b,
                "difference": (scores[a] - scores[b]).mean(),
                "low": (scores[a] - scores[b]).mean() - 0.01,
                "high": (scores[a] - scores[b]).mean() + 0.01,
                "crossed_low": (scores[a] - scores[b]).mean() - 0.02,
                "crossed_high": (scores[a] - scores[b]).mean() + 0.02,
                "superiority": (scores[a] > scores[b]).mean(),
                "p": stats.ttest_rel(scores[a], scores[b] + 1e-9 * np.arange(seeds)).pvalue,
            }
            for a, b in combinations(scores, 2)
        ]
    )
    if len(pairs):
        pairs = pairs.assign(p_holm=pairs.p, verdict="no detectable difference")
        pairs.loc[0, "verdict"] = f"{pairs.b[0]} better"
    manifest = {"command": f"python compare.py --data '{data.name}'", "seeds": {"tuning": [0, 2]}, "note": NASTY}
    return Made(data, runs, table, pairs, curves, examples, manifest)


def nasty_table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({NASTY: rng.normal(size=(100)), "x": rng.normal(size=100)})
    frame["target"] = np.where(frame.x > 0, NASTY, "no")
    data = read_table(frame.assign(**{f"id {NASTY}": 1.0}), "target")
    data.name = f"my {NASTY}"
    return data


CASES = {
    "toy": lambda: compared(dataset("moons", n_train=100, n_test=200),
                            {"linear-only": Identity(), "tanh": Tanh(), "relu": ReLU()}),
    "nasty": lambda: compared(nasty_table(), {NASTY: Tanh(), "_hidden $x$": ReLU(), "活性化": Identity()}),
    "regression": lambda: compared(read_table(load_diabetes(as_frame=True).frame, "target"), {"tanh": Tanh()}),
    "many": lambda: compared(dataset("circles", n_train=60, n_test=100),
                             {f"activation {i}, recommended, SGD with momentum": Tanh() for i in range(9)}, epochs=3),
}  # fmt: skip


@pytest.fixture(scope="module", params=CASES)
def case(request, tmp_path_factory):
    found = CASES[request.param]()
    page = tmp_path_factory.mktemp(request.param) / "new" / "my page.html"
    written = write_report(found, page)
    return SimpleNamespace(name=request.param, found=found, page=page, written=written, html=page.read_text("utf-8"))


class Tags(HTMLParser):
    """All tags with their attributes, and the text outside style and script."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)


def test_nothing_is_fetched_from_anywhere(case):
    for tag, attributes in Tags(case.html).tags:
        assert tag not in ("script", "iframe", "object", "embed", "base", "form"), tag
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "xlink:href", "srcset", "data", "poster", "action"):
            value = attributes.get(name)
            local = value is None or value.startswith(("#", "data:")) or (tag == "a" and value.startswith("./"))
            assert local, f"<{tag} {name}={value}>"
    assert not re.search(r"url\((?!#)|@import|@font-face", case.html)


def test_the_page_says_it_all(case):
    seen = Tags(case.html)
    text = " ".join(" ".join(seen.texts).split())
    headings = [attributes.get("id") for tag, attributes in seen.tags if tag == "h2"]
    boundaries = [] if case.name == "regression" else ["h-boundaries"]
    pairs = [] if case.name == "regression" else ["h-pairs", "h-differences"]  # a single condition
    assert headings == ["h-table", *boundaries, "h-rates", "h-curves", *pairs, "h-failures", "h-protocol", "h-manifest"]
    assert text.index(case.found.verdict()) < text.index("95 % interval")
    for name in case.found.table.index:
        assert " ".join(name.split()) in text
    assert case.found.manifest["command"] in text
    assert re.search("tuning runs diverged: [1-3] of 3 at learning rate 1", text)
    assert "seeds.tuning [0, 2]" in text
    limit = "guessing" if case.found.data.ceiling is None else "the best straight line"
    assert f"did no better than {limit} plus one point" in text
    for note in getattr(case.found.data, "notes", ()):
        assert note in text
    score = case.found.table.score.iloc[0]
    assert (f"{score:.3f}".replace("-", "−") if case.name == "regression" else f"{score:.1%}") in text
    figures = [attributes for tag, attributes in seen.tags if tag == "svg"]
    assert len(figures) == len(headings) - headings.count("h-differences") - 4
    assert {attributes["role"] for attributes in figures} == {"img"}
    told = [attributes["aria-label"] for attributes in figures]
    assert min(map(len, told)) > 40
    for alt in (text for text in told if "pairwise" not in text):
        for name in case.found.table.index:
            assert name in alt


def test_ids_are_there_once_and_references_lead_to_them(case):
    found = re.findall(r'\bid="([^"]+)"', case.html)
    assert len(found) == len(set(found))
    for reference in re.findall(r'(?:href="#|url\(#|aria-labelledby=")([^")]+)', case.html):
        assert reference in found


def test_files_beside_the_page(case):
    figures = [key for key in ("boundaries", "rates", "curves", "pairs") if f'id="h-{key}"' in case.html]
    names = [f"{figure}.{kind}" for figure in figures for kind in ("svg", "png")]
    names += ["runs.csv", "table.csv", "pairs.csv", "table.json", "manifest.json"]
    assert {path.name for path in case.written} == {"my page.html", *(f"my page_{name}" for name in names)}
    assert {path.name for path in case.page.parent.iterdir()} == {path.name for path in case.written}
    for name in names:
        path = case.page.with_name(f"my page_{name}")
        content = path.read_bytes()
        assert f'href="./my%20page_{name}"' in case.html
        if name.endswith(".png"):
            assert content.startswith(b"\x89PNG")
        elif name.endswith(".svg"):
            ElementTree.fromstring(content)
    runs = pd.read_csv(case.page.with_name("my page_runs.csv"))
    pd.testing.assert_frame_equal(runs, case.found.runs, check_dtype=False)
    table = json.loads(case.page.with_name("my page_table.json").read_text())
    assert list(table) == list(case.found.table.index)
    with case.page.with_name("my page_table.csv").open(encoding="utf-8", newline="") as file:
        assert [row[0] for row in csv.reader(file)][1:] == list(case.found.table.index)
    assert json.loads(case.page.with_name("my page_manifest.json").read_text()) == case.found.manifest


def test_names_stand_in_the_figures_as_they_are(case):
    for figure in ("rates", "curves"):
        drawn = ElementTree.parse(case.page.with_name(f"my page_{figure}.svg"))
        text = " ".join(" ".join(part.itertext()) for part in drawn.iter("{http://www.w3.org/2000/svg}text"))
        for name in case.found.table.index:
            assert " ".join(name.split()) in " ".join(text.split())


def test_figures_take_their_colours_from_the_style_sheet(case):
    drawn = re.sub(r"<style.*?</style>", "", case.html, flags=re.DOTALL)
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawn)) == set()
    for variable in set(re.findall(r"var\((--\w+)\)", case.html)):
        light, dark = re.findall(rf"{variable}: (#[0-9a-f]{{6}});", case.html)
        assert light != dark


def contrast(one, other):
    """WCAG 2.2's contrast ratio of two colours."""

    def luminance(colour):
        channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_sufficient_in_both_schemes(case):
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    colours = re.findall(r"(--\w+): (#[0-9a-f]{6});", case.html)
    for scheme in (dict(colours[: len(colours) // 2]), dict(colours[len(colours) // 2 :])):
        for name in ("--ink", "--muted", "--link"):
            assert contrast(scheme[name], scheme["--paper"]) >= 4.5, name
        assert contrast(scheme["--ink"], scheme["--shade"]) >= 4.5
        for i in range(7):
            assert contrast(scheme[f"--c{i}"], scheme["--paper"]) >= 3, i  # graphics


def test_many_pairs_show_those_with_the_best(case):
    shown = re.findall(r'<th scope="row">[^<]* − [^<]*</th>', case.html)
    pairs, best = case.found.pairs, case.found.table.score.idxmax()
    if len(pairs) > MANY_PAIRS:
        assert len(shown) == len(case.found.table) - 1
        assert all(best in row for row in shown)
        assert f"{len(pairs) - len(shown)} pairs without the best condition" in case.html
    else:
        assert len(shown) == len(pairs)


@pytest.fixture
def without_figures(monkeypatch):
    monkeypatch.setattr(report, "pictures", lambda comparison: iter(()))


def test_nothing_failed(tmp_path, without_figures):
    found = CASES["toy"]()
    found.runs = found.runs.assign(diverged=False, test_score=1.0)
    write_report(found, tmp_path / "page.html")
    assert "Nothing: no run diverged" in (tmp_path / "page.html").read_text("utf-8")


def test_why_a_run_diverged_is_told_where_it_is_known(tmp_path, without_figures):
    found = CASES["toy"]()
    found.runs = found.runs.assign(message=np.where(found.runs.diverged, "training diverged: the loss <b>", ""))
    write_report(found, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text("utf-8")
    assert "tuning runs diverged: 1 of 3 at learning rate 1. In one of them, the loss &lt;b&gt;." in text


def test_optimizers_with_rates_of_their_own(tmp_path):
    found = CASES["toy"]()
    adaptive = found.runs.condition == "relu"
    found.runs.loc[adaptive, "rate"] /= 100
    found.table = found.table.assign(
        window_low=[0.1, 0.1, 0.001], window_high=[1, 0.1, 0.001], grid_low=[0.01, 0.01, 0.001]
    )
    found.table.loc["relu", ["rate", "shared_rate"]] = 0.001
    write_report(found, tmp_path / "page.html")
    text = " ".join((tmp_path / "page.html").read_text("utf-8").split())
    for part in (
        "<td>50.0% (at 0.001)</td>",
        "Shared rate: 0.1 or 0.001, by optimizer.",
        "3 learning rates from 0.0001 to 0.01, or, by optimizer, 3 learning rates from 0.01 to 1. Its own",
        "dotted: the shared rate, 0.001 or 0.1.",
        '<td class="wrap">0.1 to ≥ 1 (1 decade)</td>',
        '<td class="wrap">0.1 only</td>',
        '<td class="wrap">≤ 0.001 only</td>',
    ):
        assert part in text


def test_the_page_says_what_each_interval_is_of(case):
    text = " ".join(" ".join(Tags(case.html).texts).split())
    points = f"{case.found.test_points:,} points"
    assert re.search(f"95 % interval on these {points}", text)
    assert ("95 % interval on new points" in text) == (case.name != "regression")
    assert "0% [0%, 56%]" in text  # the failed share has an interval
    assert "≤ 0.01 to 0.1 (1 decade)" in text
    assert ("corrected over all pairs: it depends on how many are compared" in text) == bool(len(case.found.pairs))
    assert case.found.cautions()[-1] in text


def test_the_same_comparison_gives_the_same_page(tmp_path):
    found = CASES["toy"]()
    for name in ("one", "other"):
        write_report(found, tmp_path / name / "page.html")
    assert (tmp_path / "one" / "page.html").read_bytes() == (tmp_path / "other" / "page.html").read_bytes()


def browse(page, profile, *options):
    """What headless Chromium prints of a page, and the addresses that the page asked for."""
    profile.mkdir()
    log = profile / "net.json"
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND",  # neither the page nor the browser itself gets anywhere
            f"--user-data-dir={profile}", f"--log-net-log={log}", "--virtual-time-budget=3000", *options, page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    content = json.loads(log.read_text())
    start = content["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    events = [event["params"] for event in content["events"] if event["type"] == start and "params" in event]
    # The browser's own requests, for updates and the like, are begun by nobody's page.
    return done.stdout, {e["url"] for e in events if "url" in e and e["initiator"] != "not an origin"}


# Run in a copy of the page, which has no script of its own: what sticks out, and which colours are seen.
MEASURE = """<script>addEventListener("load", () => {
  const seen = (selector, what) => getComputedStyle(document.querySelector(selector))[what];
  const wide = [...document.querySelectorAll("main *")].filter(element =>
    !element.parentElement.closest(".scroll, svg") && element.getBoundingClientRect().right > innerWidth + 0.5);
  const boxes = [...document.querySelectorAll(".scroll")].filter(box => box.scrollWidth > box.clientWidth);
  const found = {width: innerWidth, page: document.documentElement.scrollWidth, wide: wide.map(e => e.outerHTML),
    scrolling: boxes.length, paper: seen("body", "backgroundColor"), text: seen("svg text", "fill"),
    line: seen("svg [style*=c0]", "stroke") + seen("svg [style*=c0]", "fill"),
    glyph: Math.min(...[...document.querySelectorAll("svg text")].map(text => text.getBoundingClientRect().height)),
    scripts: document.querySelectorAll("main script").length};
  parent.postMessage(found, "*");
});</script>"""
# A window of the browser is at least 500 pixels wide, a frame in it as narrow as a phone.
FRAMES = """<meta name="color-scheme" content="light dark"><script>
  const all = []; onmessage = message => { all.push(message.data); out.textContent = JSON.stringify(all); };
</script><pre id="out"></pre><iframe src="copy.html" style="border: 0; width: 390px; height: 800px"></iframe>
<iframe src="copy.html" style="border: 0; width: 1280px; height: 800px"></iframe>"""


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(case, tmp_path, scheme):
    assert case.html.count("Content-Security-Policy") == 1
    changed = case.html.replace("Content-Security-Policy", "none").replace("</html>", MEASURE + "</html>")
    (tmp_path / "copy.html").write_text(changed)
    (tmp_path / "frames.html").write_text(FRAMES)
    printed, asked = browse(tmp_path / "frames.html", tmp_path / "profile", "--dump-dom", "--window-size=1400,900",
                            f"--blink-settings=preferredColorScheme={int(scheme == 'light')}")  # fmt: skip
    assert {address for address in asked if not address.startswith("file:")} == set()
    sizes = json.loads(html.unescape(re.search(r'<pre id="out">(.*)</pre>', printed, re.DOTALL)[1]))
    phone, desktop = sorted(sizes, key=lambda found: found["width"])
    assert (phone["width"], desktop["width"]) == (390, 1280)
    assert phone["scrolling"] > 0  # tables scroll, and inside their boxes
    for found in sizes:
        assert found["page"] <= found["width"]
        assert found["wide"] == []
        assert found["scripts"] == 0
        assert found["glyph"] >= 9  # pixels: text in figures is readable
        assert found["paper"] == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 27)")
        assert ("rgb(0, 114, 178)" if scheme == "light" else "rgb(79, 169, 226)") in found["line"]


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_browser_would_tell_of_a_request(tmp_path):
    page = tmp_path / "page.html"
    page.write_text('<link rel="stylesheet" href="http://example.test/a.css"><img src="https://example.test/b.png">')
    _, asked = browse(page, tmp_path / "profile", "--dump-dom")
    assert asked == {"http://example.test/a.css", "https://example.test/b.png"}


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("case", ["toy"], indirect=True)
def test_it_prints(case, tmp_path):
    target = tmp_path / "page.pdf"
    _, asked = browse(case.page, tmp_path / "profile", f"--print-to-pdf={target}")
    assert asked == set()
    assert target.read_bytes().startswith(b"%PDF")
