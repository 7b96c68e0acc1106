"""A claim is printed part by part, its verdict follows from its numbers, and a law that fails ends with code 1."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from matplotlib.figure import Figure

import experiments.__main__ as everything
from minnet.lab.claims import Effort, Part, present, table, write_page
from minnet.lab.drawing import Picture
from minnet.lab.markdown import filled
from minnet.lab.verdicts import FAILS, HOLDS, UNDECIDED, Statement, law

ROOT = Path(__file__).parent.parent
PAPER = """The moon is made of cheese.

It is said that the moon is made
of cheese (a).

Let us see <b>how</b> much of it.
"""


def part(*answers, law=False, **more):
    statements = [Statement(answer, f"at <i>{i}</i>", law) for i, answer in enumerate(answers or (HOLDS,))]
    return Part("Cheese", "all of it", "none & nothing", statements, **more)


def picture(key="moon"):
    figure = Figure(figsize=(2, 2))
    figure.subplots().plot([0, 1], [1, 0], label="<cheese>")
    return Picture(key, "The moon", "Seen from here.", 'A "line" that falls', figure)


@pytest.mark.parametrize(
    ("made", "verdict"),
    [
        (part(), "holds"),
        (part(FAILS), "does not hold"),
        (part(HOLDS, FAILS), "half true: holds at <i>0</i>; does not hold at <i>1</i>"),
        (part(UNDECIDED), "not decided"),
        (part(law=True), "holds"),
    ],
)
def test_the_verdict_follows_from_what_was_measured(made, verdict):
    assert made.verdict == verdict
    assert made.answer == verdict.partition(":")[0]


def test_a_part_is_printed_and_kept(tmp_path, capsys):
    found = [lambda how: part(details="a table\n  of two lines", pictures=[picture()]), lambda how: part(FAILS)]
    present("moon", PAPER, found, tmp_path / "new")
    out = capsys.readouterr().out
    assert out.startswith("The moon is made of cheese.\n\n(a) Cheese\n    predicted  all of it\n    measured   none")
    assert "    a table\n      of two lines\n    → holds\n" in out
    assert "(b) Cheese" in out
    assert (
        "→ does not hold\n\nOn the whole, what was predicted: half true; of 2 findings 1 holds, 1 does not hold" in out
    )
    kept = json.loads((tmp_path / "new" / "moon.json").read_text())
    assert kept["claim"] == "The moon is made of cheese."
    assert kept["abstract"].startswith("It is said")
    assert [(p["letter"], p["verdict"]) for p in kept["parts"]] == [("a", "holds"), ("b", "does not hold")]
    assert kept["parts"][1]["statements"] == [{"answer": "does not hold", "about": "at <i>0</i>", "law": False}]
    assert (kept["answer"], kept["whole"][:9], kept["effort"]) == ("half true", "half true", "default")
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {"moon.json", "moon_moon.png", "moon_moon.svg"}


def test_parts_that_belong_together_share_a_letter(tmp_path, capsys):
    present("moon", PAPER, [lambda how: [part(), part(law=True)], lambda how: part()], tmp_path)
    kept = json.loads((tmp_path / "moon.json").read_text())
    assert [p["letter"] for p in kept["parts"]] == ["a1", "a2", "b"]


def test_a_law_that_fails_ends_with_code_1_after_all_is_written(tmp_path, capsys):
    with pytest.raises(typer.Exit) as caught:
        present("moon", PAPER, [lambda how: part(FAILS, law=True), lambda how: part(FAILS)], tmp_path)
    assert caught.value.exit_code == 1
    assert "A law failed, in part a: this is an error of the program." in capsys.readouterr().err
    assert len(json.loads((tmp_path / "moon.json").read_text())["parts"]) == 2


def test_a_law_within_a_part_that_fails_ends_with_code_1_too(tmp_path, capsys):
    both = Part("Cheese", "", "", [Statement(HOLDS), law(FAILS)])
    with pytest.raises(typer.Exit):
        present("moon", PAPER, [lambda how: both], tmp_path)
    assert "(the law does not hold)" in capsys.readouterr().out


def test_a_prediction_that_fails_is_a_finding_and_a_law_that_was_not_tried_no_error(tmp_path):
    present("moon", PAPER, [lambda how: part(FAILS), lambda how: part(UNDECIDED, law=True)], tmp_path)


@pytest.mark.parametrize(
    ("flags", "effort"), [({}, Effort.DEFAULT), ({"quick": True}, Effort.QUICK), ({"full": True}, Effort.FULL)]
)
def test_how_much_a_section_may_take_is_passed_on(flags, effort, tmp_path):
    asked = []
    present("moon", PAPER, [lambda how: asked.append(how) or part()], tmp_path, **flags)
    assert asked == [effort]
    assert effort.pick("little", "some", "much") == ("little", "some", "much")[effort]


def test_full_and_quick_exclude_each_other(tmp_path):
    with pytest.raises(typer.BadParameter, match="exclude each other"):
        present("moon", PAPER, [lambda how: part()], tmp_path, full=True, quick=True)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(typer.BadParameter, match="--out has to be a folder"):
        present("moon", PAPER, [lambda how: part()], tmp_path / "file")


def test_table_aligns_what_it_is_given():
    assert table(("n", "error"), [(1, 0.12345), (100, "none")]) == "n    error\n1    0.123\n100   none"
    with pytest.raises(ValueError, match="zip"):
        table(("n", "error"), [(1,)])


def pages(tmp_path):
    for name in ("moon", "sun"):
        drawn = [picture("face")]
        present(
            name,
            PAPER,
            [lambda how, drawn=drawn: part(pictures=drawn), lambda how: part(HOLDS, FAILS)],
            tmp_path,
        )
    summaries = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("moon", "sun")]
    write_page(summaries, tmp_path / "index.html", {"moons.html": "the comparison"})
    return (tmp_path / "index.html").read_text()


def test_the_page_links_every_part_and_asks_nothing_of_the_network(tmp_path):
    page = pages(tmp_path)
    links, ids = set(re.findall(r'href="#([^"]+)"', page)), re.findall(r'\bid="([^"]+)"', page)
    assert {"moon", "moon-a", "moon-b", "sun", "sun-a", "sun-b"} <= links
    assert len(ids) == len(set(ids))
    assert links <= set(ids)
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", page)
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert '<a href="moons.html">the comparison</a>' in page


def test_the_page_has_claim_and_verdict_at_the_top_and_escapes_what_it_is_told(tmp_path):
    page = pages(tmp_path)
    top = page[: page.index("<section")]
    assert top.count("The moon is made of cheese.") == 2
    assert "half true: holds at &lt;i&gt;0&lt;/i&gt;; does not hold at &lt;i&gt;1&lt;/i&gt;" in top
    assert top.count("What was predicted, on the whole: half true; of 2 findings 1 holds, 1 is half true") == 2
    assert "<b>how</b>" not in page
    assert "none &amp; nothing" in page
    assert page.count('role="img"') == 2
    assert 'aria-label="A &#34;line&#34; that falls"' in page


def test_a_script_says_what_is_wrong_with_its_options_in_one_line(tmp_path):
    script = tmp_path / "moon.py"
    script.write_text(
        '"""The moon."""\n'
        "from pathlib import Path\n"
        "from minnet.lab.claims import Full, Out, Part, Quick, execute, present\n"
        "from minnet.lab.verdicts import exact, law\n"
        "def section(how):\n"
        '    return Part("a", "b", "c", [law(exact(False))])\n'
        'def main(full: Full = False, quick: Quick = False, out: Out = Path("results")) -> None:\n'
        '    present("moon", __doc__, [section], out, full=full, quick=quick)\n'
        "execute(main)\n"
    )

    def run(*arguments):
        return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, cwd=tmp_path,
                              env={"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"})  # fmt: skip

    both = run("--full", "--quick")
    assert both.returncode == 2
    assert both.stdout == ""
    assert both.stderr.splitlines()[-1] == "Error: Invalid value: --full and --quick exclude each other"
    broken = run("--quick")
    assert broken.returncode == 1
    assert broken.stderr == "A law failed, in part a: this is an error of the program.\n"
    assert (tmp_path / "results" / "moon.json").exists()


def test_what_was_measured_is_filled_in_between_its_marks_and_nowhere_else():
    text = "a\n<!-- moon -->\nold\n<!-- end -->\nb\n<!-- sun -->\nkept\n<!-- end -->\n"
    once = filled(text, {"moon": "new | \\1", "stars": "none"})
    assert once == "a\n<!-- moon -->\n\nnew | \\1\n\n<!-- end -->\nb\n<!-- sun -->\nkept\n<!-- end -->\n"
    assert filled(once, {"moon": "new | \\1"}) == once


def test_the_page_of_claims_has_a_place_for_every_experiment_and_true_tables(tmp_path, capsys):
    text = everything.README.read_text()
    assert all(f"<!-- {name} -->\n" in text for name in (*everything.CLAIMS, "data", "functions"))
    assert all((everything.README.parent / figure).exists() for figure in re.findall(r"\((\S+\.png)\)", text))
    present("moon", PAPER, [lambda how: part(law=True, details="x | y")], tmp_path)
    blocks = everything.blocks({"moon": json.loads((tmp_path / "moon.json").read_text())})
    assert blocks["moon"].splitlines()[0] == (
        "On the whole, what was predicted: **holds**; of 0 findings none; of 1 law 1 holds."
    )
    assert blocks["moon"].splitlines()[4] == "| (a) Cheese, a law | all of it | none & nothing | **holds** |"
    assert "Measured by `python experiments/moon.py`." in blocks["moon"]
    for name in ("data", "functions"):  # computed, so they are to be the same here
        assert blocks[name] in text
