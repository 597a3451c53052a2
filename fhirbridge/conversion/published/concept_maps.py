"""Our code tables as concept maps: from our codes to those of the public systems.

Source: R4 conceptmap.html. A row says which code stands for ours in FHIR, not that both mean the
same; where several of our codes share one, it is wider than each of them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from fhirbridge.conversion.published.places import Place, Places, tell
from fhirbridge.fhir.definitions import definitions
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.mapping.model import CodeTable
from fhirbridge.mapping.template import Leaf

_Trail = tuple[str, tuple[str, ...]]  # document, native trail

_COPYRIGHT: Mapping[str, str] = {
    "http://loinc.org": (
        "This material contains content from LOINC (http://loinc.org). LOINC is copyright "
        "Regenstrief Institute, Inc. and the LOINC Committee and is available at no cost under "
        "the license at http://loinc.org/license."
    ),
    "http://snomed.info/sct": (
        "SNOMED CT descriptions are those of the Global Patient Set, SNOMED International, "
        "CC BY 4.0; other codes stand without a description."
    ),
}


def concept_maps(places: Places) -> Iterator[Resource]:
    """A map for each code table whose codes have a system on both sides."""
    used: dict[str, list[tuple[Place, Leaf]]] = {}
    words: dict[_Trail, set[str]] = {}
    for place, leaf, table in _uses(places):
        used.setdefault(table.name, []).append((place, leaf))
        if table.vocabulary != table.name:
            system = f"{places.base}/CodeSystem/{table.vocabulary}"
            words.setdefault((place.kind, leaf.trail), set()).add(system)
    for place, system, code in places.codings():
        if _is_native_word(code):
            words.setdefault((place.kind, code.trail), set()).add(system)
    for name in sorted(used):
        made = _concept_map(places, words, places.tables[name], used[name])
        if made is not None:
            yield made


def _uses(places: Places) -> Iterator[tuple[Place, Leaf, CodeTable]]:
    """Each place that writes a code through a table."""
    for place in places.all:
        for name in place.node.children:
            leaf = place.leaf(name)
            if leaf is not None and leaf.codec is not None and name != "system":
                table = leaf.codec.table
                if table is not None:
                    yield place, leaf, table


def _concept_map(
    places: Places,
    words: Mapping[_Trail, set[str]],
    table: CodeTable,
    used: list[tuple[Place, Leaf]],
) -> Resource | None:
    source = _source(places, words, table, used)
    groups: dict[str, list[JsonObject]] = {}
    counts = Counter(row.fhir for row in table.rows)
    value_set = ""
    for target, bound, codes in _targets(used):
        value_set = value_set or bound
        if target in groups:
            continue
        rows = [row for row in table.rows if codes is None or row.fhir in codes]
        if rows:
            groups[target] = [
                {
                    "code": row.native,
                    "target": [
                        {
                            "code": row.fhir,
                            **({"display": row.display} if row.display else {}),
                            "equivalence": "wider" if counts[row.fhir] > 1 else "relatedto",
                        }
                    ],
                }
                for row in rows
            ]
    if not source or not groups:
        return None
    url = f"{places.base}/ConceptMap/{table.name}"
    fields = tell({place.field(leaf) for place, leaf in used})
    made: Resource = {
        **places.head("ConceptMap", url, date=table.date),
        "description": f"How {fields} is written in FHIR. Edition: {table.edition}.",
    }
    notes = [text for system, text in _COPYRIGHT.items() if system in groups]
    if notes:
        made["copyright"] = " ".join(notes)
    if source.startswith(f"{places.base}/CodeSystem/"):
        made["sourceCanonical"] = source.replace("/CodeSystem/", "/ValueSet/")
    if value_set:
        made["targetCanonical"] = value_set
    made["group"] = [
        {"source": source, "target": target, "element": elements}
        for target, elements in groups.items()
    ]
    return made


def _targets(
    used: list[tuple[Place, Leaf]],
) -> Iterator[tuple[str, str, frozenset[str] | None]]:
    """Target system, value set of the element, and which codes it has (None: it takes all)."""
    for place, leaf in used:
        if leaf.kind == "carry":
            continue
        system = place.constant("system")
        if isinstance(system, str):
            yield system, "", None
            continue
        name = next(name for name in place.node.children if place.leaf(name) is leaf)
        element = definitions().resolve(place.path[0], (*place.path[1:], name))
        listed = definitions().value_set(element.value_set) if element is not None else None
        if element is not None and listed is not None:
            for target, codes in listed.items():
                yield target, element.value_set, codes


def _source(
    places: Places,
    words: Mapping[_Trail, set[str]],
    table: CodeTable,
    used: list[tuple[Place, Leaf]],
) -> str:
    """The system of the native codes: of the word that is carried, or of the code beside it."""
    own = f"{places.base}/CodeSystem/{table.vocabulary}"
    if table.vocabulary != table.name or any(leaf.kind == "carry" for _, leaf in used):
        return own
    trails = {(place.kind, leaf.trail) for place, leaf in used}
    beside: set[str] = set().union(*(words.get(trail, set()) for trail in trails))
    ours = sorted(system for system in beside if system.startswith(f"{places.base}/"))
    return (ours or sorted(beside) or [""])[0]


def _is_native_word(code: Leaf) -> bool:
    if code.kind == "carry":
        return True
    return code.kind == "native" and (code.codec is None or code.codec.table is None)
