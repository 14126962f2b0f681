"""Read a YAML file into a pydantic model, and report all mistakes at once, each with its line."""

import difflib
import types
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from interphase_flows.exceptions import CampaignFileError
from interphase_flows.reference.registry import method_specs
from interphase_flows.reference.spec import MethodSpec
from interphase_flows.settings.yaml_limits import YamlLimitError, compose, read_text, shown, shown_key

_Model = TypeVar("_Model", bound=BaseModel)
MOST_MISTAKES = 50
MOST_CHARACTERS = 1000
_Location = tuple[int | str, ...]


def load_yaml_model(path: str | Path, model_cls: type[_Model]) -> _Model:
    """Read a YAML file and validate it as a model, which may nest models, lists and unions.

    Raises
    ------
    CampaignFileError
        The file is missing, empty, not YAML or invalid. The message has one line per mistake:
        ``file:line: key.path: problem; what is allowed``.
    """
    path = Path(path)
    text = _read(path)
    root = _compose(path, text)
    mistakes = list(_duplicates(root))
    content = _load(path, text)
    try:
        model = model_cls.model_validate(content)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            keys, line = _locate(root, details["loc"])
            mistakes.append((line, f"{'.'.join(map(shown_key, keys)) or 'file'}: {_explain(details, keys, model_cls)}"))
    else:
        if not mistakes:
            return model
    lines = [f"{path}:{line}: {mistake}" for line, mistake in sorted(set(mistakes))]
    if len(lines) > MOST_MISTAKES:
        lines = [*lines[:MOST_MISTAKES], f"and {len(lines) - MOST_MISTAKES} more"]
    n_mistakes = len(set(mistakes))
    head = f"{path}: {n_mistakes} mistake{'s' if n_mistakes > 1 else ''}; nothing was started"
    raise CampaignFileError("\n".join([head, *lines]))


def yaml_of_model(model: BaseModel) -> str:
    """Return a model as YAML with all its defaults, which `load_yaml_model` reads into an equal model."""
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 110
    text = StringIO()
    yaml.dump(model.model_dump(mode="json"), text)
    return text.getvalue()


def _read(path: Path) -> str:
    try:
        return read_text(path)
    except FileNotFoundError as error:
        nearby = sorted(p.name for p in path.parent.glob("*.y*ml"))
        hint = f". Hint: files in this folder: {', '.join(nearby)}" if nearby else ""
        raise CampaignFileError(f"{path}: no such file{hint}") from error
    except (OSError, YamlLimitError) as error:
        raise CampaignFileError(f"{shown_key(path)}: cannot be read as text: {str(error)[:200]}") from error


def _compose(path: Path, text: str) -> MappingNode:
    """Return the tree of nodes, which know their lines."""
    try:
        root = compose(text)
    except MarkedYAMLError as error:
        raise _not_yaml(path, error) from error
    except YamlLimitError as error:
        raise CampaignFileError(f"{path}:{error.line}: {error}. Hint: write the values themselves") from error
    except YAMLError as error:
        raise CampaignFileError(f"{path}: not YAML: {str(error)[:200]}") from error
    if root is None:
        raise CampaignFileError(f"{path}:1: the file is empty; it must contain `key: value` lines")
    if not isinstance(root, MappingNode):
        content = "a list" if isinstance(root, SequenceNode) else f"a single value, {shown(root.value)}"
        raise CampaignFileError(
            f"{path}:{_line(root)}: the file contains {content}; it must contain `key: value` lines"
        )
    return root


def _load(path: Path, text: str) -> Any:
    # duplicates are reported with the other mistakes: the loader must not stop at them
    loader = YAML(typ="safe", pure=True)
    loader.allow_duplicate_keys = True
    try:
        return loader.load(text)
    except MarkedYAMLError as error:
        raise _not_yaml(path, error) from error
    except (YAMLError, ValueError, OverflowError, TypeError, LookupError, AttributeError, RecursionError) as error:
        # a scalar that looks like a date, a binary or a huge integer, and is none
        raise CampaignFileError(f"{path}: not YAML: {str(error)[:200]}") from error


