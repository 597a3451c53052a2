"""transaction. Source: R4 http.html#transaction, http.html#trules"""

from typing import Any

import pytest

from fhirbridge.jsontypes import Resource
from tests.conformance.support import BASE, Api, assert_outcome, entry, goal, identified, patient

P = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
G = "urn:uuid:88f151c0-a954-468a-88bd-5ae15c08e059"


def both(**request: str) -> tuple[Resource, Resource]:
    """Entries for a Patient and a Goal about them."""
    return (
        entry("POST", "Patient", identified("1"), full_url=P, **request),
        entry("POST", "Goal", goal(P), full_url=G),
    )


def located(answer: Any, index: int) -> str:
    """The relative reference that an entry was answered with."""
    location: str = answer.json["entry"][index]["response"]["location"]
    return location.partition("/_history")[0]


class TestTransaction:
    def test_entries_are_answered_in_the_order_of_the_request(self, api: Api) -> None:
        api.put("/Patient/old", patient(id="old"))

        answer = api.transaction(
            entry("GET", "Patient/new"),
            entry("PUT", "Patient/new", patient(id="new")),
            entry("POST", "Patient", identified("1")),
            entry("DELETE", "Patient/old"),
        )

        assert answer.status_code == 200
        bundle = answer.json
        assert bundle["type"] == "transaction-response"
        assert [e["response"]["status"] for e in bundle["entry"]] == [
            "200 OK",
            "201 Created",
            "201 Created",
            "204 No Content",
        ]
        assert bundle["entry"][0]["resource"]["id"] == "new"

    def test_created_entry_has_location_etag_and_last_modified(self, api: Api) -> None:
        response = api.transaction(*both()).json["entry"][0]["response"]

        assert response["location"].endswith("/_history/1")
        assert response["etag"] == 'W/"1"'
        assert response["lastModified"].endswith("Z")

    def test_all_entries_share_one_moment(self, api: Api) -> None:
        bundle = api.transaction(*both()).json

        assert len({e["response"]["lastModified"] for e in bundle["entry"]}) == 1

    def test_empty_transaction_does_nothing(self, api: Api) -> None:
        answer = api.post("", {"resourceType": "Bundle", "type": "transaction"})

        assert answer.json == {"resourceType": "Bundle", "type": "transaction-response"}

    def test_prefer_representation_shows_the_resources(self, api: Api) -> None:
        bundle = api.transaction(*both(), prefer="return=representation").json

        assert [e["resource"]["resourceType"] for e in bundle["entry"]] == ["Patient", "Goal"]
        assert bundle["entry"][0]["fullUrl"].startswith(f"{BASE}/Patient/")

    def test_search_inside_sees_what_is_written(self, api: Api) -> None:
        bundle = api.transaction(*both(), entry("GET", "Patient?identifier=urn:mrn|1")).json

        assert bundle["entry"][2]["resource"]["total"] == 1

    def test_delete_comes_before_conditional_create(self, api: Api) -> None:
        api.put("/Patient/p", identified("1", id="p"))

        answer = api.transaction(
            entry("POST", "Patient", identified("1"), ifNoneExist="identifier=urn:mrn|1"),
            entry("DELETE", "Patient?identifier=urn:mrn|1"),
        )

        assert answer.json["entry"][0]["response"]["status"] == "201 Created"
        assert api.total("/Patient") == 1


