"""/metadata, made from the table of dispatch. Source: R4 http.html#capabilities"""

import pytest

from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.validation import check
from tests.conformance.support import BASE, Api, patient

# code -> a request of it; anything below 500 that is not 405 counts as offered
REQUESTS = {
    "read": ("GET", "/Patient/p"),
    "vread": ("GET", "/Patient/p/_history/1"),
    "create": ("POST", "/Patient"),
    "update": ("PUT", "/Patient/p"),
    "delete": ("DELETE", "/Patient/none"),
    "history-instance": ("GET", "/Patient/p/_history"),
    "search-type": ("GET", "/Patient"),
    "patch": ("PATCH", "/Patient/p"),
    "history-type": ("GET", "/Patient/_history"),
}


class TestCapabilities:
    def test_statement_is_valid_r4(self, api: Api) -> None:
        statement = api.get("/metadata").json

        assert check(statement) == []
        assert statement["fhirVersion"] == "4.0.1"
        assert statement["implementation"]["url"] == BASE

    def test_every_type_of_r4_is_there(self, api: Api) -> None:
        resources = api.get("/metadata").json["rest"][0]["resource"]

        assert {each["type"] for each in resources} == definitions().resource_types

    @pytest.mark.parametrize("code", list(REQUESTS))
    def test_claimed_interactions_work_and_others_are_refused(self, api: Api, code: str) -> None:
        api.put("/Patient/p", patient(id="p"))
        resources = {
            each["type"]: each for each in api.get("/metadata").json["rest"][0]["resource"]
        }
        claimed = {each["code"] for each in resources["Patient"]["interaction"]}
        method, path = REQUESTS[code]

        body = patient(id="p") if method in ("POST", "PUT") else None
        body = {"resourceType": "Parameters"} if method == "PATCH" else body
        answer = api(method, path, body)

        assert (answer.status_code < 400) == (code in claimed)
        if code not in claimed:
            assert answer.status_code in (404, 405)

    def test_batch_and_transaction_are_claimed(self, api: Api) -> None:
        rest = api.get("/metadata").json["rest"][0]

        assert [each["code"] for each in rest["interaction"]] == [
            "transaction",
            "batch",
            "history-system",
            "search-system",
        ]
        assert api.get("/_history").status_code == 200
        assert api.get("").status_code == 200

    def test_compartments_are_claimed(self, api: Api) -> None:
        claimed = api.get("/metadata").json["rest"][0]["compartment"]

        assert len(claimed) == 5
        for url in claimed:
            name = {each.lower(): each for each in definitions().resource_types}[
                url.rpartition("/")[2]
            ]
            assert api.get(f"/{name}/x/*").status_code == 200

    def test_every_search_parameter_is_understood(self, api: Api) -> None:
        values = {
            "token": "a",
            "string": "a",
            "date": "2024",
            "reference": "Patient/p",
            "number": "1",
            "quantity": "1",
            "uri": "urn:a",
        }
        resources = api.get("/metadata").json["rest"][0]["resource"]
        for resource in resources:
            for parameter in resource["searchParam"]:
                value = values.get(parameter["type"])
                if value is None:
                    continue

                answer = api.get(f"/{resource['type']}?{parameter['name']}={value}")

                where = f"{resource['type']}.{parameter['name']}"
                assert answer.status_code == 200, f"{where}: {answer.get_data(as_text=True)}"

    def test_every_include_is_understood(self, api: Api) -> None:
        for resource in api.get("/metadata").json["rest"][0]["resource"]:
            for name in ("searchInclude", "searchRevInclude"):
                asked = [f"_{name[6:].lower()}={value}" for value in resource.get(name, [])]
                if not asked:
                    continue

                answer = api.get(f"/{resource['type']}?" + "&".join(asked[:400]))

                assert answer.status_code == 200, answer.get_data(as_text=True)