def _not_yaml(path: Path, error: MarkedYAMLError) -> CampaignFileError:
    mark = error.problem_mark or error.context_mark
    line = 1 if mark is None else mark.line + 1
    problem = error.problem or error.context or "cannot be read"
    hint = (
        "indent with spaces, not tabs"
        if "\\t" in problem
        else "check indentation, colons, brackets and quotes near this line"
    )
    return CampaignFileError(f"{path}:{line}: not YAML: {problem}. Hint: {hint}")


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _duplicates(node: Node, keys: tuple[str, ...] = ()) -> Iterator[tuple[int, str]]:
    """Yield line and message of each key that a mapping has twice."""
    if isinstance(node, SequenceNode):
        for i, item in enumerate(node.value):
            yield from _duplicates(item, (*keys, str(i)))
    elif isinstance(node, MappingNode):
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            name = str(key_node.value)
            path = (*keys, name)
            if name in first and name != "<<":
                yield (
                    _line(key_node),
                    f"{'.'.join(map(shown_key, path))}: given twice, first on line {first[name]}; keep one",
                )
            first.setdefault(name, _line(key_node))
            yield from _duplicates(value_node, path)


def _locate(root: Node, location: _Location) -> tuple[list[str], int]:
    """Return the keys of a mistake as written in the file, and its line.

    Members of unions and validators in pydantic's location are dropped, as the file does not contain them. A missing
    key has the line of its block.
    """
    node, line, keys = root, _line(root), []
    for i, part in enumerate(location):
        found = _child(node, part)
        if found is not None:
            key_node, node = found
            line = _line(key_node)
            keys.append(str(part))
        elif i == len(location) - 1 and isinstance(node, MappingNode):
            keys.append(str(part))
    return keys, line


def _child(node: Node, part: int | str) -> tuple[Node, Node] | None:
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    if isinstance(node, MappingNode):
        # the last of duplicate keys is the one that is used
        for key_node, value_node in reversed(node.value):
            if isinstance(key_node, ScalarNode) and key_node.value == str(part):
                return key_node, value_node
    return None


def _explain(details: ErrorDetails, keys: list[str], model_cls: type[BaseModel]) -> str:
    """Return the problem and what is allowed."""
    kind, given, context = details["type"], details["input"], details.get("ctx", {})
    location = details["loc"]
    if kind == "extra_forbidden":
        allowed = sorted({name for m in _models_at(model_cls, location[:-1]) for name in _names(m)})
        nearest = difflib.get_close_matches(keys[-1], allowed, n=1)
        meant = f"did you mean {nearest[0]!r}? " if nearest else ""
        return f"unknown key; {meant}allowed keys: {', '.join(allowed)}"
    if kind == "missing":
        return "missing; add it"
    if kind == "union_tag_not_found":
        return f"missing its key {context.get('discriminator')}, which selects the kind of block"
    if kind == "union_tag_invalid":
        return f"{context['discriminator']} = {shown(context['tag'])} is unknown; allowed: {context['expected_tags']}"
    if kind in {"value_error", "assertion_error"}:
        return f"{context.get('error', details['msg'])}"[:MOST_CHARACTERS]
    wanted = details["msg"].removeprefix("Input should be ")
    return f"given {_shown(given)}; must be {wanted}"


def _shown(given: Any) -> str:
    if isinstance(given, dict | list):
        return "a mapping" if isinstance(given, dict) else f"a list of {len(given)}"
    if given is None:
        return "nothing"
    names = {str: "text", bool: "true/false", int: "integer", float: "number"}
    return f"{shown(given)} ({names.get(type(given), type(given).__name__)})"


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_at(annotation: Any, location: _Location) -> list[type[BaseModel]]:
    """Return the models that an annotation may have at a location."""
    here = _members(annotation)
    if not location:
        return [member for member in here if isinstance(member, type) and issubclass(member, BaseModel)]
    part, rest = location[0], location[1:]
    found: list[type[BaseModel]] = []
    for member in here:
        if isinstance(member, type) and issubclass(member, BaseModel):
            fields = {field.alias or name: field for name, field in member.model_fields.items()}
            if part in fields:
                found += _models_at(fields[part].annotation, rest)
            elif part == member.__name__ or _has_tag(member, part):
                found += _models_at(member, rest)
        elif get_origin(member) in {list, tuple, set, dict}:
            for item in get_args(member):
                found += _models_at(item, rest)
    return found


def _members(annotation: Any) -> list[Any]:
    """Return the types of a union, without ``Annotated``."""
    if annotation is MethodSpec:
        return list(method_specs().values())
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in {Union, types.UnionType}:
        return [member for argument in get_args(annotation) for member in _members(argument)]
    return [annotation]


def _has_tag(model: type[BaseModel], tag: int | str) -> bool:
    """Return whether the model has this tag in a discriminated union."""
    return any(
        get_origin(field.annotation) is Literal and tag in get_args(field.annotation)
        for field in model.model_fields.values()
    )
