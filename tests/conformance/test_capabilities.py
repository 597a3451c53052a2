"""/metadata, made from the table of dispatch. Source: R4 http.html#capabilities"""

from urllib.parse import quote

import pytest

from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.search_parameters import search_parameters
from fhirbridge.fhir.validation import check
from fhirbridge.interactions.capabilities import statement
from fhirbridge.interactions.supported import OPERATIONS
from tests.conformance.support import BASE, Api, assert_outcome, identified, patient

NOTHING = "This server has nothing at this address."

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


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is claimed and routed is the same on every database."""
    return sqlite_url


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

    def test_what_a_type_claims_is_routed_and_nothing_else(self, api: Api) -> None:
        """405 tells what a server does not do; everything else is about the request."""
        for resource in api.get("/metadata").json["rest"][0]["resource"][::5]:
            claimed = {each["code"] for each in resource["interaction"]}
            for code, (method, path) in REQUESTS.items():
                address = path.replace("Patient", resource["type"]).replace("/p", "/none")

                answer = api(method, address, content_type="application/fhir+json")

                assert (answer.status_code != 405) == (code in claimed), (method, address)

    def test_conditional_forms_are_those_claimed(self, api: Api) -> None:
        api.put("/Patient/p", identified("1", id="p"))
        api.put("/Patient/q", identified("2", id="q"))
        claims = {each["type"]: each for each in api.get("/metadata").json["rest"][0]["resource"]}[
            "Patient"
        ]
        one, both = "identifier=urn:mrn|1", "identifier=urn:mrn|1,urn:mrn|2"

        assert claims["conditionalCreate"] and claims["conditionalUpdate"]
        assert api.post("/Patient", patient(), if_none_exist=one).status_code == 200
        assert api.put(f"/Patient?{one}", identified("1")).status_code == 200
        assert claims["conditionalRead"] == "full-support"
        since = "Fri, 01 Jan 2100 00:00:00 GMT"
        assert api.get("/Patient/p", if_none_match='W/"1"').status_code == 304
        assert api.get("/Patient/p", if_modified_since=since).status_code == 304
        assert claims["conditionalDelete"] == "single"
        assert api.delete(f"/Patient?{both}").status_code == 412
        assert api.delete(f"/Patient?{one}").status_code == 204
        assert claims["readHistory"] and claims["updateCreate"]
        assert api.get("/Patient/p/_history/1").status_code == 200
        assert api.put("/Patient/new", patient(id="new")).status_code == 201

    def test_with_tokens_nobody_is_told_that_any_id_may_be_chosen(self) -> None:
        told = statement("https://a.example/fhir", date="2026-01-01", enforced=True, secured=True)

        assert {each["updateCreate"] for each in told["rest"][0]["resource"]} == {False}

    def test_formats_are_those_claimed(self, api: Api) -> None:
        statement = api.get("/metadata").json

        for form in statement["format"]:
            answer = api.get(f"/Patient?_format={quote(form)}")
            assert answer.status_code == 200
            assert ("xml" in form) == answer.data.startswith(b"<")
        for media_type in statement["patchFormat"]:
            answer = api("PATCH", "/Patient/none", b"[]", content_type=media_type)
            assert answer.status_code != 415
        for form in ("ttl", "html", "application/fhir+turtle"):
            assert_outcome(api.get(f"/Patient?_format={quote(form)}"), 406, "not-supported")
        assert api("PATCH", "/Patient/none", b"x", content_type="text/turtle").status_code == 415

    def test_operations_are_those_claimed(self, api: Api) -> None:
        """One that is not claimed for a type has no address there."""
        everywhere = {operation.name for operation in OPERATIONS}
        listed = api.get("/metadata").json["rest"][0]["resource"]
        # Those that have more than others, and some that have not.
        for resource in [
            each for n, each in enumerate(listed) if len(each["operation"]) > 1 or n % 30 == 0
        ]:
            claimed = {f"${each['name']}" for each in resource["operation"]}
            for name in sorted(everywhere | {"$nothing"}):
                at_type = api.get(f"/{resource['type']}/{name}")
                at_instance = api.get(f"/{resource['type']}/none/{name}")

                codes = [
                    (answer.status_code, answer.json["issue"][0]["diagnostics"])
                    for answer in (at_type, at_instance)
                ]
                routed = [code for code in codes if code != (404, NOTHING)]
                assert bool(routed) == (name in claimed), (resource["type"], name, codes)

    @pytest.mark.parametrize(
        "query",
        [
            "_text=a", "_content=a", "_filter=a", "_list=a", "_query=a", "near=1|2", "nonsense=a",
            "name:sounds-like=a", "birthdate:exact=2024", "_include=Goal:patient:X",
            "_contained=all",
        ],
    )  # fmt: skip
    def test_search_that_is_not_claimed_is_refused(self, api: Api, query: str) -> None:
        answer = api.get(f"/Patient?{query}")

        assert answer.status_code == 400
        assert check(answer.json) == []
        assert answer.json["resourceType"] == "OperationOutcome"

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
                known = search_parameters(resource["type"])[parameter["name"]]
                parts = [values[each.parameter.type] for each in known.components]
                value = "$".join(parts) if parts else values[parameter["type"]]

                answer = api.get(f"/{resource['type']}?{parameter['name']}={value}")

                where = f"{resource['type']}.{parameter['name']}"
                assert answer.status_code == 200, f"{where}: {answer.get_data(as_text=True)}"

    def test_includes_are_claimed_of_what_can_be_followed(self, api: Api) -> None:
        """Nothing leads from a canonical URL to the resource that has it."""
        resources = {
            each["type"]: each for each in api.get("/metadata").json["rest"][0]["resource"]
        }

        assert "CarePlan:subject" in resources["CarePlan"]["searchInclude"]
        assert "CarePlan:instantiates-canonical" not in resources["CarePlan"]["searchInclude"]
        assert "CarePlan:instantiates-canonical" not in resources["PlanDefinition"].get(
            "searchRevInclude", []
        )

    def test_every_include_is_understood(self, api: Api) -> None:
        for resource in api.get("/metadata").json["rest"][0]["resource"]:
            for name in ("searchInclude", "searchRevInclude"):
                asked = [f"_{name[6:].lower()}={value}" for value in resource.get(name, [])]
                if not asked:
                    continue

                answer = api.get(f"/{resource['type']}?" + "&".join(asked[:400]))

                assert answer.status_code == 200, answer.get_data(as_text=True)
