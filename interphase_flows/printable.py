"""Text of documents, files and other programs, made safe to print.

A terminal obeys control characters, which colour, move or hide text, and marks that reverse its direction.
"""

from unicodedata import category

_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: object, kept: str = "") -> str:
    r"""Return a text with control characters and marks of direction escaped, as ``\x1b``, except those in ``kept``."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(repr(c)[1:-1] if category(c) in _ESCAPED and c not in kept else c for c in text)


def printable_lines(text: object) -> str:
    """Return a text with control characters and marks of direction escaped, except new lines and tabulators."""
    return printable(text, "\n\t")
