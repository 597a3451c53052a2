"""Links between the entries of a transaction. Source: R4 bundle.html#references"""

from fhirbridge.interactions.linking import links_between
from fhirbridge.jsontypes import Resource

A = "https://a.example/fhir"
B = "https://b.example/fhir"


def goal(subject: str) -> Resource:
    return {"resourceType": "Goal", "subject": {"reference": subject}}


def test_relative_reference_means_the_entry_with_the_same_base() -> None:
    links = links_between([(f"{A}/Patient/1", "Patient/x"), (f"{B}/Patient/1", "Patient/y")])

    for base, found in ((A, "Patient/x"), (B, "Patient/y")):
        linked = links.apply(goal("Patient/1"), f"{base}/Goal/1")
        assert linked["subject"]["reference"] == found


def test_relative_reference_of_an_entry_without_a_base_stays() -> None:
    links = links_between([(f"{A}/Patient/1", "Patient/x")])

    assert links.apply(goal("Patient/1"), "urn:uuid:1") == goal("Patient/1")


def test_entry_without_full_url_cannot_be_linked_to() -> None:
    assert links_between([("", "Patient/x")]).apply(goal(""), "") == goal("")


def test_stored_bundle_keeps_its_own_references() -> None:
    links = links_between([("urn:uuid:1", "Patient/x")])
    document = {"resourceType": "Bundle", "entry": [{"resource": goal("urn:uuid:1")}]}

    assert links.apply(document, "urn:uuid:2") is document
