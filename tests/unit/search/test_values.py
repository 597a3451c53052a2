"""What a resource is indexed by."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from fhirbridge.jsontypes import Resource
from fhirbridge.search.parameter_types.date import DateValue, interval
from fhirbridge.search.parameter_types.number import NumberValue
from fhirbridge.search.parameter_types.quantity import QuantityValue
from fhirbridge.search.parameter_types.reference import ReferenceValue
from fhirbridge.search.parameter_types.string import StringValue, normalize
from fhirbridge.search.parameter_types.token import TokenValue
from fhirbridge.search.parameter_types.uri import UriValue, ancestors
from fhirbridge.search.values import Value, extract

BASES = ("https://bridge.example/fhir",)


def values(resource: Resource, parameter: str) -> list[Value]:
    found = extract(resource, timezone=UTC, bases=BASES)
    return [each.value for each in found if each.parameter == parameter]


def millis(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type]


PATIENT: Resource = {
    "resourceType": "Patient",
    "id": "p",
    "meta": {"profile": ["http://a.example/p|1"], "source": "urn:x", "tag": [{"code": "t"}]},
    "active": True,
    "name": [{"family": "Ash", "given": ["Ann", None], "_given": [None, {"id": "x"}]}],
    "telecom": [{"system": "phone", "value": "555", "use": "home"}, {"system": "email"}],
    "address": [{"city": "Troy", "line": ["1 Elm"]}],
    "generalPractitioner": [{"reference": "https://bridge.example/fhir/Practitioner/d"}],
    "birthDate": "1980-05",
}


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("Resource._profile", [UriValue("http://a.example/p|1"), UriValue("http://a.example/p")]),
        ("Resource._source", [UriValue("urn:x")]),
        ("Resource._tag", [TokenValue("", "t")]),
        ("Patient.active", [TokenValue("http://hl7.org/fhir/special-values", "true")]),
        ("Patient.name", [StringValue("ash", "Ash"), StringValue("ann", "Ann")]),
        ("Patient.given", [StringValue("ann", "Ann")]),
        ("Patient.phone", [TokenValue("home", "555")]),
        ("Patient.email", []),
        ("Patient.address", [StringValue("troy", "Troy"), StringValue("1 elm", "1 Elm")]),
        ("Patient.general-practitioner", [ReferenceValue("Practitioner/d", "Practitioner")]),
        ("Patient.birthdate", [DateValue(millis(1980, 5, 1), millis(1980, 6, 1) - 1)]),
        ("Patient.deceased", [TokenValue("http://hl7.org/fhir/special-values", "false")]),
        ("Resource._id", []),
        ("Resource._lastUpdated", []),
    ],
)
def test_patient(parameter: str, expected: list[Value]) -> None:
    assert values(PATIENT, parameter) == expected


OBSERVATION: Resource = {
    "resourceType": "Observation",
    "id": "o",
    "status": "final",
    "code": {"coding": [{"system": "s", "code": "c", "display": "Pulse"}], "text": "Heart rate"},
    "subject": {"reference": "#p", "identifier": {"system": "urn:m", "value": "7"}},
    "focus": [{"reference": "urn:uuid:1"}, {"reference": "https://other.example/r4/Patient/2"}],
    "effectiveTiming": {"event": ["2026-01-01", "2026-03-01"]},
    "valueRange": {"low": {"value": 1, "unit": "mg"}, "high": {"value": 2}},
    "component": [
        {"code": {"coding": [{"code": "a"}]}, "valueQuantity": {"value": 3, "comparator": "<="}},
        {"code": {"text": "no code"}, "valueQuantity": {"value": 4}},
    ],
}


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("Observation.status", [TokenValue("http://hl7.org/fhir/observation-status", "final")]),
        ("Observation.code", [TokenValue("s", "c")]),
        (
            "Observation.code:text",
            [StringValue("heart rate", "Heart rate"), StringValue("pulse", "Pulse")],
        ),
        ("Observation.subject", []),
        ("Observation.subject:identifier", [TokenValue("urn:m", "7")]),
        (
            "Observation.focus",
            [
                ReferenceValue("urn:uuid:1", ""),
                ReferenceValue("https://other.example/r4/Patient/2", ""),
            ],
        ),
        ("Observation.date", [DateValue(millis(2026, 1, 1), millis(2026, 3, 2) - 1)]),
        (
            "Observation.component-value-quantity",
            [QuantityValue("", "", float("-inf"), 3.0), QuantityValue("", "", 4.0, 4.0)],
        ),
        ("Observation.component-code-value-quantity$1", [TokenValue("", "a")]),
        (
            "Observation.component-code-value-quantity$2",
            [QuantityValue("", "", float("-inf"), 3.0)],
        ),
    ],
)
def test_observation(parameter: str, expected: list[Value]) -> None:
    assert values(OBSERVATION, parameter) == expected


def test_numbers_and_money() -> None:
    risk = {"resourceType": "RiskAssessment", "prediction": [{"probabilityDecimal": 0.25}]}
    invoice = {"resourceType": "Invoice", "totalNet": {"value": 10, "currency": "USD"}}

    assert values(risk, "RiskAssessment.probability") == [NumberValue(0.25, 0.25)]
    assert values(invoice, "Invoice.totalnet") == [
        QuantityValue("urn:iso:std:iso:4217", "USD", 10.0, 10.0)
    ]


@pytest.mark.parametrize(
    ("text", "zone", "low", "high"),
    [
        ("2026", UTC, millis(2026, 1, 1), millis(2027, 1, 1) - 1),
        ("2024-02", UTC, millis(2024, 2, 1), millis(2024, 3, 1) - 1),
        ("2026-05-10", ZoneInfo("Pacific/Kiritimati"), millis(2026, 5, 9, 10),
         millis(2026, 5, 10, 10) - 1),
        ("2026-05-10", ZoneInfo("America/Los_Angeles"), millis(2026, 5, 10, 7),
         millis(2026, 5, 11, 7) - 1),
        ("2026-03-08", ZoneInfo("America/New_York"), millis(2026, 3, 8, 5),
         millis(2026, 3, 9, 4) - 1),
        ("2026-05-10T01:02", UTC, millis(2026, 5, 10, 1, 2), millis(2026, 5, 10, 1, 3) - 1),
        ("2026-05-10T01:02:03+02:00", UTC, millis(2026, 5, 9, 23, 2, 3),
         millis(2026, 5, 9, 23, 2, 4) - 1),
        ("2026-05-10T01:02:03.5Z", UTC, millis(2026, 5, 10, 1, 2, 3) + 500,
         millis(2026, 5, 10, 1, 2, 3) + 599),
        ("2026-05-10T01:02:03.123456Z", UTC, millis(2026, 5, 10, 1, 2, 3) + 123,
         millis(2026, 5, 10, 1, 2, 3) + 123),
        ("2016-12-31T23:59:60Z", UTC, millis(2016, 12, 31, 23, 59, 59),
         millis(2017, 1, 1) - 1),
    ],
)  # fmt: skip
def test_interval_covers_the_written_precision(
    text: str, zone: ZoneInfo, low: int, high: int
) -> None:
    assert interval(text, zone) == DateValue(low, high)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("text", ["0001", "9999", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_interval_reaches_the_ends_of_the_calendar(text: str, zone: str) -> None:
    found = interval(text, ZoneInfo(zone))

    assert found.low <= found.high


@pytest.mark.parametrize(
    ("text", "expected"),
    [("  Éva  MÜLLER ", "eva muller"), ("Straße", "strasse"), ("Łódź", "łodz"), ("ﬁn", "fin")],
)
def test_normalize(text: str, expected: str) -> None:
    assert normalize(text) == expected


def test_ancestors_of_a_url() -> None:
    assert ancestors("http://a.example/b/c") == (
        "http://a.example/b/c",
        "http://a.example/b/",
        "http://a.example/b",
        "http://a.example/",
        "http://a.example",
    )


def test_dates_that_cannot_be_read_are_not_indexed() -> None:
    assert values({"resourceType": "Patient", "birthDate": "1980-13"}, "Patient.birthdate") == []
