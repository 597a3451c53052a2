"""What each SearchParameter extracts from the official examples, against fhirpathpy.

    python -m benchmarks.search_oracle [--parts 1] [--part 0]

Both read the official expression on the same resource; the elements found must be the same.
Differences that are meant are in `search_oracle.json` with the reason.
"""

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from fhirpathpy import compile as compile_fhirpath
from fhirpathpy.engine.nodes import ResourceNode
from fhirpathpy.models import models

from benchmarks.timing import commit, machine
from fhirbridge.fhir.elements import compile_expression
from fhirbridge.fhir.reference_targets import reference_type
from fhirbridge.fhir.search_parameters import SearchParameter, search_parameters
from tests import official_examples

KNOWN = Path(__file__).with_name("search_oracle.json")

_ANY = ("Resource", "DomainResource")

Evaluate = Callable[[Any], list[Any]]


@dataclass(slots=True)
class Tally:
    """What was compared; `differences` are by the name of the parameter, an example of each."""

    resources: int = 0
    comparisons: int = 0
    elements: int = 0
    differences: Counter[str] = field(default_factory=Counter)
    shown: dict[str, str] = field(default_factory=dict)


def known_differences() -> dict[str, str]:
    """Parameter -> why the two may differ."""
    found: dict[str, str] = json.loads(KNOWN.read_text(encoding="utf-8"))
    return found


def compare(contents: Iterable[tuple[str, bytes]], tally: Tally) -> None:
    """Compare all parameters on these resources."""
    for name, content in contents:
        resource = json.loads(content)
        kind = resource.get("resourceType", "")
        parameters = search_parameters(kind)
        if not parameters:
            continue
        tally.resources += 1
        for parameter in parameters.values():
            ours = _written(_ours(parameter, kind, resource))
            theirs = _written(_theirs(parameter, kind)(resource))
            tally.comparisons += 1
            tally.elements += len(theirs)
            if ours != theirs:
                tally.differences[parameter.name] += 1
                tally.shown.setdefault(
                    parameter.name, f"{name}: ours {_some(ours)}, theirs {_some(theirs)}"
                )


def _ours(parameter: SearchParameter, kind: str, resource: Any) -> Iterator[Any]:
    for branch in compile_expression(parameter.expression, kind):
        yield from branch.evaluate(resource, resource)


@cache
def _theirs(parameter: SearchParameter, kind: str) -> Evaluate:
    """The oracle for one parameter: the variants of the expression that are about this type.

    It is told which type a reference is of, and nothing else of what is referred to.
    """
    evaluators = [
        compile_fhirpath(_spelled(variant, kind), models["r4"], options=_options())
        for variant in _variants(parameter.expression)
        if not variant[0].isupper() or variant.partition(".")[0] in (kind, *_ANY)
    ]

    def evaluate(resource: Any) -> list[Any]:
        _CURRENT[:] = [resource]
        # A union leaves out what it has already.
        found = [node for each in evaluators for node in each(resource, {"resource": resource})]
        return [n for at, n in enumerate(found) if n not in found[:at]] if evaluators else found

    return evaluate


# The resource in focus: contained resources are looked up in it.
_CURRENT: list[Any] = []


def _options() -> dict[str, Any]:
    def resolve(inputs: list[Any]) -> list[Any]:
        types = [reference_type(getattr(each, "data", each), _CURRENT[0]) for each in inputs]
        return [ResourceNode.create_node({"resourceType": t}, t) for t in types if t]

    return {"userInvocationTable": {"resolve": {"fn": resolve, "arity": {0: []}}}}


def _spelled(expression: str, kind: str) -> str:
    """R4 says `as` of lists where FHIRPath wants `ofType`; and what else the oracle lacks."""
    text = re.sub(rf"^({'|'.join(_ANY)})\.", f"{kind}.", expression)
    text = re.sub(r"\((\S+) as (\w+)\)", r"\1.ofType(\2)", text)
    text = re.sub(r"hasExtension\(('[^']*')\)", r"extension.where(url = \1).exists()", text)
    text = re.sub(r"^(\S+) as (\w+)$", r"\1.ofType(\2)", text)
    return text.replace(".as(", ".ofType(").replace("ofType(DateTime)", "ofType(dateTime)")


def _variants(expression: str) -> list[str]:
    """Split at `|` outside of brackets."""
    parts, depth = [""], 0
    for character in expression:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _written(nodes: Iterable[Any]) -> frozenset[str]:
    return frozenset(_text(node) for node in nodes)


def _some(texts: frozenset[str]) -> str:
    return ", ".join(sorted(texts))[:300] or "nothing"


def _text(node: Any) -> str:
    # The oracle makes dates and numbers its own; their text is the same.
    return json.dumps(node, sort_keys=True, default=_plain) if isinstance(node, dict) else str(node)


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--part", type=int, default=0)
    options = parser.parse_args()
    tally = Tally()
    started = time.perf_counter()
    package = official_examples.archive()
    compare(official_examples.read(package, part=options.part, parts=options.parts), tally)
    known = known_differences()
    new = {name: n for name, n in tally.differences.items() if name not in known}
    for name, count in tally.differences.most_common():
        mark = "known" if name in known else "NEW"
        print(f"{mark}: {name} ({count}): {tally.shown[name]}")
    print(
        f"{tally.resources} resources, {tally.comparisons} comparisons,"
        f" {tally.elements} elements, {sum(tally.differences.values())} differences"
        f" in {len(tally.differences)} parameters, {len(new)} of them not known,"
        f" {time.perf_counter() - started:.0f} s"
    )
    print(f"commit {commit()}, {machine()}")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
