"""Addresses elements: the FHIRPath subset of `expressions`, compiled once to closures.

Choice types are expanded from the definitions at compile time, so that every branch of an
expression has one static type and reading a resource is dictionary look-ups only.
Source: R4 searchparameter.html#expression, formats.html#choice
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias

from fhirbridge.fhir.definitions import ElementInfo, definitions
from fhirbridge.fhir.expressions import (
    And,
    Compare,
    Exists,
    Extension,
    HasExtension,
    Index,
    Is,
    Literal,
    Name,
    Node,
    OfType,
    Path,
    Resolve,
    ResourceRoot,
    Step,
    Union,
    UnknownExpression,
    Where,
    parse,
)
from fhirbridge.fhir.reference_targets import reference_type
from fhirbridge.jsontypes import Json, JsonObject, Resource

Nodes: TypeAlias = list[Json]
# (items in focus, the whole resource) -> items
Walk: TypeAlias = Callable[[Nodes, Resource], Nodes]

_BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True)
class Branch:
    """One way through an expression. `evaluate` reads values of `type` from a resource.

    `first` is the JSON name of the top-level element that must be there for any value to be
    found, "" if none must. `children` is the type or path that holds the child elements,
    `system` the code system implied by a required binding of a code.
    `targets` are the types a reference here may point to, () for any. `is_single`: there is one
    value at most. `evaluate` takes the focus (the resource itself, or the base element of a
    composite) and the resource.
    """

    type: str
    children: str
    first: str
    system: str
    targets: tuple[str, ...]
    is_single: bool
    evaluate: Callable[[Json, Resource], Nodes]


@dataclass(frozen=True, slots=True)
class _Partial:
    type: str
    children: str
    walks: tuple[Walk, ...] = ()
    first: str = ""
    system: str = ""
    targets: tuple[str, ...] = ()
    is_single: bool = True


@cache
def compile_expression(expression: str, focus: str) -> tuple[Branch, ...]:
    """Compile an expression for a focus type; branches of other resource types are left out.

    `focus` is a resource type, a data type or a backbone path (`Observation.component`).
    Raises UnknownExpression for FHIRPath outside the subset.
    """
    return tuple(_branches(parse(expression), focus))


def _branches(node: Node, focus: str) -> Iterable[Branch]:
    if isinstance(node, Union):
        for operand in node.operands:
            yield from _branches(operand, focus)
    elif isinstance(node, Path):
        for partial in _follow(node.steps, focus):
            yield Branch(
                type=partial.type,
                children=partial.children,
                first=partial.first,
                system=partial.system,
                targets=partial.targets,
                is_single=partial.is_single,
                evaluate=_sequence(partial.walks),
            )
    else:
        condition = compile_condition(node, focus)
        yield Branch(
            type=_BOOLEAN,
            children=_BOOLEAN,
            first="",
            system="",
            targets=(),
            is_single=True,
            evaluate=lambda value, resource: [condition(value, resource)],
        )


def _sequence(walks: tuple[Walk, ...]) -> Callable[[Json, Resource], Nodes]:
    if not walks:
        return lambda value, resource: [value]
    if len(walks) == 1:
        only = walks[0]
        return lambda value, resource: only([value], resource)

    def evaluate(value: Json, resource: Resource) -> Nodes:
        nodes: Nodes = [value]
        for walk in walks:
            nodes = walk(nodes, resource)
            if not nodes:
                break
        return nodes

    return evaluate


def _follow(steps: tuple[Step, ...], focus: str) -> list[_Partial]:
    partials = [_Partial(focus, focus)]
    if steps and isinstance(steps[0], Name) and _is_type_name(steps[0].name):
        name = steps[0].name
        if name != focus and name not in ("Resource", "DomainResource"):
            return []
        steps = steps[1:]
    for step in steps:
        partials = [found for partial in partials for found in _advance(partial, step, focus)]
    # An extension is read through its value.
    return [
        found
        for partial in partials
        for found in (_children(partial, "value") if partial.type == "Extension" else [partial])
    ]


def _is_a(type_name: str | None, other: str) -> bool:
    """Whether a type is another or specializes it; `canonical` is a `uri`."""
    while type_name:
        # One official expression says DateTime.
        if type_name.lower() == other.lower():
            return True
        type_name = definitions().base(type_name)
    return False


def _is_type_name(name: str) -> bool:
    return name[0].isupper()


def _advance(partial: _Partial, step: Step, focus: str) -> list[_Partial]:
    match step:
        case Name(name=name):
            return _children(partial, name)
        case ResourceRoot():
            root = focus.partition(".")[0]
            return [_Partial(root, root, (lambda nodes, resource: [resource],))]
        case OfType(type=type_name):
            return [partial] if _is_a(partial.type, type_name) else []
        case Index(position=position):
            return [_with(partial, _item(position))]
        case Where(condition=condition):
            found = _with(partial, _filter(compile_condition(condition, partial.children)))
            if isinstance(condition, Is):
                found = replace(found, targets=(condition.type,))
            return [found]
        case Extension(url=url):
            extensions = _children(partial, "extension")
            return [_with(each, _filter(_has_url(url))) for each in extensions]
        case _:
            raise UnknownExpression(f"This step is not covered: {step}")


def _with(partial: _Partial, walk: Walk) -> _Partial:
    return replace(partial, walks=(*partial.walks, walk))


def _children(partial: _Partial, name: str) -> list[_Partial]:
    try:
        elements = definitions().elements(partial.children)
    except KeyError:
        return []
    named = [e for e in elements.values() if (e.choice or e.name) == name]
    return [
        _Partial(
            type=element.type,
            children=element.children,
            walks=(*partial.walks, _get(element)),
            first=partial.first if partial.walks else element.name,
            system=_implied_system(element),
            targets=element.targets,
            is_single=partial.is_single and not element.is_list,
        )
        for element in named
    ]


def _implied_system(element: ElementInfo) -> str:
    systems = definitions().value_set(element.value_set) if element.type == "code" else None
    return next(iter(systems)) if systems and len(systems) == 1 else ""


def _get(element: ElementInfo) -> Walk:
    name = element.name

    def get_list(nodes: Nodes, resource: Resource) -> Nodes:
        found: Nodes = []
        for node in nodes:
            if name in node:
                found += node[name]
        return found

    def get_primitives(nodes: Nodes, resource: Resource) -> Nodes:
        # null stands where an item has nothing but extensions.
        return [value for value in get_list(nodes, resource) if value is not None]

    def get_value(nodes: Nodes, resource: Resource) -> Nodes:
        return [node[name] for node in nodes if name in node]

    if not element.is_list:
        return get_value
    return get_primitives if element.is_primitive else get_list


def _item(position: int) -> Walk:
    end = position + 1 or None  # -1 is the last one
    return lambda nodes, resource: nodes[position:end]


def _filter(condition: Callable[[Json, Resource], bool]) -> Walk:
    return lambda nodes, resource: [node for node in nodes if condition(node, resource)]


def _has_url(url: str) -> Callable[[Json, Resource], bool]:
    return lambda node, resource: bool(node.get("url") == url)


def compile_condition(node: Node, focus: str) -> Callable[[Json, Resource], bool]:
    """Compile a condition on items of a type, given the item and the resource."""
    match node:
        case And(operands=operands):
            conditions = [compile_condition(operand, focus) for operand in operands]
            return lambda value, resource: all(each(value, resource) for each in conditions)
        case Is(operand=Path(steps=(Resolve(),)), type=type_name):
            return lambda value, resource: reference_type(value, resource) == type_name
        case Path(steps=(HasExtension(url=url),)):
            return lambda value, resource: _carries(value, url)
        case Path(steps=(*steps, Exists())):
            find = _finder(Path(tuple(steps)), focus)
            return lambda value, resource: bool(find(value, resource))
        case Compare(left=Path() as path, right=Literal(value=literal), negated=negated):
            find = _finder(path, focus)
            return lambda value, resource: any(
                (found == literal) is not negated for found in find(value, resource)
            )
        case _:
            raise UnknownExpression(f"This condition is not covered: {node}")


def _finder(path: Path, focus: str) -> Callable[[Json, Resource], Nodes]:
    branches = tuple(_branches(path, focus))

    def find(value: Json, resource: Resource) -> Nodes:
        return [node for branch in branches for node in branch.evaluate(value, resource)]

    return find


def _carries(value: Json, url: str) -> bool:
    extensions: list[JsonObject] = value.get("extension", [])
    return any(extension.get("url") == url for extension in extensions)
