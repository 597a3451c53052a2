"""Values of FHIR data types in the words of a reader, as plain text.

A code is never shown where a text or display says what it means; ids and URLs of systems are not
shown at all. Each type is compiled once into a function of the value and of the resources that
references may lead to. The text is not escaped.
Source: R4 datatypes.html, references.html#Reference
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TypeAlias

from fhirbridge.fhir import value_words
from fhirbridge.fhir.definitions import ElementInfo, definitions
from fhirbridge.fhir.times import date_text, period_text, time_text, timing_text
from fhirbridge.fhir.value_words import label
from fhirbridge.jsontypes import Json, Resource


class Others:
    """The resources whose names may be told, by the text of the references that lead to them."""

    __slots__ = ("_names", "_resources")

    def __init__(self, resources: Mapping[str, Resource]) -> None:
        self._resources = resources
        self._names: dict[str, str] = {}

    def name(self, reference: Json) -> str:
        """The name of the resource behind a reference text; empty where it may not be told."""
        if reference not in self._names:
            target = self._resources.get(reference)
            self._names[reference] = ""  # what is named by what refers back to it has no name
            if target is not None:
                self._names[reference] = name_of(target, self)
        return self._names[reference]


Writer: TypeAlias = Callable[[Json, Others], str]

# Not for readers. Identifiers are left out too, whatever they belong to.
_NOT_TOLD = frozenset(
    {
        "CarePlan.activity.detail.kind",
        "DomainResource.contained",
        "DomainResource.extension",
        "DomainResource.text",
        "Element.extension",
        "Element.id",
        "Resource.id",
        "Resource.implicitRules",
        "Resource.language",
        "Resource.meta",
    }
)
# What stands first in a part, without a label.
_HEADS: Mapping[str, frozenset[str]] = {
    path: frozenset(names.split())
    for path, names in {
        "Appointment.participant": "actor",
        "CarePlan.activity": "reference detail",
        "CarePlan.activity.detail": "code",
        "CareTeam.participant": "member",
        "Consent.provision.actor": "reference",
        "Coverage.class": "type",
        "Dosage": "text",
        "Dosage.doseAndRate": "doseQuantity doseRange",
        "Encounter.location": "location",
        "Encounter.participant": "individual",
        "Goal.target": "measure",
        "Observation.component": "code",
        "Patient.communication": "language",
        "Patient.contact": "name",
        "Practitioner.qualification": "code",
        "Provenance.agent": "who",
        "RelatedPerson.communication": "language",
        "Task.input": "type",
        "Task.output": "type",
    }.items()
}
# What a resource is called when another one refers to it; the first that says something.
_CALLED_BY: Mapping[str, tuple[str, ...]] = {
    "Appointment": ("description", "serviceType", "appointmentType"),
    "CarePlan": ("title", "description", "category"),
    "Consent": ("category", "scope"),
    "Coverage": ("type", "payor"),
    "DocumentReference": ("description", "type"),
    "Encounter": ("type", "serviceType", "class"),
    "Goal": ("description",),
    "MedicationRequest": ("medicationCodeableConcept", "medicationReference"),
    "PractitionerRole": ("practitioner", "code", "organization"),
    "QuestionnaireResponse": ("questionnaire",),
    "Task": ("description", "code"),
}
_USUAL_NAMES = ("title", "name", "code", "description", "type")
# When it happens, said behind the name.
_HAPPENS = ("start", "period", "occurrenceTiming", "occurrenceDateTime", "occurrencePeriod")


def name_of(resource: Resource, others: Others) -> str:
    """What a resource is called: a person's name, a goal's description, a visit and its time."""
    resource_type = str(resource.get("resourceType"))
    if resource_type not in definitions():
        return ""
    elements = definitions().elements(resource_type)
    called = _first(resource, elements, (*_CALLED_BY.get(resource_type, ()), *_USUAL_NAMES), others)
    happens = _first(resource, elements, _HAPPENS, others)
    return ", ".join(text for text in (called, happens) if text)


def _first(
    resource: Resource, elements: Mapping[str, ElementInfo], names: Iterable[str], others: Others
) -> str:
    for name in names:
        if name in resource and name in elements:
            text = _naming(elements[name], resource[name], others)
            if text:
                return text
    return ""


def _naming(element: ElementInfo, value: Json, others: Others) -> str:
    """The element that names a resource: of several names of a person the first."""
    if element.type == "HumanName" and isinstance(value, list):
        value = value[:1]
    return element_text(element, value, others)


def element_text(element: ElementInfo, value: Json, others: Others) -> str:
    """One element, its items listed with commas."""
    write = writer_of(element)
    if isinstance(value, list):
        return ", ".join(filter(None, (write(item, others) for item in value if item is not None)))
    return write(value, others)


def writer_of(element: ElementInfo) -> Writer:
    """What writes one value of an element."""
    if element.name == "category" and element.type == "CodeableConcept":
        return _CATEGORY
    return _writer(element.children)


@cache
def _writer(type_name: str) -> Writer:
    if type_name in _WRITERS:
        return _WRITERS[type_name]
    return _PLAIN if type_name[0].islower() else _parts_writer(type_name)


def _parts_writer(type_name: str) -> Writer:
    """For types without words of their own: each element with its label."""

    # Compiled when first called, because provisions and items contain themselves.
    @cache
    def elements() -> list[tuple[ElementInfo, str]]:
        return told(type_name)

    def write(value: Json, others: Others) -> str:
        parts = []
        for element, words in elements():
            if element.name in value:
                text = element_text(element, value[element.name], others)
                if text:
                    parts.append(f"{words}: {text}" if words else text)
        return "; ".join(parts)

    return write


def told(type_name: str) -> list[tuple[ElementInfo, str]]:
    """The elements of a type that are told, each with its label; those that name it first."""
    heads = _HEADS.get(type_name, frozenset())
    found = [
        (element, "" if element.name in heads else label(element.choice or element.name).lower())
        for element in definitions().elements(type_name).values()
        if element.path not in _NOT_TOLD and element.name != "identifier"
    ]
    return sorted(found, key=lambda pair: bool(pair[1]))


def _extension(extension: Json, others: Others) -> str:
    """Only modifier extensions are told: what they are called, and a plain value."""
    plain = [value for name, value in extension.items() if name.startswith("value")]
    values = [value_words.plain_text(value) for value in plain if not isinstance(value, dict)]
    return ": ".join([value_words.canonical_text(extension.get("url", "")), *values])


def _reference(reference: Json, others: Others) -> str:
    """The name of what it leads to, if that may be told; else its display."""
    return others.name(reference.get("reference")) or str(reference.get("display") or "")


def _annotation(note: Json, others: Others) -> str:
    author = note.get("authorString") or _reference(note.get("authorReference", {}), others)
    said = ", ".join(part for part in (author, date_text(note.get("time", ""))) if part)
    return f"{note.get('text', '')} ({said})" if said else str(note.get("text", ""))


def _timing(timing: Json, others: Others) -> str:
    code = value_words.concept_text(timing.get("code", {}))
    return ": ".join(part for part in (code, timing_text(timing)) if part)


def _answered(item: Json, others: Others, above: str = "") -> str:
    """An item of a QuestionnaireResponse: the question, its answers, what is nested in it."""
    link = str(item.get("linkId", ""))
    question = str(item.get("text") or label(link.removeprefix(f"{above}.").replace(".", " ")))
    answers = item.get("answer", ())
    values = [_answer(answer, others) for answer in answers]
    nested = [inner for part in (item, *answers) for inner in part.get("item", ())]
    # An id of our own carriers is no answer for a reader.
    readable = [n for n in nested if "text" in n or not str(n.get("linkId", "")).endswith(".id")]
    parts = [", ".join(filter(None, values)), *(_answered(n, others, link) for n in readable)]
    told_parts = "; ".join(filter(None, parts))
    return f"{question}: {told_parts}" if told_parts else question


def _answer(answer: Json, others: Others) -> str:
    elements = definitions().elements("QuestionnaireResponse.item.answer")
    for name, value in answer.items():
        if name.startswith("value") and name in elements:
            return element_text(elements[name], value, others)
    return ""


def _of_value(text: Callable[[Json], str]) -> Writer:
    """A writer that needs no other resources."""
    return lambda value, _: text(value)


_WRITERS: Mapping[str, Writer] = {
    "Annotation": _annotation,
    "Extension": _extension,
    "QuestionnaireResponse.item": _answered,
    "Reference": _reference,
    "Timing": _timing,
    **{
        name: _of_value(text)
        for name, text in {
            "Address": value_words.address_text,
            "Age": value_words.quantity_text,
            "Attachment": value_words.attachment_text,
            "CodeableConcept": value_words.concept_text,
            "Coding": value_words.coding_text,
            "ContactPoint": value_words.contact_point_text,
            "Count": value_words.quantity_text,
            "Distance": value_words.quantity_text,
            "Duration": value_words.quantity_text,
            "HumanName": value_words.human_name_text,
            "Identifier": value_words.identifier_text,
            "Money": value_words.money_text,
            "Period": period_text,
            "Quantity": value_words.quantity_text,
            "Range": value_words.range_text,
            "Ratio": value_words.ratio_text,
            "base64Binary": lambda _: "",
            "canonical": value_words.canonical_text,
            "code": value_words.code_text,
            "date": date_text,
            "dateTime": date_text,
            "instant": date_text,
            "time": time_text,
        }.items()
    },
}
_CATEGORY = _of_value(value_words.category_text)
_PLAIN = _of_value(value_words.plain_text)
