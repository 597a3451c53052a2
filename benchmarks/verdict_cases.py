"""Kinds of mutation of a valid resource, each with the verdict of R4: may it be so, or not?

Each changes one place of a small valid resource of `tests/unit/fhir/validation/bases.py`.
Source: R4 validation.html; the page of each group stands beside it
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fhirbridge.jsontypes import Resource
from tests.unit.fhir.validation.bases import ABSENT, BASES, changed

EXTENSION = {"url": "http://x.example/e", "valueCode": "a"}
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
OTHER = {"reference": "Practitioner/1"}
MEMBER = BASES["bundle"]["entry"][0]
OWN_CONTAINED = {"resourceType": "Basic", "id": "b", "code": {"text": "a"}}
OWN_CONTAINED["subject"] = {"reference": "#"}


@dataclass(frozen=True)
class VerdictCase:
    """One mutation: what it is, the resource after it, and whether R4 allows that."""

    group: str
    words: str
    resource: Resource
    is_valid: bool


def _div(inner: str, *, opening: str = '<div xmlns="http://www.w3.org/1999/xhtml">') -> Any:
    return {"status": "generated", "div": f"{opening}{inner}</div>"}


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": TERMINOLOGY + system, "code": code}]}


# group (with its page of R4) -> words, base, place, new value. All of these break R4.
_BROKEN: dict[str, tuple[tuple[str, str, str, Any], ...]] = {
    "structure (json.html)": (
        ("unknown element", "care_plan", "nonsense", 1),
        ("element in the wrong case", "care_plan", "Status", "active"),
        ("element of another type", "care_plan", "statusReason", {"text": "a"}),
        ("unknown element deep inside", "care_plan", "activity.1.detail.scheduledTiming.x", 1),
        ("unknown element in contained", "care_plan", "contained.0.nonsense", 1),
        ("unknown resource type", "care_plan", "resourceType", "Nonsense"),
        ("abstract resource type", "care_plan", "resourceType", "DomainResource"),
        ("no resource type", "bundle", "entry.0.resource", {"gender": "female"}),
        ("text where an object belongs", "care_plan", "subject", "Patient/1"),
        ("object where a text belongs", "care_plan", "title", {"value": "a"}),
        ("array where it may not repeat", "care_plan", "subject", [{"reference": "Patient/1"}]),
        ("no array where it repeats", "care_plan", "category", {"text": "a"}),
    ),
    "cardinality (conformance-rules.html#cardinality)": (
        ("status missing", "care_plan", "status", ABSENT),
        ("subject missing", "care_plan", "subject", ABSENT),
        ("participant missing", "appointment", "participant", ABSENT),
        ("required element missing deep inside", "care_plan", "activity.1.detail.status", ABSENT),
        ("extension without url", "care_plan", "extension.0.url", ABSENT),
    ),
    "choices (formats.html#choice)": (
        ("choice twice", "patient", "multipleBirthBoolean", True),
        ("choice twice in an extension", "care_plan", "extension.0.valueCode", "a"),
        ("choice of a type not listed", "patient", "multipleBirthString", "2"),
        ("choice without its type", "patient", "multipleBirth", 2),
    ),
    "required bindings (terminologies.html#required)": (
        ("bogus status", "care_plan", "status", "bogus"),
        ("status in the wrong case", "care_plan", "status", "Active"),
        ("bogus intent", "care_plan", "intent", "directive"),
        ("bogus gender", "patient", "gender", "woman"),
        ("bogus system of a telecom", "patient", "telecom.0.system", "telephone"),
        ("bogus status of an appointment", "appointment", "status", "confirmed"),
        ("bogus type of a Bundle", "bundle", "type", "message-list"),
        ("bogus code in a concept", "condition", "clinicalStatus.coding.0.code", "bogus"),
        ("concept with text only", "condition", "clinicalStatus", {"text": "active"}),
        ("media type without a slash", "patient", "photo.0.contentType", "png"),
    ),
    "ids (datatypes.html#id)": (
        ("id with a space", "care_plan", "id", "a b"),
        ("id with an underscore", "care_plan", "id", "a_b"),
        ("id of 65 characters", "care_plan", "id", "x" * 65),
        ("id with a letter that is not ASCII", "care_plan", "id", "ä"),
        ("id that ends with a line break", "care_plan", "id", "a\n"),
    ),
    "dates and calendar (datatypes.html#dateTime)": (
        ("30 February", "care_plan", "period.start", "1970-02-30"),
        ("29 February of a common year", "patient", "birthDate", "1990-02-29"),
        ("month 13", "patient", "birthDate", "1990-13-01"),
        ("date with a time", "patient", "birthDate", "1990-02-28T10:00:00Z"),
        ("dateTime without seconds", "care_plan", "period.start", "2024-05-01T10:00Z"),
        ("dateTime without offset", "care_plan", "created", "2024-05-01T10:00:00"),
        ("instant without offset", "appointment", "start", "2024-05-06T18:00:00"),
        ("date where an instant belongs", "appointment", "start", "2024-05-06"),
        ("time 25:00:00", "patient", "_birthDate.extension.0.valueTime", "25:00:00"),
    ),
    "number ranges (datatypes.html#integer)": (
        ("positiveInt 0", "appointment", "minutesDuration", 0),
        ("positiveInt 2^31", "appointment", "minutesDuration", 2**31),
        ("unsignedInt -1", "appointment", "priority", -1),
        ("integer with a fraction", "patient", "multipleBirthInteger", 1.5),
    ),
    "texts for booleans and numbers (json.html#primitive)": (
        ('"true" for a boolean', "patient", "active", "true"),
        ("1 for a boolean", "patient", "active", 1),
        ('"2" for an integer', "patient", "multipleBirthInteger", "2"),
        ('"180" for a positiveInt', "appointment", "minutesDuration", "180"),
        ('"1" for a decimal', "observation", "valueQuantity.value", "1"),
        ("true for a decimal", "observation", "valueQuantity.value", True),
        ("number for a date", "patient", "birthDate", 1990),
    ),
    "empty and null (json.html)": (
        ("null", "care_plan", "title", None),
        ("empty text", "care_plan", "title", ""),
        ("empty array", "care_plan", "category", []),
        ("empty object", "care_plan", "period", {}),
        ("object with an id only (ele-1)", "care_plan", "period", {"id": "a"}),
        ("null in an array", "care_plan", "category", [None]),
        ("null in a list of texts", "patient", "name.0.given", ["A", None]),
        ("empty companion", "patient", "_birthDate", {}),
        ("companion of another length", "patient", "name.0._given", [{"extension": [EXTENSION]}]),
    ),
    "base64, URIs, texts (datatypes.html)": (
        ("base64 with other characters", "patient", "photo.0.data", "not base64!"),
        ("base64 cut short", "patient", "photo.0.data", "aGVsbG8"),
        ("URI with a space", "patient", "identifier.0.system", "a b"),
        ("code with a space before it", "patient", "language", " en"),
        ("control character", "appointment", "description", "a\x07"),
    ),
    "reference targets (references.html)": (
        ("subject is a Practitioner", "care_plan", "subject", OTHER),
        ("type of an identified subject", "care_plan", "subject", {"type": "Device"}),
        ("contained target of a wrong type", "care_plan", "subject", {"reference": "#g"}),
        ("contained target that is not there", "care_plan", "subject", {"reference": "#none"}),
        ("search for a wrong type", "care_plan", "subject", {"reference": "Device?status=active"}),
    ),
    "invariants (conformance-rules.html#constraints)": (
        ("per-1 period ends before it starts", "care_plan", "period.end", "2024-04-30"),
        ("cpl-3 activity twice", "care_plan", "activity.0.detail", {"status": "scheduled"}),
        (
            "tim-2 period without unit",
            "care_plan",
            "activity.1.detail.scheduledTiming.repeat.periodUnit",
            ABSENT,
        ),
        ("dom-2 contained in contained", "care_plan", "contained.0.contained", [OWN_CONTAINED]),
        ("dom-3 contained that nothing refers to", "care_plan", "goal", [{"reference": "Goal/1"}]),
        ("dom-4 contained with a version", "care_plan", "contained.0.meta", {"versionId": "1"}),
        ("ext-1 extension without a value", "care_plan", "extension.0.valueString", ABSENT),
        ("app-1 participant without actor", "appointment", "participant.0.actor", ABSENT),
        ("app-2 start without end", "appointment", "end", ABSENT),
        ("app-4 reason but not cancelled", "appointment", "cancelationReason", {"text": "ill"}),
        ("cpt-2 telecom without system", "patient", "telecom.0.system", ABSENT),
        ("att-1 data without contentType", "patient", "photo.0.contentType", ABSENT),
        ("pat-1 contact without a way to reach", "patient", "contact", [{"gender": "male"}]),
        ("qty-3 unit code without system", "observation", "valueQuantity.system", ABSENT),
        ("obs-6 value and why there is none", "observation", "dataAbsentReason", {"text": "a"}),
        ("obs-3 reference range without range", "observation", "referenceRange.0.low", ABSENT),
        ("con-4 abated but active", "condition", "abatementDateTime", "2024"),
        (
            "con-5 entered in error, with status",
            "condition",
            "verificationStatus",
            _concept("condition-ver-status", "entered-in-error"),
        ),
        ("age-1 age without unit", "condition", "onsetAge", {"value": 30}),
        ("ppc-1 consent without policy", "consent", "policyRule", ABSENT),
        ("inv-1 modified before it was made", "task", "lastModified", "2024-04-30T10:00:00Z"),
        ("cmp-1 section without content", "composition", "section", [{"title": "a"}]),
        ("qrs-1 items beside answers", "questionnaire_response", "item.0.item", [{"linkId": "2"}]),
        ("bdl-1 total of a transaction", "bundle", "total", 1),
        ("bdl-3 transaction without request", "bundle", "entry.0.request", ABSENT),
        ("bdl-7 fullUrl twice", "bundle", "entry", [MEMBER, MEMBER]),
    ),
    "narrative (narrative.html)": (
        ("script", "patient", "text", _div("a<script>b()</script>")),
        ("event handler", "patient", "text", _div('<p onclick="b()">a</p>')),
        ("link that runs a script", "patient", "text", _div('<a href="javascript:b()">a</a>')),
        ("iframe", "patient", "text", _div('a<iframe src="http://x.example"></iframe>')),
        ("form", "patient", "text", _div("<form><p>a</p></form>")),
        ("not well-formed", "patient", "text", _div("<p>a")),
        ("without namespace", "patient", "text", _div("a", opening="<div>")),
        ("no word (txt-2)", "patient", "text", _div(" <p> </p>")),
        ("without status", "patient", "text", {"div": _div("a")["div"]}),
    ),
}

# words, base, place, new value. R4 allows all of these.
_ALLOWED: tuple[tuple[str, str, str, Any], ...] = (
    ("nothing changed", "care_plan", "id", "plan-1"),
    ("extension on a primitive", "care_plan", "_status", {"extension": [EXTENSION]}),
    (
        "value of a primitive extension",
        "care_plan",
        "extension.0",
        {"url": "http://x.example/e", "_valueString": {"extension": [EXTENSION]}},
    ),
    ("extension in place of a name", "patient", "name.0", {"_given": [{"extension": [EXTENSION]}]}),
    (
        "null beside a companion",
        "patient",
        "name.0",
        {"given": ["A", None], "_given": [None, {"extension": [EXTENSION]}]},
    ),
    ("year only", "care_plan", "period.start", "2024"),
    ("29 February of a leap year", "patient", "birthDate", "2000-02-29"),
    (
        "leap second, nine digits of a second",
        "appointment",
        "end",
        "2024-05-06T23:59:60.123456789-04:00",
    ),
    ("periods of different precision", "care_plan", "period", {"start": "2024-05", "end": "2024"}),
    (
        "reference to a fullUrl",
        "care_plan",
        "subject",
        {"reference": "urn:uuid:0a0b0c0d-0000-4000-8000-000000000001"},
    ),
    (
        "absolute reference",
        "care_plan",
        "subject",
        {"reference": "https://x.example/fhir/Patient/1"},
    ),
    ("reference to a version", "care_plan", "subject", {"reference": "Group/1/_history/2"}),
    ("reference by search", "care_plan", "subject", {"reference": "Patient?identifier=1"}),
    (
        "reference by identifier",
        "care_plan",
        "subject",
        {"identifier": {"value": "1"}, "type": "Patient"},
    ),
    ("decimal with zeros", "observation", "valueQuantity.value", 1.0),
    ("negative integer", "patient", "multipleBirthInteger", -1),
    ("false", "patient", "active", False),
    ("base64 in lines", "patient", "photo.0.data", "aGVs\nbG8="),
    ("media type with a parameter", "patient", "photo.0.contentType", "text/plain; charset=utf-8"),
    ("text with line breaks", "care_plan", "title", "line\nline"),
    ("id of 64 characters", "care_plan", "id", "x" * 64),
    ("Bundle without entries", "bundle", "entry", ABSENT),
    (
        "narrative with a table",
        "patient",
        "text",
        _div("<table><tbody><tr><td>a</td></tr></tbody></table>"),
    ),
    ("narrative with an HTML entity", "patient", "text", _div("<p>a&nbsp;b</p>")),
    (
        "narrative with an inner picture",
        "patient",
        "text",
        _div('<img alt="a" src="data:image/png;base64,aGVsbG8="/>'),
    ),
)


def verdict_cases() -> Iterator[VerdictCase]:
    """Every kind of mutation, in the order of the table."""
    for group, rows in _BROKEN.items():
        for words, base, place, value in rows:
            yield VerdictCase(group, words, _changed(base, place, value), is_valid=False)
    for words, base, place, value in _ALLOWED:
        yield VerdictCase("allowed", words, _changed(base, place, value), is_valid=True)


def _changed(base: str, place: str, value: Any) -> Resource:
    steps = [int(step) if step.isdigit() else step for step in place.split(".")]
    return changed(base, steps, value)
