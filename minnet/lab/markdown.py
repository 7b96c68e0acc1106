"""Tables in Markdown, and pages in which what was measured stands between marks and can be measured anew."""

from collections.abc import Mapping, Sequence


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The lines of a table; a cell may hold any text without line breaks."""
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def filled(text: str, blocks: Mapping[str, str]) -> str:
    """The text with each block between its marks, <!-- name --> and <!-- end -->; what has no block stays as it is."""
    for name, block in blocks.items():
        start, mark = f"<!-- {name} -->\n", "<!-- end -->"
        if start in text:
            before, after = text.split(start, 1)
            text = f"{before}{start}\n{block}\n\n{mark}{after.split(mark, 1)[1]}"
    return text
