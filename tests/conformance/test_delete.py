"""delete, conditional delete. Source: R4 http.html#delete, http.html#cdelete"""

from tests.conformance.support import Api, assert_outcome, entry, goal, identified, patient


class TestDelete:
    def test_delete_has_no_content(self, api: Api) -> None:
        reference = api.created(identified("1"))

        answer = api.delete(f"/{reference}")

        assert answer.status_code == 204
        assert answer.data == b""
        assert answer.headers["ETag"] == 'W/"2"'
        assert api.total("/Patient?identifier=urn:mrn|1") == 0

    def test_repeated_delete_succeeds_without_a_version(self, api: Api) -> None:
        reference = api.created(patient())
        api.delete(f"/{reference}")

        assert api.delete(f"/{reference}").status_code == 204
        assert api.get(f"/{reference}/_history").json["total"] == 2

    def test_delete_of_nothing_succeeds(self, api: Api) -> None:
        assert api.delete("/Patient/none").status_code == 204

    def test_body_on_request_is_an_outcome(self, api: Api) -> None:
        answer = api.delete("/Patient/none", prefer="return=OperationOutcome")

        assert_outcome(answer, 200, "informational")

    def test_if_match_protects(self, api: Api) -> None:
        api.put("/Patient/p", patient(id="p"))
        api.put("/Patient/p", patient(id="p", active=True))

        assert_outcome(api.delete("/Patient/p", if_match='W/"1"'), 412, "conflict")
        assert_outcome(api.delete("/Patient/p", if_match="1"), 400, "invalid")
        assert api.delete("/Patient/p", if_match='W/"2"').status_code == 204


class TestReferrers:
    def test_referred_resource_stays_and_the_referrer_is_named(self, api: Api) -> None:
        reference = api.created(patient())
        referrer = api.created(goal(reference))

        issues = assert_outcome(api.delete(f"/{reference}"), 409, "conflict")

        assert referrer in issues[0]["diagnostics"]
        assert api.get(f"/{reference}").status_code == 200

    def test_once_the_referrer_is_gone_it_can_go(self, api: Api) -> None:
        reference = api.created(patient())
        api.delete("/" + api.created(goal(reference)))

        assert api.delete(f"/{reference}").status_code == 204

    def test_reference_to_itself_does_not_hold(self, api: Api) -> None:
        link = [{"other": {"reference": "Patient/p"}, "type": "seealso"}]
        api.put("/Patient/p", patient(id="p", link=link))

        assert api.delete("/Patient/p").status_code == 204

    def test_records_of_events_do_not_hold(self, api: Api) -> None:
        reference = api.created(patient())
        api.created(
            {
                "resourceType": "Provenance",
                "target": [{"reference": reference}],
                "recorded": "2024-05-01T10:00:00Z",
                "agent": [{"who": {"display": "fhirbridge"}}],
            }
        )

        assert api.delete(f"/{reference}").status_code == 204

    def test_transaction_may_delete_all_together(self, api: Api) -> None:
        reference = api.created(patient())
        referrer = api.created(goal(reference))

        answer = api.transaction(entry("DELETE", reference), entry("DELETE", referrer))

        assert answer.status_code == 200
        assert api.get(f"/{reference}").status_code == 410


class TestConditionalDelete:
    ADDRESS = "/Patient?identifier=urn:mrn|1"

    def test_one_match_is_deleted(self, api: Api) -> None:
        reference = api.created(identified("1"))

        assert api.delete(self.ADDRESS).status_code == 204
        assert api.get(f"/{reference}").status_code == 410

    def test_no_match_is_success(self, api: Api) -> None:
        assert api.delete(self.ADDRESS).status_code == 204

    def test_several_matches_are_refused(self, api: Api) -> None:
        api.created(identified("1"))
        api.created(identified("1"))

        assert_outcome(api.delete(self.ADDRESS), 412, "multiple-matches")
        assert api.total("/Patient") == 2

    def test_criteria_are_required(self, api: Api) -> None:
        api.created(identified("1"))

        assert_outcome(api.delete("/Patient"), 400, "invalid")
        assert api.total("/Patient") == 1
