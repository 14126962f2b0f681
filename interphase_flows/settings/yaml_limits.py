"""Limits of YAML files that users write: size, nesting and references.

A few lines with anchors can expand to billions of values, and a value may contain itself. Both are found in the tree of
nodes, before values are built.
"""

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from interphase_flows.printable import printable

MOST_BYTES = 1_000_000
MOST_VALUES = 100_000
"""Most values after all references are expanded."""
DEEPEST = 40
MOST_CHARACTERS_SHOWN = 60


class YamlLimitError(ValueError):
    """A file exceeds a limit; ``line`` is where, 1 for the entire file."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8, without a byte-order mark.

    Raises
    ------
    OSError
        The file cannot be read.
    YamlLimitError
        It is too large, or not in UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except ValueError as error:  # a NUL character in the path
        raise OSError(str(error)) from error
    if len(content) > MOST_BYTES:
        raise YamlLimitError(f"the file is larger than {MOST_BYTES:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlLimitError(f"{error}; it must be a file in UTF-8") from None


def compose(text: str) -> Node | None:
    """Return the tree of nodes of a text, None if it is empty.

    Raises
    ------
    MarkedYAMLError, YAMLError
        It is not YAML.
    YamlLimitError
        Values are nested too deeply, contain themselves, or expand to too many.
    """
    try:
        root: Node | None = YAML(typ="safe", pure=True).compose(text)
    except RecursionError:
        raise YamlLimitError(f"values are nested more than {DEEPEST} deep") from None
    except (MarkedYAMLError, YAMLError):
        raise
    except (ValueError, OverflowError, TypeError, AttributeError, LookupError) as error:
        raise YAMLError(str(error)) from error
    if root is not None and _expanded_size(root, {}, set(), 0) > MOST_VALUES:
        raise YamlLimitError(f"references (&, *) expand to more than {MOST_VALUES:,} values")
    return root


def _expanded_size(node: Node, sizes: dict[int, int], open_nodes: set[int], depth: int) -> int:
    """Return the number of values of a node after its references are expanded."""
    if id(node) in open_nodes:
        raise YamlLimitError("the value contains itself", int(node.start_mark.line) + 1)
    if depth > DEEPEST:
        raise YamlLimitError(f"values are nested more than {DEEPEST} deep", int(node.start_mark.line) + 1)
    if id(node) not in sizes:
        open_nodes.add(id(node))
        children: list[Node] = []
        if isinstance(node, SequenceNode):
            children = list(node.value)
        elif isinstance(node, MappingNode):
            children = [each for pair in node.value for each in pair]
        sizes[id(node)] = 1 + sum(_expanded_size(child, sizes, open_nodes, depth + 1) for child in children)
        open_nodes.remove(id(node))
    return sizes[id(node)]


def shown(value: object) -> str:
    """Return a value for a message: escaped, and shortened."""
    text = repr(value)
    return text if len(text) <= MOST_CHARACTERS_SHOWN else f"{text[: MOST_CHARACTERS_SHOWN - 12]}...{text[-8:]}"


def shown_key(key: object) -> str:
    """Return a key for a message: without control characters, and shortened."""
    text = printable(str(key)[: MOST_CHARACTERS_SHOWN + 1])
    return text if len(str(key)) <= MOST_CHARACTERS_SHOWN else f"{text[:MOST_CHARACTERS_SHOWN]}..."
