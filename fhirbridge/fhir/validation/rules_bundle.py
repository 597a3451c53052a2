"""Invariants of Bundle and Parameters.

Source: R4 bundle.html, parameters.html
"""

from collections.abc import Callable, Mapping

from fhirbridge.fhir.validation.terms import are_distinct, has, has_choice, items
from fhirbridge.jsontypes import JsonObject

_REQUESTS = frozenset({"batch", "transaction", "history"})
_RESPONSES = frozenset({"batch-response", "transaction-response", "history"})


def _full_urls_are_distinct(bundle: JsonObject) -> bool:
    if bundle.get("type") == "history":
        return True
    return are_distinct(
        (entry["fullUrl"], entry.get("resource", {}).get("meta", {}).get("versionId"))
        for entry in items(bundle, "entry")
        if "fullUrl" in entry
    )


def _every_entry_has(name: str, types: frozenset[str]) -> Callable[[JsonObject], bool]:
    def holds(bundle: JsonObject) -> bool:
        wanted = bundle.get("type") in types
        return all((name in entry) == wanted for entry in items(bundle, "entry"))

    return holds


def _begins_with(resource_type: str) -> Callable[[JsonObject], bool]:
    def holds(bundle: JsonObject) -> bool:
        entries = items(bundle, "entry")
        resource = entries[0].get("resource", {}) if entries else {}
        return bool(resource.get("resourceType") == resource_type)

    return holds


def _document(rule: Callable[[JsonObject], bool]) -> Callable[[JsonObject], bool]:
    return lambda bundle: bundle.get("type") != "document" or rule(bundle)


def _message(rule: Callable[[JsonObject], bool]) -> Callable[[JsonObject], bool]:
    return lambda bundle: bundle.get("type") != "message" or rule(bundle)


def _has_identifier(bundle: JsonObject) -> bool:
    identifier = bundle.get("identifier", {})
    return has(identifier, "system") and has(identifier, "value")


def _has_one_content(parameter: JsonObject) -> bool:
    return has_choice(parameter, "value") + ("resource" in parameter) + ("part" in parameter) == 1


BUNDLE_RULES: Mapping[str, Mapping[str, Callable[[JsonObject], bool]]] = {
    "Bundle": {
        "bdl-1": lambda v: "total" not in v or v.get("type") in ("searchset", "history"),
        "bdl-2": lambda v: v.get("type") == "searchset" or not items(v, "entry", "search"),
        "bdl-3": _every_entry_has("request", _REQUESTS),
        "bdl-4": _every_entry_has("response", _RESPONSES),
        "bdl-7": _full_urls_are_distinct,
        "bdl-9": _document(_has_identifier),
        "bdl-10": _document(lambda v: "timestamp" in v),
        "bdl-11": _document(_begins_with("Composition")),
        "bdl-12": _message(_begins_with("MessageHeader")),
    },
    "Bundle.entry": {
        "bdl-5": lambda v: has(v, "resource", "request", "response"),
        "bdl-8": lambda v: "/_history/" not in v.get("fullUrl", ""),
    },
    "Parameters.parameter": {"inv-1": _has_one_content},
}
