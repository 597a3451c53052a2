import pytest

from fhirbridge.fhir import bundles, wire

PATIENT = {"resourceType": "Patient", "id": "1"}


def test_transaction_has_the_requests_of_its_entries() -> None:
    bundle = bundles.transaction(
        [
            bundles.create_entry(PATIENT, full_url="urn:uuid:1", if_none_exist="identifier=a|b"),
            bundles.update_entry(PATIENT, full_url="urn:uuid:2", if_match='W/"1"'),
        ]
    )

    assert bundle["type"] == "transaction"
    assert [entry["request"] for entry in bundle["entry"]] == [
        {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=a|b"},
        {"method": "PUT", "url": "Patient/1", "ifMatch": 'W/"1"'},
    ]


def test_searchset_embeds_stored_bytes_and_leaves_empty_parts_out() -> None:
    stored = b'{"resourceType":"Patient","id":"1"}'
    bundle = bundles.searchset(
        [bundles.search_entry(wire.embed(stored), full_url="https://a.example/Patient/1")],
        links={"self": "https://a.example/Patient?_id=1"},
        total=1,
    )

    assert wire.parse(wire.dump(bundle)) == {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 1,
        "link": [{"relation": "self", "url": "https://a.example/Patient?_id=1"}],
        "entry": [
            {
                "fullUrl": "https://a.example/Patient/1",
                "resource": PATIENT,
                "search": {"mode": "match"},
            }
        ],
    }
    assert bundles.searchset([], links={}, total=0) == {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 0,
    }


def test_history_of_a_deletion_has_no_resource() -> None:
    entry = bundles.history_entry(
        full_url="https://a.example/Patient/1",
        method="DELETE",
        url="Patient/1",
        status="204 No Content",
        etag='W/"2"',
        last_modified="2024-05-01T10:00:00.000Z",
    )

    assert "resource" not in entry
    assert entry["request"] == {"method": "DELETE", "url": "Patient/1"}


def test_entries_of_reads_nonsense_as_missing() -> None:
    bundle = {"resourceType": "Bundle", "entry": [{"fullUrl": 5, "resource": []}, 7, {}]}

    assert [(e.index, e.full_url, e.resource) for e in bundles.entries_of(bundle)] == [
        (0, "", None),
        (1, "", None),
        (2, "", None),
    ]
    assert list(bundles.entries_of({"entry": 5})) == []


@pytest.mark.parametrize(
    ("reference", "from_full_url", "found"),
    [
        ("urn:uuid:1", "", "urn"),
        ("Patient/2", "https://a.example/fhir/CarePlan/1", "absolute"),
        ("Patient/2", "https://b.example/fhir/CarePlan/1", None),
        ("Patient/2", "urn:uuid:9", "2"),
        ("https://a.example/fhir/Patient/2", "", "absolute"),
        ("Patient/3", "", None),
        ("#x", "", None),
    ],
)
def test_resolve_follows_the_rules_of_bundles(
    reference: str, from_full_url: str, found: str | None
) -> None:
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", "id": "urn"}},
            {"fullUrl": "urn:uuid:2", "resource": {"resourceType": "Patient", "id": "2"}},
            {
                "fullUrl": "https://a.example/fhir/Patient/2",
                "resource": {"resourceType": "Patient", "id": "absolute"},
            },
        ],
    }

    resource = bundles.resolve(bundle, reference, from_full_url=from_full_url)

    assert (resource and resource["id"]) == found


def test_resources_of_filters_by_type() -> None:
    bundle = bundles.batch([{"resource": PATIENT}, {"resource": {"resourceType": "Task"}}])

    assert bundles.resources_of(bundle, "Patient") == [PATIENT]
    assert len(bundles.resources_of(bundle)) == 2
