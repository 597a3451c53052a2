import copy

import pytest

from fhirbridge.fhir import references
from fhirbridge.fhir.references import Reference

URN = "urn:uuid:3f0b4d2e-6a5c-4a3f-9d39-0b1a2c3d4e5f"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient/1", Reference("relative", "Patient/1", "", "Patient", "1")),
        (
            "Patient/1/_history/2",
            Reference("relative", "Patient/1/_history/2", "", "Patient", "1", "2"),
        ),
        (
            "https://ehr.example/fhir/r4/Patient/a-b.c",
            Reference(
                "absolute",
                "https://ehr.example/fhir/r4/Patient/a-b.c",
                "https://ehr.example/fhir/r4",
                "Patient",
                "a-b.c",
            ),
        ),
        (URN, Reference("urn", URN)),
        ("urn:oid:1.2.3", Reference("urn", "urn:oid:1.2.3")),
        ("#p1", Reference("fragment", "#p1", fragment="p1")),
        ("#", Reference("fragment", "#")),
        (
            "Patient?identifier=http://a|1",
            Reference(
                "conditional",
                "Patient?identifier=http://a|1",
                resource_type="Patient",
                query="identifier=http://a|1",
            ),
        ),
        ("https://other.example/thing", Reference("absolute", "https://other.example/thing")),
        ("Nonsense/1", Reference("unknown", "Nonsense/1")),
        ("patient/1", Reference("unknown", "patient/1")),
        ("Patient/" + "x" * 65, Reference("unknown", "Patient/" + "x" * 65)),
        ("Patient/1\n", Reference("unknown", "Patient/1\n")),
        ("", Reference("unknown", "")),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_parse_says_what_a_reference_is(text: str, expected: Reference) -> None:
    assert references.parse(text) == expected


def test_parse_element_knows_logical_references() -> None:
    logical = references.parse_element({"type": "Patient", "identifier": {"value": "1"}})

    assert (logical.kind, logical.resource_type) == ("logical", "Patient")
    assert references.parse_element({"display": "somebody"}).kind == "unknown"
    assert references.parse_element({"reference": "Patient/1"}).kind == "relative"


def test_write_is_the_inverse_of_parse() -> None:
    assert references.write("Patient", "1") == "Patient/1"
    assert (
        references.write("Patient", "1", version_id="2", base="https://a.example/fhir/")
        == "https://a.example/fhir/Patient/1/_history/2"
    )


def test_is_local_compares_the_base() -> None:
    def local(text: str) -> bool:
        return references.is_local(references.parse(text), "https://a.example/fhir")

    assert local("Patient/1")
    assert local("https://a.example/fhir/Patient/1")
    assert not local("https://b.example/fhir/Patient/1")
    assert not local("https://a.example/fhir/other")
    assert not local(URN)


CARE_PLAN = {
    "resourceType": "CarePlan",
    "text": {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{URN}">a</a> {URN}</div>',
    },
    "contained": [
        {"resourceType": "Goal", "id": "g", "subject": {"reference": URN}, "note": [{"text": URN}]}
    ],
    "extension": [
        {"url": "http://x.example/e", "valueReference": {"reference": URN}},
        {"url": "http://x.example/n", "extension": [{"url": "u", "valueUri": URN}]},
    ],
    "instantiatesUri": [URN, "http://x.example/other"],
    "status": "active",
    "_status": {"extension": [{"url": "http://x.example/s", "valueReference": {"reference": URN}}]},
    "intent": "plan",
    "title": URN,
    "subject": {"reference": URN, "display": URN},
    "author": {"reference": "Practitioner/1", "identifier": {"assigner": {"reference": URN}}},
    "activity": [
        {"reference": {"reference": "#g"}},
        {"detail": {"status": "scheduled", "performer": [{"reference": f"{URN}#part"}]}},
    ],
}


def test_walk_finds_every_reference() -> None:
    found = {found.path: found for found in references.walk(CARE_PLAN)}

    assert set(found) == {
        "CarePlan.contained[0].subject",
        "CarePlan.extension[0].value.ofType(Reference)",
        "CarePlan.status.extension[0].value.ofType(Reference)",
        "CarePlan.subject",
        "CarePlan.author",
        "CarePlan.author.identifier.assigner",
        "CarePlan.activity[0].reference",
        "CarePlan.activity[1].detail.performer[0]",
    }
    assert set(found["CarePlan.subject"].targets) == {"Patient", "Group"}


def test_walk_enters_bundle_entries_and_survives_nonsense() -> None:
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"resource": {"resourceType": "Task", "for": {"reference": "Patient/1"}}},
            {"resource": {"resourceType": "Nonsense", "for": {"reference": "Patient/1"}}},
            {"resource": 5},
            7,
        ],
    }

    assert [found.path for found in references.walk(bundle)] == ["Bundle.entry[0].resource.for"]
    assert list(references.walk({})) == []
    assert list(references.walk({"resourceType": 3})) == []


def test_rewrite_reaches_references_uris_and_links_only() -> None:
    original = copy.deepcopy(CARE_PLAN)

    rewritten = references.rewrite(CARE_PLAN, {URN: "Patient/9"})

    assert original == CARE_PLAN
    assert rewritten["contained"][0]["subject"] == {"reference": "Patient/9"}
    assert rewritten["extension"][0]["valueReference"] == {"reference": "Patient/9"}
    assert rewritten["extension"][1]["extension"][0]["valueUri"] == "Patient/9"
    assert rewritten["instantiatesUri"] == ["Patient/9", "http://x.example/other"]
    assert rewritten["_status"]["extension"][0]["valueReference"] == {"reference": "Patient/9"}
    assert rewritten["subject"] == {"reference": "Patient/9", "display": URN}
    assert rewritten["author"]["identifier"]["assigner"] == {"reference": "Patient/9"}
    assert rewritten["activity"][1]["detail"]["performer"] == [{"reference": "Patient/9#part"}]
    assert '<a href="Patient/9">a</a> ' + URN in rewritten["text"]["div"]
    assert rewritten["title"] == URN
    assert rewritten["contained"][0]["note"] == [{"text": URN}]


def test_rewrite_without_a_hit_returns_the_same_object() -> None:
    assert references.rewrite(CARE_PLAN, {"urn:uuid:other": "Patient/9"}) is CARE_PLAN


def test_rewrite_of_links_understands_escapes() -> None:
    div = "<div><img src='Patient?a=1&amp;b=2'/></div>"
    patient = {"resourceType": "Patient", "text": {"status": "generated", "div": div}}

    rewritten = references.rewrite(patient, {"Patient?a=1&b=2": "Patient/<1>"})

    assert rewritten["text"]["div"] == "<div><img src='Patient/&lt;1&gt;'/></div>"
