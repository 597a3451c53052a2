"""YAML with line numbers, and without YAML's surprises.

Scalars are text, whole numbers, `true`, `false` or null: `no`, `on`, dates and `2.10` stay text, so
that a code is never turned into something else. Duplicate keys are faults.
"""

from pathlib import Path

import yaml

from fhirbridge.jsontypes import Json
from fhirbridge.mapping.model import MappingFault, Place

# The C parser is several times faster and comes with most builds of PyYAML.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TRUTH = {"true": True, "false": False}


class Located(dict[str, Json]):
    """A YAML mapping that knows its line and the line of each key."""

    line: int
    lines: dict[str, int]


def read_yaml(path: Path, *, file: str, layer: str) -> Located:
    """Read one file whose top level is a mapping. Raises MappingFault with file and line."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark else 0
        message = f"this is not YAML: {exc.problem}."
        raise MappingFault.at(Place(file, line, layer), "", message) from exc
    except (UnicodeDecodeError, OSError) as exc:
        raise MappingFault.at(Place(file, 0, layer), "", "the file cannot be read.") from exc
    converted = _convert(node, file, layer) if node is not None else Located()
    if not isinstance(converted, Located):
        raise MappingFault.at(Place(file, 1, layer), "", "the top level must be a mapping.")
    return converted


def _convert(node: yaml.Node, file: str, layer: str) -> Json:
    if isinstance(node, yaml.MappingNode):
        result = Located()
        result.line = node.start_mark.line + 1
        result.lines = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in result:
                place = Place(file, line, layer)
                raise MappingFault.at(place, key, "the key stands twice in one mapping.")
            result[key] = _convert(value_node, file, layer)
            result.lines[key] = line
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_convert(item, file, layer) for item in node.value]
    text = str(node.value)
    if isinstance(node, yaml.ScalarNode) and node.style:  # quoted, or a block of text
        return text
    if text in _TRUTH:
        return _TRUTH[text]
    if text in ("", "null", "~"):
        return None
    if text.lstrip("-").isdigit() and (text == "0" or not text.lstrip("-").startswith("0")):
        return int(text)
    return text
