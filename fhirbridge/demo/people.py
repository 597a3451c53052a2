"""The people of the demo: all synthetic, from fixed seeds."""

from fhirbridge import synthetic
from fhirbridge.fhir import bundles
from fhirbridge.jsontypes import JsonObject

_CLIENT = 0  # a mother of two who finishes six weeks of morning groups
_NEIGHBOURS = range(1, 6)


def client_documents() -> tuple[JsonObject, JsonObject]:
    """The client's enrollment and discharge plan."""
    return synthetic.enrollment(_CLIENT), synthetic.aftercare_plan(_CLIENT)


def neighbours() -> list[JsonObject]:
    """Transaction entries for the people whom the EHR knows already."""
    entries = []
    for seed in _NEIGHBOURS:
        person = synthetic.enrollment(seed)["patient"]
        name = person["name"]
        entries.append(
            bundles.create_entry(
                {
                    "resourceType": "Patient",
                    "identifier": [{"system": "urn:example:ehr", "value": f"ehr-{seed}"}],
                    "name": [{"family": name["family"], "given": name["given"]}],
                    "birthDate": person["birthDate"],
                },
                full_url=f"urn:uuid:00000000-0000-4000-8000-{seed:012}",
            )
        )
    return entries
