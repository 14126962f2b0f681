"""Tables in Markdown, for the pages that scripts in this folder write."""

from collections.abc import Sequence

BAR = r"\|"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, and an empty one; a bar in a cell, as of ``Li | Li7P3S11``, is escaped."""
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    return [*lines, *(f"| {' | '.join(cell.replace('|', BAR) for cell in row)} |" for row in rows), ""]
