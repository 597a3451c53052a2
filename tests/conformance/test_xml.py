"""The API in XML. Source: R4 http.html#mime-type, xml.html"""

import pytest

from fhirbridge.fhir import wire, xml
from tests.conformance.support import Api, assert_outcome, patient

FHIR_XML = "application/fhir+xml"
HEAD = '<Observation xmlns="http://hl7.org/fhir">'
OBSERVATION = (
    f'{HEAD}<!-- a comment --><text><status value="generated"/>'
    '<div xmlns="http://www.w3.org/1999/xhtml"><p>5 &lt; 6 <!-- kept --></p></div></text>'
    '<status value="final"/><code><text value="x&#10;y"/></code>'
    '<effectiveDateTime value="2026-01"><extension url="urn:x"><valueCode value="a"/></extension>'
    '</effectiveDateTime><valueQuantity><value value="70.10"/></valueQuantity></Observation>'
)
EXPECTED = {
    "text": {
        "status": "generated",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>5 &lt; 6 <!-- kept --></p></div>',
    },
    "status": "final",
    "code": {"text": "x\ny"},
    "effectiveDateTime": "2026-01",
    "_effectiveDateTime": {"extension": [{"url": "urn:x", "valueCode": "a"}]},
    "valueQuantity": {"value": 70.10},
}


class TestXml:
    def test_there_and_back(self, api: Api) -> None:
        created = api.post("/Observation", OBSERVATION, content_type=FHIR_XML)
        assert created.status_code == 201, created.get_data(as_text=True)
        reference = f"/Observation/{created.json['id']}"

        read = api.get(reference)
        as_xml = api.get(reference, accept=FHIR_XML)

        assert b'"value":70.10' in read.data
        assert {k: v for k, v in read.json.items() if k in EXPECTED} == EXPECTED
        assert as_xml.headers["Content-Type"] == FHIR_XML
        assert wire.canonical(xml.parse(as_xml.data)) == wire.canonical(wire.parse(read.data))

    @pytest.mark.parametrize(
        ("accept", "answered"),
        [
            (FHIR_XML, FHIR_XML),
            ("application/xml", "application/xml"),
            ("text/xml", FHIR_XML),
            (f"{FHIR_XML}; fhirVersion=4.0", FHIR_XML),
            (f"{FHIR_XML};q=0.5, application/fhir+json", "application/fhir+json"),
            ("text/html, */*", "application/fhir+json"),
        ],
    )
    def test_accept(self, api: Api, accept: str, answered: str) -> None:
        answer = api.get("/Patient", accept=accept)

        assert answer.headers["Content-Type"] == answered
        assert "Accept" in answer.headers["Vary"]

    @pytest.mark.parametrize("form", ["xml", FHIR_XML, "text/xml", "application/fhir%2Bxml"])
    def test_format_parameter_wins(self, api: Api, form: str) -> None:
        answer = api.get(f"/Patient?_format={form}&_pretty=true", accept="application/json")

        assert xml.parse(answer.data)["resourceType"] == "Bundle"
        assert answer.data.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<Bundle xmlns')

    def test_whole_statement(self, api: Api) -> None:
        statement = xml.parse(api.get("/metadata", accept=FHIR_XML).data)

        assert wire.canonical(statement) == wire.canonical(wire.parse(api.get("/metadata").data))

    def test_errors_are_outcomes_in_xml(self, api: Api) -> None:
        for answer in (
            api.get("/Patient/none", accept=FHIR_XML),
            api.get("/nothing?_format=xml"),
            api.post("/Patient", "<Patient", content_type=FHIR_XML, accept=FHIR_XML),
        ):
            assert answer.status_code in (400, 404)
            assert answer.headers["Content-Type"] == FHIR_XML
            assert xml.parse(answer.data)["resourceType"] == "OperationOutcome"

    def test_transaction_and_patch(self, api: Api) -> None:
        resource = patient(id="p")
        entry = {"resource": resource, "request": {"method": "PUT", "url": "Patient/p"}}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        parts = [
            {"name": "type", "valueCode": "add"},
            {"name": "path", "valueString": "Patient"},
            {"name": "name", "valueString": "active"},
            {"name": "value", "valueBoolean": True},
        ]
        change = {
            "resourceType": "Parameters",
            "parameter": [{"name": "operation", "part": parts}],
        }

        posted = api.post("", xml.dump(bundle), content_type=FHIR_XML, accept=FHIR_XML)
        patched = api("PATCH", "/Patient/p", xml.dump(change), content_type=FHIR_XML)

        assert xml.parse(posted.data)["type"] == "transaction-response"
        assert patched.json["active"] is True

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "{}",
            "<Observation/>",
            '<Nothing xmlns="http://hl7.org/fhir"/>',
            f"{HEAD}text</Observation>",
            f"{HEAD}<colour value='1'/></Observation>",
            f"{HEAD}<status value='final' colour='1'/></Observation>",
            f"{HEAD}<status/></Observation>",
            f"{HEAD}<status value='final'/><status value='final'/></Observation>",
            f"{HEAD}<code id='a' url='b'><text value='x'/></code></Observation>",
            f"{HEAD}<contained/></Observation>",
            f"<!DOCTYPE Observation>{HEAD}</Observation>",
            f"<!DOCTYPE x [<!ENTITY a 'b'>]>{HEAD}<status value='&a;'/></Observation>",
            f"{HEAD}<status value='&nbsp;'/></Observation>",
            f"{HEAD}{'<contained><List>' * 60}{'</List></contained>' * 60}</Observation>",
        ],
    )
    def test_what_is_no_fhir_xml_is_refused(self, api: Api, body: str) -> None:
        answer = api.post("/Observation", body, content_type=FHIR_XML)

        assert answer.status_code == 400, answer.get_data(as_text=True)
        assert answer.json["issue"][0]["code"] in ("structure", "required")

    def test_latin_is_refused(self, api: Api) -> None:
        body = OBSERVATION.replace("5 ", "\xe9").encode("latin-1")

        assert_outcome(api.post("/Observation", body, content_type=FHIR_XML), 400, "structure")
