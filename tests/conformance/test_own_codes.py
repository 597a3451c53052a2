"""Codes in code systems of ours: a closed one takes only its own. Source: R4 codesystem.html"""

from typing import Any

from fhirbridge.config import DEFAULT_BASE
from tests.conformance.support import Api, assert_outcome, entry

SYSTEMS = f"{DEFAULT_BASE}/CodeSystem"


def basic(system: str, code: str) -> Any:
    coding = {"system": f"{SYSTEMS}/{system}", "code": code}
    return {"resourceType": "Basic", "code": {"coding": [coding]}}


class TestOwnCodes:
    def test_code_of_ours_and_any_code_of_an_open_system_pass(self, api: Api) -> None:
        assert api.post("/Basic", basic("sex", "female")).status_code == 201
        assert api.post("/Basic", basic("modality", "something-new")).status_code == 201

    def test_code_that_a_closed_system_lacks_is_refused(self, api: Api) -> None:
        answer = api.post("/Basic", basic("sex", "nonsense"))

        assert_outcome(answer, 422, "business-rule", expression="Basic.code.coding[0].code")

    def test_system_under_our_base_that_is_none_of_ours_is_refused(self, api: Api) -> None:
        answer = api.put("/Basic/b1", {**basic("unheard-of", "x"), "id": "b1"})

        assert_outcome(answer, 422, "business-rule")

    def test_transaction_is_held_to_it_too(self, api: Api) -> None:
        answer = api.transaction(entry("POST", "Basic", basic("sex", "nonsense")))

        assert_outcome(answer, 422, "business-rule")


class TestClaims:
    PLAN = {  # noqa: RUF012
        "resourceType": "CarePlan",
        "meta": {"profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-careplan"]},
        "status": "active",
        "intent": "plan",
    }

    def test_claim_of_others_that_does_not_hold_refuses_nothing(self, api: Api) -> None:
        patient = api.created({"resourceType": "Patient"})

        answer = api.post("/CarePlan", {**self.PLAN, "subject": {"reference": patient}})

        assert answer.status_code == 201

    def test_validate_tells_it_as_a_warning(self, api: Api) -> None:
        plan = {**self.PLAN, "subject": {"reference": "Patient/p"}}

        answer = api.post("/CarePlan/$validate", plan)

        found = {(issue["severity"], issue["code"]) for issue in answer.json["issue"]}
        assert ("warning", "invariant") in found
        assert not {severity for severity, _ in found} & {"error", "fatal"}
