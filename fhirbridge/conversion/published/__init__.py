"""The public forms of what is ours: code systems, value sets, concept maps, extensions, names.

Made from the mapping packs and code tables alone; ids, versions and dates come from them too, so
that the same packs make the same resources everywhere.
"""

from collections.abc import Iterator

from fhirbridge.conversion.mappings import Mappings
from fhirbridge.conversion.published.code_systems import code_systems, value_sets
from fhirbridge.conversion.published.concept_maps import concept_maps
from fhirbridge.conversion.published.extensions import extensions
from fhirbridge.conversion.published.naming_systems import naming_systems
from fhirbridge.conversion.published.places import read_places
from fhirbridge.jsontypes import Resource

# The types that may be ours; a resource of these with our URL is written by nobody else.
TYPES = frozenset({"CodeSystem", "ConceptMap", "NamingSystem", "StructureDefinition", "ValueSet"})


def published(mappings: Mappings) -> Iterator[Resource]:
    """All public forms, each with its id."""
    places = read_places(mappings)
    systems = list(code_systems(places))
    yield from systems
    yield from value_sets(places, systems)
    yield from concept_maps(places)
    yield from extensions(places)
    yield from naming_systems(places)


def is_ours(resource: Resource, base: str) -> bool:
    """True for a resource that speaks for our canonical base."""
    if resource.get("resourceType") not in TYPES:
        return False
    urls = [resource.get("url")]
    unique = resource.get("uniqueId", ())
    urls += [each.get("value") for each in unique if isinstance(each, dict)]
    return any(isinstance(url, str) and url.startswith(f"{base}/") for url in urls)
