"""Bad input of every kind gets a clear answer and changes nothing."""

from collections.abc import Iterator

import pytest

from tests.conformance.support import Api, assert_outcome, entry, patient


@pytest.fixture
def untouched(api: Api) -> Iterator[Api]:
    """A server that must hold exactly what it held before."""
    api.put("/Patient/p", patient(id="p"))
    yield api
    assert api.total("/Patient") == 1
    assert api.get("/Patient/p/_history").json["total"] == 1


BODIES = {
    "empty": (b"", 400),
    "blank": (b"  \n", 400),
    "not json": (b"{not json", 400),
    "text": (b"hello", 400),
    "xml": (b"<Patient/>", 400),
    "list": (b"[]", 400),
    "string": (b'"Patient"', 400),
    "null": (b"null", 400),
    "number": (b"1", 400),
    "half": (b'{"resourceType":"Patient"', 400),
    "two values": (b'{"resourceType":"Patient"}{}', 400),
    "trailing comma": (b'{"resourceType":"Patient",}', 400),
    "nan": (b'{"resourceType":"Patient","multipleBirthInteger":NaN}', 400),
    "infinity": (b'{"resourceType":"Patient","multipleBirthInteger":-Infinity}', 400),
    "huge exponent": (b'{"resourceType":"Patient","multipleBirthInteger":1e999999999}', 400),
    "duplicate key": (b'{"resourceType":"Patient","active":true,"active":false}', 400),
    "not utf-8": (b'{"resourceType":"Patient","language":"\xff"}', 400),
    "lone surrogate": (b'{"resourceType":"Patient","language":"\\ud800"}', 400),
    "nul": (b'{"resourceType":"Patient","language":"\\u0000"}', 400),
    "deep list": (b'{"resourceType":"Patient","x":' + b"[" * 90_000 + b"]" * 90_000 + b"}", 400),
    "open brackets": (b"[" * 100_000, 400),
    "deep object": (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, 400),
    "too large": (b'{"resourceType":"Patient","language":"' + b"a" * 200_000 + b'"}', 413),
    "wrong types": (b'{"resourceType":"Patient","name":"x","active":"true","gender":5}', 400),
    "null element": (b'{"resourceType":"Patient","active":null}', 400),
    "empty list": (b'{"resourceType":"Patient","name":[]}', 400),
    "empty object": (b'{"resourceType":"Patient","maritalStatus":{}}', 400),
    "unknown element": (b'{"resourceType":"Patient","colour":"red"}', 400),
    "unknown type": (b'{"resourceType":"Person2"}', 400),
    "type no text": (b'{"resourceType":["Patient"]}', 400),
    "impossible date": (b'{"resourceType":"Patient","birthDate":"1970-02-30"}', 400),
    "meta no object": (b'{"resourceType":"Patient","meta":"x"}', 400),
    "meta list": (b'{"resourceType":"Patient","meta":[1]}', 400),
    "id no text": (b'{"resourceType":"Patient","id":7}', 400),
    "contained no list": (b'{"resourceType":"Patient","contained":{"resourceType":"Goal"}}', 400),
    "reference no text": (
        b'{"resourceType":"Patient","managingOrganization":{"reference":{"a":1}}}',
        400,
    ),
}


def issue_code(method: str) -> str:
    return "value" if method == "PUT" else "not-found"


class TestBodies:
    @pytest.mark.parametrize(("body", "status"), BODIES.values(), ids=BODIES.keys())
    @pytest.mark.parametrize(
        ("method", "path"),
        [("POST", "/Patient"), ("PUT", "/Patient/p"), ("PUT", "/Patient?_id=p"), ("POST", "")],
        ids=["create", "update", "conditional update", "bundle"],
    )
    def test_bad_body_is_refused(
        self, untouched: Api, method: str, path: str, body: bytes, status: int
    ) -> None:
        answer = untouched(method, path, body)

        assert answer.status_code == status, answer.get_data(as_text=True)
        assert answer.get_json(force=True)["resourceType"] == "OperationOutcome"

    @pytest.mark.parametrize(
        "entries",
        [
            {"a": 1},
            "x",
            [1],
            [None],
            [[]],
            [{}],
            [{"request": "GET"}],
            [{"request": {"method": 1, "url": 2}}],
            [{"request": {"method": "POST", "url": "Patient"}, "resource": []}],
            [{"request": {"method": "POST", "url": "Patient"}, "resource": {"meta": 3}}],
            [{"request": {"method": "GET", "url": "Patient/%ff"}}],
            [{"request": {"method": "GET", "url": "Patient?a=%ff"}}],
            [{"request": {"method": "POST", "url": "Patient", "ifNoneExist": 5}}],
            [{"fullUrl": 7, "request": {"method": "POST", "url": "Patient"}}],
        ],
        ids=repr,
    )
    def test_bad_transaction_is_refused(self, untouched: Api, entries: object) -> None:
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}

        answer = untouched.post("", bundle)

        assert 400 <= answer.status_code < 500, answer.get_data(as_text=True)

    def test_large_body_is_refused_by_its_length(self, untouched: Api) -> None:
        answer = untouched("POST", "/Patient", b"x" * 50_000_000)

        assert_outcome(answer, 413, "too-long")

    @pytest.mark.parametrize("header", ["if_match", "if_none_match"])
    def test_odd_tags_are_refused(self, untouched: Api, header: str) -> None:
        answer = untouched.put("/Patient/p", patient(id="p"), **{header: '"' + "x" * 5000})

        assert answer.status_code in (200, 400)

    def test_request_line_may_hold_anything(self, untouched: Api) -> None:
        for path in ("/Patient/%00", "/Patient/..", "/Patient/%2e%2e%2f", "/Pat%C3%AFent", "/%ff"):
            answer = untouched.get(path)

            assert answer.status_code in (400, 404)
            assert answer.get_json(force=True)["resourceType"] == "OperationOutcome"

    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
    def test_id_that_is_none_is_told_without_repeating_it(
        self, untouched: Api, method: str
    ) -> None:
        for resource_id in ("a%00b", "a%20b", "x" * 65, "a_b"):
            answer = untouched(method, f"/Patient/{resource_id}", patient(id="p"))

            issues = assert_outcome(answer, 400 if method == "PUT" else 404, issue_code(method))
            assert "1 to 64" in issues[0]["diagnostics"]

    @pytest.mark.parametrize("query", ["_id=%00", "name=a%00", "%00=a", "%2500=a"])
    def test_no_text_of_a_query_holds_nul(self, untouched: Api, query: str) -> None:
        answer = untouched.get(f"/Patient?{query}")

        assert answer.status_code == 400
        assert "\\u0000" not in answer.get_data(as_text=True)

    def test_many_parameters_are_refused(self, untouched: Api) -> None:
        answer = untouched.get("/Patient?" + "&".join(["_id=p"] * 501))

        assert_outcome(answer, 400, "invalid")

    def test_bundle_inside_a_transaction_entry_is_stored_as_a_document(
        self, untouched: Api
    ) -> None:
        inner = {"resourceType": "Bundle", "type": "collection"}

        assert untouched.transaction(entry("POST", "Bundle", inner)).status_code == 200
