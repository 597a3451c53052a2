"""Whose record a resource belongs to, and the compartments of R4.

Source: R4 compartmentdefinition.html, compartmentdefinition-patient.html
"""

from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType

from fhirbridge.fhir.definitions import read_data
from fhirbridge.fhir.elements import Branch, compile_expression
from fhirbridge.fhir.reference_targets import reference_type
from fhirbridge.fhir.references import parse
from fhirbridge.fhir.search_parameters import search_parameters
from fhirbridge.jsontypes import Json, Resource

# Where a patient stands besides the compartment parameters: the Task of a referral names its
# patient in `for`, and what it is about in `focus`.
_MORE: Mapping[str, tuple[str, ...]] = {"Task": ("patient", "subject", "focus")}

# Source: R4 compartmentdefinition.html#compartments
COMPARTMENTS = ("Patient", "Encounter", "RelatedPerson", "Practitioner", "Device")


@cache
def compartment_parameters(compartment: str) -> Mapping[str, tuple[str, ...]]:
    """Resource type -> codes of the search parameters that make it a member of a compartment.

    `compartment` is `Patient`, `Encounter`, `RelatedPerson`, `Practitioner` or `Device`; an
    unknown one has no members. The resource that gives the compartment its name is a member by
    its own id, whatever is listed.
    """
    listed = read_data("compartments.json").get(compartment, {})
    return MappingProxyType({name: tuple(codes) for name, codes in listed.items()})


@cache
def patient_parameters() -> Mapping[str, tuple[str, ...]]:
    """The parameters of the Patient compartment, and those by which a Task names its patient."""
    return MappingProxyType({**compartment_parameters("Patient"), **_MORE})


def patients_of(resource: Resource, *, bases: tuple[str, ...] = ()) -> frozenset[str]:
    """The patients whom a resource is about, as references: `{"Patient/p1"}`.

    References to this server are given in relative form, also those below one of `bases`;
    others keep their URL. Contained resources and the entries of a Bundle count with the
    resource. A contained Patient counts for nothing, because nobody can be found by its id.
    """
    return frozenset(_patients(resource, bases))


def _patients(resource: Resource, bases: tuple[str, ...]) -> Iterator[str]:
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str):
        return
    if resource_type == "Patient" and resource.get("id"):
        yield f"Patient/{resource['id']}"
    for branch in _branches(resource_type):
        if branch.first and branch.first not in resource:
            continue
        for node in branch.evaluate(resource, resource):
            yield from _patient(node, resource, bases)
    for contained in resource.get("contained", ()):
        yield from _referred(contained, bases)
    if resource_type == "Bundle":
        for entry in resource.get("entry", ()):
            yield from _patients(entry.get("resource", {}), bases)
    if resource_type == "Binary":
        yield from _patient(resource.get("securityContext"), resource, bases)


def _referred(contained: Json, bases: tuple[str, ...]) -> Iterator[str]:
    # The id of a contained Patient means nothing outside of its resource.
    own = f"Patient/{contained.get('id')}" if contained.get("resourceType") == "Patient" else ""
    for patient in _patients(contained, bases):
        if patient != own:
            yield patient


def _patient(node: Json, resource: Resource, bases: tuple[str, ...]) -> Iterator[str]:
    reference = node.get("reference") if isinstance(node, dict) else None
    if not isinstance(reference, str) or reference.startswith("#"):
        return
    if reference_type(node, resource) != "Patient":
        return
    parsed = parse(reference)
    is_local = parsed.kind == "relative" or parsed.base in bases
    yield f"Patient/{parsed.resource_id}" if is_local else reference


@cache
def _branches(resource_type: str) -> tuple[Branch, ...]:
    codes = compartment_parameters("Patient").get(resource_type, ())
    codes += _MORE.get(resource_type, ())
    parameters = search_parameters(resource_type)
    return tuple(
        {
            (branch.type, parameters[code].expression): branch
            for code in codes
            if code in parameters
            for branch in compile_expression(parameters[code].expression, resource_type)
        }.values()
    )
