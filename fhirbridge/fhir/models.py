"""The typed view of fhir.resources (R4B), and its second opinion on what we validate ourselves.

The only importer of fhir.resources, which costs 0.3 s; so it is imported when first asked.
Its models are never stored or sent: a round trip through them rewrites decimals and instants.
Source: R4 resources as far as R4B (4.3.0) has them unchanged
"""

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, cast

from fhirbridge.errors import InvalidContent, Issue, Severity
from fhirbridge.fhir import wire
from fhirbridge.fhir.definitions import definitions
from fhirbridge.jsontypes import Resource

if TYPE_CHECKING:
    from fhir.resources.R4B.fhirresourcemodel import FHIRResourceModel
    from pydantic import ValidationError

_RULE = "fhir.resources"


def model_of(resource: Resource) -> "FHIRResourceModel":
    """The fhir.resources model of a resource.

    Raises InvalidContent if the library has no such type or refuses the content.
    """
    model = _model_class(resource)
    if model is None:
        raise InvalidContent(
            Issue("not-supported", "fhir.resources R4B has no model of this type.", rule=_RULE)
        )
    try:
        return model.model_validate_json(wire.dump(resource))
    except ValueError as exc:  # pydantic's ValidationError is one
        error = cast("ValidationError", exc)
        raise InvalidContent(*_issues(error, resource["resourceType"])) from exc


def second_opinion(resource: Resource) -> list[Issue]:
    """What fhir.resources objects to, as warnings; an empty list if it reads the resource.

    A type that R4B does not have gets one issue of severity `information`.
    """
    try:
        model_of(resource)
    except InvalidContent as exc:
        return [_as_opinion(issue) for issue in exc.issues]
    return []


def _as_opinion(issue: Issue) -> Issue:
    severity: Severity = "information" if issue.code == "not-supported" else "warning"
    return replace(issue, severity=severity)


def _model_class(resource: Resource) -> "type[FHIRResourceModel] | None":
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str) or resource_type not in definitions().resource_types:
        return None
    try:
        library = import_module(f"fhir.resources.R4B.{resource_type.lower()}")
    except ImportError:
        return None
    return cast("type[FHIRResourceModel] | None", getattr(library, resource_type, None))


def _issues(error: "ValidationError", resource_type: str) -> list[Issue]:
    return [
        Issue(
            "processing",
            f"fhir.resources reads this otherwise: {fault['type'].replace('_', ' ')}.",
            expression=(_expression(resource_type, fault["loc"]),),
            rule=_RULE,
        )
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def _expression(resource_type: str, location: tuple[int | str, ...]) -> str:
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in location]
    return resource_type + "".join(steps)
