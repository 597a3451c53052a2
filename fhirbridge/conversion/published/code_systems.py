"""Our code systems, each with a value set of all its codes.

A system is complete where every place takes its codes from a closed set, a table or a constant. An
open vocabulary is a fragment: codes that a source invents are carried as they are.
Source: R4 codesystem.html, valueset.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fhirbridge.conversion.published.places import Field, Place, Places, tell, words
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.mapping.template import Leaf
from fhirbridge.workflow.reasons import REASONS

# Written by the program itself, not by a pack.
_OWN: Mapping[str, Mapping[str, str]] = {
    "document-state": {"withdrawn": "Withdrawn: the document no longer has the item"},
    "referral-answer-reason": REASONS,
    "tag": {
        "probe": "Synthetic data of a trial of the look-up",
        "sandbox": "Synthetic data of a trial",
    },
}


@dataclass(slots=True)
class _System:
    displays: dict[str, str] = field(default_factory=dict)
    is_open: bool = False
    dates: set[str] = field(default_factory=set)
    fields: set[Field] = field(default_factory=set)

    def add(self, code: str, display: str = "") -> None:
        if display or code not in self.displays:
            self.displays[code] = display


def code_systems(places: Places) -> Iterator[Resource]:
    """All code systems under our base."""
    prefix = f"{places.base}/CodeSystem/"
    systems: dict[str, _System] = {}
    for place, url, code in places.codings():
        if url.startswith(prefix):
            _collect(places, systems.setdefault(url, _System()), place, code)
    for name, concepts in _OWN.items():
        system = systems.setdefault(prefix + name, _System())
        for one, display in concepts.items():
            system.add(one, display)
    for url in sorted(systems):
        yield _code_system(places, url, systems[url])


def value_sets(places: Places, systems: list[Resource]) -> Iterator[Resource]:
    """A value set of all codes for each of these code systems."""
    for system in systems:
        url = system["valueSet"]
        yield {
            **places.head("ValueSet", url, date=system["date"]),
            "description": f"All codes of {system['url']}.",
            "immutable": False,
            "compose": {"include": [{"system": system["url"]}]},
        }


def _collect(places: Places, system: _System, place: Place, code: Leaf) -> None:
    if code.trail:
        system.fields.add(place.field(code))
    if code.kind == "const":
        system.add(str(code.const))
        return
    table = code.codec.table if code.codec is not None else None
    if table is not None:
        system.dates.add(table.date)
        system.is_open |= table.open
        for row in table.rows:
            if code.kind == "carry":
                system.add(row.native)
            else:
                system.add(row.fhir, row.display)
        return
    node = place.native_node(code)
    displays = places.displays(place, code)
    for one in (*node.codes, *node.known) if node is not None else ():
        system.add(one, displays.get(one, ""))
    system.is_open |= node is None or not node.codes


def _code_system(places: Places, url: str, system: _System) -> Resource:
    name = url.rpartition("/")[2]
    concepts: list[JsonObject] = [
        {"code": code, "display": system.displays[code] or words(code)}
        for code in sorted(system.displays)
    ]
    head = places.head("CodeSystem", url, date=max(system.dates, default=""))
    made: Resource = {
        **head,
        "description": _description(system),
        "caseSensitive": True,
        "valueSet": f"{places.base}/ValueSet/{name}",
        "content": "fragment" if system.is_open else "complete",
    }
    if not system.is_open:
        made["count"] = len(concepts)
    if concepts:
        made["concept"] = concepts
    elif system.is_open:
        made["content"] = "not-present"
    return made


def _description(system: _System) -> str:
    if not system.fields:
        return "Codes that the program itself writes."
    told = f"The native words of {tell(system.fields)}."
    if system.is_open:
        told += " Other codes that a source uses are carried as they are."
    return told
