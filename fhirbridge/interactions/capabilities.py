"""capabilities: the CapabilityStatement, made from the table that dispatch uses.

Source: R4 http.html#capabilities, capabilitystatement.html
"""

from collections.abc import Sequence
from functools import lru_cache

from fhirbridge import __version__
from fhirbridge.clock import to_instant
from fhirbridge.fhir import wire
from fhirbridge.fhir.compartments import COMPARTMENTS
from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.search_parameters import combinations, search_parameters
from fhirbridge.interactions import patch_json
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.supported import INTERACTIONS, OPERATIONS, Route
from fhirbridge.jsontypes import JsonObject, Resource


def capabilities(request: FhirRequest, context: Context, _route: Route) -> FhirResponse:
    """What this server does: always allowed, and the same for everybody."""
    settings = context.bridge.settings
    date = to_instant(context.bridge.started_at)
    return FhirResponse(
        status=200,
        content=_written(
            context.base, date, settings.referential_integrity, settings.auth == "smart"
        ),
    )


_COMBINATION = (
    "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination"
)


@lru_cache(maxsize=16)
def _written(base: str, date: str, enforced: bool, secured: bool) -> bytes:
    return wire.dump(statement(base, date=date, enforced=enforced, secured=secured))


def statement(base: str, *, date: str, enforced: bool, secured: bool) -> Resource:
    """The CapabilityStatement of a server at `base`.

    `enforced`: references must lead somewhere; `secured`: callers need a token.
    """
    names = {interaction.name for interaction in INTERACTIONS}
    codes = _codes(("type", "instance"))
    reverse_includes = _reverse_includes()
    policies = ["literal", "logical", "local", *(["enforced"] if enforced else [])]
    resources = [
        {
            "type": resource_type,
            "interaction": [{"code": code} for code in codes],
            "versioning": "versioned-update",
            "readHistory": "vread" in names,
            # with tokens, others than the custodian's own systems choose no id (`refuse_foreign`)
            "updateCreate": "update" in names and not secured,
            "conditionalCreate": "create" in names,
            "conditionalRead": "full-support",
            "conditionalUpdate": "conditional_update" in names,
            "conditionalDelete": "single" if "conditional_delete" in names else "not-supported",
            "referencePolicy": policies,
            "searchInclude": ["*", *_includes(resource_type)],
            **_unless_empty("searchRevInclude", reverse_includes[resource_type]),
            "searchParam": _search_parameters(resource_type),
            **_unless_empty("extension", _combinations(resource_type)),
            "operation": _operations(resource_type),
        }
        for resource_type in sorted(definitions().resource_types)
    ]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": date,
        "kind": "instance",
        "software": {"name": "fhirbridge", "version": __version__},
        "implementation": {"description": "fhirbridge FHIR R4 API", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json", "application/fhir+xml", "xml"],
        "patchFormat": ["application/fhir+json", "application/fhir+xml", patch_json.MEDIA_TYPE],
        "rest": [
            {
                "mode": "server",
                **({"security": _security(base)} if secured else {}),
                "resource": resources,
                "interaction": [{"code": code} for code in _codes(("system",))],
                "compartment": [
                    f"http://hl7.org/fhir/CompartmentDefinition/{name.lower()}"
                    for name in COMPARTMENTS
                ],
            }
        ],
    }


def _security(base: str) -> JsonObject:
    """Where tokens come from, as clients look for it.

    Source: SMART App Launch 1.0 (oauth-uris); its later versions have smart-configuration
    """
    root = base.removesuffix("/fhir")
    return {
        "extension": [
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [
                    {"url": "token", "valueUri": f"{root}/auth/token"},
                    {"url": "revoke", "valueUri": f"{root}/auth/revoke"},
                ],
            }
        ],
        "service": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR",
                    }
                ]
            }
        ],
    }


def _codes(levels: tuple[str, ...]) -> list[str]:
    """The codes of the interactions at these levels, each once, in the order of the table."""
    # `capabilities` is implied by being able to ask, and has no code of its own.
    found = dict.fromkeys(i.code for i in INTERACTIONS if i.level in levels)
    return [code for code in found if code != "capabilities"]


def _includes(resource_type: str) -> list[str]:
    parameters = search_parameters(resource_type).values()
    return sorted(f"{resource_type}:{p.code}" for p in parameters if p.is_link)


def _combinations(resource_type: str) -> list[JsonObject]:
    """What US Core asks for together; every other combination works as well."""
    return [
        {
            "url": _COMBINATION,
            "extension": [{"url": "required", "valueString": code} for code in codes],
        }
        for codes in combinations(resource_type)
    ]


def _unless_empty(name: str, found: Sequence[object]) -> JsonObject:
    """The element, or nothing: R4 has no empty arrays."""
    return {name: found} if found else {}


def _reverse_includes() -> dict[str, list[str]]:
    """Resource type -> the parameters of other types that name it as a target."""
    found: dict[str, list[str]] = {name: [] for name in sorted(definitions().resource_types)}
    for source in found:
        for parameter in search_parameters(source).values():
            for target in parameter.targets if parameter.is_link else ():
                found.get(target, []).append(f"{source}:{parameter.code}")
    return found


def _operations(resource_type: str) -> list[JsonObject]:
    return [
        {
            "name": each.name.removeprefix("$"),
            "definition": f"http://hl7.org/fhir/OperationDefinition/{each.definition}",
        }
        for each in OPERATIONS
        if not each.types or resource_type in each.types
    ]


def _search_parameters(resource_type: str) -> list[JsonObject]:
    return [
        {"name": parameter.code, "definition": parameter.url, "type": parameter.type}
        for _, parameter in sorted(search_parameters(resource_type).items())
    ]