class TestAtomicity:
    @pytest.mark.parametrize(
        ("bad", "status", "code"),
        [
            (entry("POST", "Goal", {"resourceType": "Goal"}), 400, "required"),
            (entry("POST", "Goal", goal("Patient/none")), 422, "not-found"),
            (entry("PUT", "Patient/p", patient(id="q")), 400, "invalid"),
            (entry("PUT", "Patient/p", patient(id="p"), ifMatch='W/"3"'), 412, "conflict"),
            (entry("PUT", "Patient/p", patient(id="p"), ifMatch="3"), 400, "invalid"),
            (entry("GET", "Patient/none"), 404, "not-found"),
            (entry("GET", "Patient?colour=red"), 400, "not-supported"),
            (entry("OPTIONS", "Patient/p", patient(id="p")), 400, "not-supported"),
            (entry("POST", "Nothing", patient()), 400, "not-supported"),
            (entry("POST", "Patient"), 400, "required"),
            (entry("GET", "https://ehr.example/fhir/Patient/1"), 400, "invalid"),
            ({"resource": patient()}, 400, "required"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_one_bad_entry_undoes_all_and_is_named(
        self, api: Api, bad: Resource, status: int, code: str
    ) -> None:
        answer = api.transaction(*both(), bad)

        issues = assert_outcome(answer, status, code)
        assert all("Entry 2" in i["diagnostics"] or "exist" in i["diagnostics"] for i in issues)
        assert any(p.startswith("Bundle.entry[2]") for i in issues for p in i["expression"])
        assert api.total("/Patient") == api.total("/Goal") == 0
        assert_outcome(api.get("/Patient/p/_history"), 404, "not-found")

    def test_faults_of_all_entries_come_at_once(self, api: Api) -> None:
        bad = {"resourceType": "Patient", "gender": "x"}

        answer = api.transaction(entry("POST", "Patient", bad), entry("POST", "Patient", bad))

        issues = assert_outcome(answer, 400, "code-invalid")
        assert {path for issue in issues for path in issue["expression"]} == {
            "Bundle.entry[0].resource.gender",
            "Bundle.entry[1].resource.gender",
        }

    def test_several_matches_of_a_condition_undo_all(self, api: Api) -> None:
        api.created(identified("1"))
        api.created(identified("1"))

        answer = api.transaction(
            entry("POST", "Patient", identified("2")), *both(ifNoneExist="identifier=urn:mrn|1")
        )

        assert_outcome(answer, 412, "multiple-matches", expression="Bundle.entry[1]")
        assert api.total("/Patient") == 2


class TestIdentity:
    @pytest.mark.parametrize(
        "second",
        [
            entry("PUT", "Patient/p", patient(id="p", active=True)),
            entry("DELETE", "Patient/p"),
            entry("PUT", "Patient?identifier=urn:mrn|1", identified("1")),
            entry("POST", "Patient", identified("1"), ifNoneExist="identifier=urn:mrn|1"),
        ],
        ids=["update", "delete", "conditional-update", "conditional-create"],
    )
    def test_two_entries_about_one_resource_are_refused(self, api: Api, second: Resource) -> None:
        api.put("/Patient/p", identified("1", id="p"))

        answer = api.transaction(entry("PUT", "Patient/p", identified("1", id="p")), second)

        assert_outcome(answer, 400, "invalid")
        assert api.get("/Patient/p").json["meta"]["versionId"] == "1"

    def test_two_conditional_creates_of_one_identity_are_refused(self, api: Api) -> None:
        twice = entry("POST", "Patient", identified("1"), ifNoneExist="identifier=urn:mrn|1")

        answer = api.transaction(twice, twice)

        assert answer.status_code == 412
        assert api.total("/Patient") == 0

    def test_one_full_url_names_one_entry(self, api: Api) -> None:
        answer = api.transaction(
            entry("POST", "Patient", patient(), full_url=P),
            entry("POST", "Patient", patient(), full_url=P),
        )

        assert_outcome(answer, 400, "invalid", expression="Bundle.entry[1].fullUrl")


class TestReferences:
    def test_urn_uuid_is_rewritten_everywhere(self, api: Api) -> None:
        note = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{P}">who</a><p>{P}</p></div>'
        made = goal(
            P,
            contained=[goal(P, id="c")],
            extension=[
                {"url": "urn:a", "valueReference": {"reference": P}},
                {"url": "urn:b", "valueUri": P},
                {"url": "urn:c", "valueString": P},
            ],
            identifier=[{"system": "urn:ietf:rfc:3986", "value": P}],
            addresses=[{"reference": "#c"}],
            text={"status": "generated", "div": note},
        )
        made["contained"] = [
            {
                "resourceType": "Condition",
                "id": "c",
                "subject": {"reference": P},
                "code": {"text": "x"},
            }
        ]

        answer = api.transaction(
            entry("POST", "Goal", made, full_url=G),
            entry("POST", "Patient", identified("1"), full_url=P),
        )

        assert answer.status_code == 200, answer.get_data(as_text=True)
        who = located(answer, 1)
        stored = api.get(f"/{located(answer, 0)}").json
        assert stored["subject"]["reference"] == who
        assert stored["contained"][0]["subject"]["reference"] == who
        assert stored["extension"][0]["valueReference"]["reference"] == who
        assert stored["extension"][1]["valueUri"] == who
        assert f'href="{who}"' in stored["text"]["div"]
        # Texts and identifiers that look alike are no links.
        assert stored["extension"][2]["valueString"] == P
        assert stored["identifier"][0]["value"] == P
        assert f"<p>{P}</p>" in stored["text"]["div"]

    def test_full_urls_of_another_server_are_rewritten(self, api: Api) -> None:
        ehr = "https://ehr.example/fhir"

        answer = api.transaction(
            entry("POST", "Patient", patient(id="1"), full_url=f"{ehr}/Patient/1"),
            entry("POST", "Goal", goal("Patient/1"), full_url=f"{ehr}/Goal/2"),
            entry("POST", "Goal", goal(f"{ehr}/Patient/1"), full_url=f"{ehr}/Goal/3"),
        )

        who = located(answer, 0)
        for index in (1, 2):
            assert api.get(f"/{located(answer, index)}").json["subject"]["reference"] == who

    def test_relative_full_url_is_rewritten(self, api: Api) -> None:
        answer = api.transaction(
            entry("POST", "Patient", patient(), full_url="Patient/1"),
            entry("POST", "Goal", goal("Patient/1"), full_url="Goal/1"),
        )

        who = located(answer, 0)
        assert api.get(f"/{located(answer, 1)}").json["subject"]["reference"] == who

    def test_resources_may_refer_to_each_other(self, api: Api) -> None:
        other = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
        link = {"type": "seealso"}

        answer = api.transaction(
            entry(
                "POST",
                "Patient",
                patient(link=[{**link, "other": {"reference": other}}]),
                full_url=P,
            ),
            entry(
                "POST",
                "Patient",
                patient(link=[{**link, "other": {"reference": P}}]),
                full_url=other,
            ),
        )

        first = api.get(f"/{located(answer, 0)}").json
        assert first["link"][0]["other"]["reference"] == located(answer, 1)

    def test_answer_of_a_conditional_create_remaps_references(self, api: Api) -> None:
        reference = api.created(identified("1"))

        answer = api.transaction(*both(ifNoneExist="identifier=urn:mrn|1"))

        assert answer.json["entry"][0]["response"]["status"] == "200 OK"
        assert located(answer, 0) == reference
        assert api.get(f"/{located(answer, 1)}").json["subject"]["reference"] == reference

    def test_sending_a_bundle_again_is_harmless(self, api: Api) -> None:
        entries = (
            entry(
                "POST", "Patient", identified("1"), full_url=P, ifNoneExist="identifier=urn:mrn|1"
            ),
            entry(
                "POST",
                "Goal",
                goal(P, identifier=[{"system": "urn:g", "value": "1"}]),
                full_url=G,
                ifNoneExist="identifier=urn:g|1",
            ),
        )

        first, second = api.transaction(*entries), api.transaction(*entries)

        assert [located(first, i) for i in (0, 1)] == [located(second, i) for i in (0, 1)]
        assert api.total("/Patient") == api.total("/Goal") == 1
        assert api.get(f"/{located(first, 1)}/_history").json["total"] == 1

    def test_urn_that_no_entry_has_is_refused(self, api: Api) -> None:
        answer = api.transaction(entry("POST", "Goal", goal(P), full_url=G))

        assert_outcome(
            answer, 422, "not-found", expression="Bundle.entry[0].resource.subject.reference"
        )


class TestConditionalReferences:
    WHO = "Patient?identifier=urn:mrn|1"

    def test_exactly_one_match_is_taken(self, api: Api) -> None:
        reference = api.created(identified("1"))

        answer = api.transaction(entry("POST", "Goal", goal(self.WHO)))

        assert api.get(f"/{located(answer, 0)}").json["subject"]["reference"] == reference

    def test_match_may_be_in_the_same_transaction(self, api: Api) -> None:
        answer = api.transaction(
            entry("POST", "Goal", goal(self.WHO)), entry("POST", "Patient", identified("1"))
        )

        who = located(answer, 1)
        assert api.get(f"/{located(answer, 0)}").json["subject"]["reference"] == who

    def test_match_may_itself_wait_for_a_match(self, api: Api) -> None:
        found = {"identifier": [{"system": "urn:g", "value": "1"}]}
        task = {
            "resourceType": "Task",
            "status": "requested",
            "intent": "order",
            "focus": {"reference": "Goal?identifier=urn:g|1"},
        }

        answer = api.transaction(
            entry("POST", "Task", task),
            entry("POST", "Goal", goal(self.WHO, **found)),
            entry("POST", "Patient", identified("1")),
        )

        assert api.get(f"/{located(answer, 0)}").json["focus"]["reference"] == located(answer, 1)

    def test_no_match_fails(self, api: Api) -> None:
        answer = api.transaction(
            entry("POST", "Goal", goal(self.WHO)), entry("POST", "Patient", identified("2"))
        )

        assert_outcome(
            answer, 422, "not-found", expression="Bundle.entry[0].resource.subject.reference"
        )
        assert api.total("/Patient") == 0

    def test_several_matches_fail(self, api: Api) -> None:
        api.created(identified("1"))

        answer = api.transaction(
            entry("POST", "Goal", goal(self.WHO)), entry("POST", "Patient", identified("1"))
        )

        assert_outcome(answer, 412, "multiple-matches")
        assert api.total("/Goal") == 0


class TestAddress:
    def test_transaction_belongs_to_the_base(self, api: Api) -> None:
        answer = api.post("/Bundle", {"resourceType": "Bundle", "type": "transaction"})

        issues = assert_outcome(answer, 422, "business-rule", expression="Bundle.type")
        assert "base" in issues[0]["diagnostics"]

    @pytest.mark.parametrize("kind", ["collection", "document", None], ids=str)
    def test_other_bundles_do_not(self, api: Api, kind: str | None) -> None:
        assert_outcome(api.post("", {"resourceType": "Bundle", "type": kind}), 400, "value")

    def test_only_a_bundle_can_be_posted_to_the_base(self, api: Api) -> None:
        assert_outcome(api.post("", patient()), 400, "invalid")
