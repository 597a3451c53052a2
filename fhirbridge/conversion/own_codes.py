"""The code systems under `{base}/CodeSystem/`, for the gate: we enforce what we publish."""

from functools import cache
from pathlib import Path

from fhirbridge.conversion.mappings import Mappings, compiled
from fhirbridge.conversion.published.code_systems import code_systems
from fhirbridge.conversion.published.places import read_places
from fhirbridge.fhir.validation.own_codes import OwnCodes


def own_codes(mappings: Mappings) -> OwnCodes:
    """The systems of all documents' packs; a system that is not complete takes any code."""
    places = read_places(mappings)
    return OwnCodes(
        f"{places.base}/CodeSystem/",
        {
            str(system["url"]): frozenset(concept["code"] for concept in system.get("concept", ()))
            if system["content"] == "complete"
            else None
            for system in code_systems(places)
        },
    )


@cache
def known_codes(base: str, site: Path | None) -> OwnCodes:
    """The same for our packs and a site's, kept for the life of the process."""
    return own_codes(compiled(base, site))
