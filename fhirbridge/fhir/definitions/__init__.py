"""The R4 4.0.1 definitions that the program uses: types, elements, value sets, constraints.

The data files beside this module are made by `extract.py` from the official package.
Source: R4 structuredefinition.html, json.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import orjson

from fhirbridge.jsontypes import Json, JsonObject


@dataclass(frozen=True, slots=True)
class ElementInfo:
    """One element as it is written in JSON; a choice type has one for each variant.

    `path` is the path in the definition that says it (`CodeableConcept.coding`), `children` the
    type or backbone path that holds its child elements, `choice` the name before `[x]`,
    `order` the position among its siblings. `max` is None where it is unbounded. `targets` are
    resource types; empty means any. `codes` are the codes of a required value set, if it can
    be listed; None where every code may stand.
    """

    path: str
    name: str
    type: str
    children: str
    min: int
    max: int | None
    order: int
    choice: str = ""
    targets: tuple[str, ...] = ()
    value_set: str = ""
    codes: frozenset[str] | None = None
    is_summary: bool = False
    is_simple_quantity: bool = False

    @property
    def is_list(self) -> bool:
        """True when JSON writes it as an array."""
        return self.max != 1

    @property
    def fhir_path(self) -> str:
        """The step that FHIRPath takes: `onset.ofType(Age)` where JSON says `onsetAge`."""
        return f"{self.choice}.ofType({self.type})" if self.choice else self.name

    @property
    def is_primitive(self) -> bool:
        """True for types that are written as a JSON string, number or boolean."""
        return self.type[0].islower()


@dataclass(frozen=True, slots=True)
class Constraint:
    """An invariant of the specification: its key, words, FHIRPath and the places it holds."""

    key: str
    severity: str
    human: str
    expression: str
    on: tuple[str, ...]


class Definitions:
    """All types of R4 by name; backbone elements are types named by their path."""

    def __init__(self, structures: JsonObject, value_sets: JsonObject) -> None:
        self._structures = structures
        self._value_sets: dict[str, Mapping[str, frozenset[str]]] = {}
        self._value_set_data = value_sets
        self._elements: dict[str, Mapping[str, ElementInfo]] = {}
        concrete = [name for name, entry in structures.items() if "abstract" not in entry]
        self.resource_types = frozenset(
            name for name in concrete if structures[name]["kind"] == "resource"
        )
        self.data_types = frozenset(
            name for name in concrete if structures[name]["kind"] == "complex" and "." not in name
        )
        self.primitive_types = frozenset(
            name for name in concrete if structures[name]["kind"] == "primitive"
        )

    def elements(self, type_name: str) -> Mapping[str, ElementInfo]:
        """JSON name -> element of a type or backbone path, in order, inherited ones first.

        Raises KeyError for a type that R4 does not have.
        """
        known = self._elements.get(type_name)
        if known is None:
            known = MappingProxyType(self._build(type_name))
            self._elements[type_name] = known
        return known

    def __contains__(self, type_name: str) -> bool:
        """True for the name of any type, and for the path of a backbone element."""
        return type_name in self._structures

    def value_set(self, url: str) -> Mapping[str, frozenset[str]] | None:
        """Code system -> codes of a required value set; None if it cannot be listed."""
        if url not in self._value_sets:
            if url not in self._value_set_data:
                return None
            systems: JsonObject = self._value_set_data[url]
            self._value_sets[url] = {name: frozenset(codes) for name, codes in systems.items()}
        return self._value_sets[url]

    def resolve(self, type_name: str, path: Sequence[str]) -> ElementInfo | None:
        """The element that JSON names reach from a type; None if there is none.

        `resolve("CarePlan", ["activity", "detail", "code", "coding", "system"])`. Variants of a
        choice go by their JSON name (`occurrenceTiming`), `_start` is the companion of a
        primitive and has type `Element`.
        """
        found: ElementInfo | None = None
        children = type_name
        for name in path:
            if children not in self._structures:
                return None
            found = self.elements(children).get(name) or self._companion(children, name)
            if found is None:
                return None
            children = found.children
        return found

    def base(self, type_name: str) -> str | None:
        """The type that a type specializes: `Age` -> `Quantity`; None at the top."""
        base: str | None = self._structures[type_name]["base"]
        return base

    def _companion(self, type_name: str, name: str) -> ElementInfo | None:
        value = self.elements(type_name).get(name[1:]) if name.startswith("_") else None
        if value is None or not value.is_primitive or value.type == "xhtml":
            return None
        return ElementInfo(
            path=value.path,
            name=name,
            type="Element",
            children="Element",
            min=0,
            max=value.max,
            order=value.order,
            choice=value.choice,
        )

    def _build(self, type_name: str) -> dict[str, ElementInfo]:
        structure = self._structures[type_name]
        found: dict[str, ElementInfo] = {}
        if structure["base"] and structure["kind"] != "primitive":
            found.update(self.elements(structure["base"]))
        order = max((element.order for element in found.values()), default=-1)
        for row in structure["elements"]:
            order += 1
            for element in self._variants(type_name, row, order):
                found[element.name] = element
        return found

    def _variants(self, type_name: str, row: JsonObject, order: int) -> list[ElementInfo]:
        stem = row["name"].removesuffix("[x]")
        path = f"{type_name}.{row['name']}"
        systems = self.value_set(row["codes"]) if "codes" in row else None
        maximum = None if row.get("max") == "*" else int(row.get("max", "1"))
        variants = []
        for code in row.get("types", ["BackboneElement"]):
            is_choice = row["name"].endswith("[x]")
            children = row.get("like") or (path if code in _OWN_CHILDREN else code)
            variants.append(
                ElementInfo(
                    path=path,
                    name=stem + code[0].upper() + code[1:] if is_choice else stem,
                    type=code,
                    children=children,
                    min=row.get("min", 0),
                    max=maximum,
                    order=order,
                    choice=stem if is_choice else "",
                    targets=tuple(row.get("targets", ())) if code in _REFERRING else (),
                    value_set=row.get("codes", ""),
                    codes=None if systems is None else frozenset().union(*systems.values()),
                    is_summary=row.get("summary", False),
                    is_simple_quantity=row.get("simple", False),
                )
            )
        return variants


_OWN_CHILDREN = ("BackboneElement", "Element")
_REFERRING = ("Reference", "canonical")


def read_data(name: str) -> Json:
    """The content of one data file of this folder, e.g. `search_parameters.json`."""
    return orjson.loads(files(__name__).joinpath(name).read_bytes())


@cache
def definitions() -> Definitions:
    """The definitions, read once for each process."""
    return Definitions(read_data("structures.json"), read_data("value_sets.json"))


@cache
def constraints() -> Mapping[str, Mapping[str, Constraint]]:
    """Type or path -> key -> invariant, as the specification words it."""
    found: dict[str, dict[str, Constraint]] = {}
    for row in read_data("invariants.json"):
        constraint = Constraint(
            key=row["key"],
            severity=row["severity"],
            human=row["human"],
            expression=row.get("expression", ""),
            on=tuple(row["on"]),
        )
        for place in constraint.on:
            found.setdefault(place, {})[constraint.key] = constraint
    return found
