"""Our identifier systems as NamingSystems. Source: R4 namingsystem.html"""

from collections.abc import Iterator

from fhirbridge.conversion.published.places import PUBLISHER, Places, camel
from fhirbridge.jsontypes import Resource


def naming_systems(places: Places) -> Iterator[Resource]:
    """One for each identifier system under our base."""
    prefix = f"{places.base}/identifier/"
    found: dict[str, set[str]] = {}
    for place in places.all:
        system = place.constant("system")
        is_identifier = place.path[-1].lower().endswith("identifier")
        if is_identifier and isinstance(system, str) and system.startswith(prefix):
            found.setdefault(system, set()).add(place.path[0])
    for url in sorted(found):
        name = url.rpartition("/")[2]
        types = ", ".join(sorted(found[url]))
        yield {
            "resourceType": "NamingSystem",
            "id": f"identifier-{name}",
            "name": f"Identifier{camel(name)}",
            "status": "active",
            "kind": "identifier",
            "date": places.edition,
            "publisher": PUBLISHER,
            "description": f"Identifies {types}: scope and key of the record, percent-escaped.",
            "uniqueId": [{"type": "uri", "value": url, "preferred": True}],
        }
