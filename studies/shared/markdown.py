"""Markdown of the pages: a table."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table; a bar inside a cell is escaped.

    >>> print(markdown_table(["a"], [["1|2"]]))
    | a |
    | --- |
    | 1\\|2 |
    """
    all_lines = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in all_lines)
