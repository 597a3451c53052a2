"""gzip, in and out. Source: R4 http.html#general, RFC 9110 section 8.4"""

import gzip
import json

import pytest

from tests.conformance.support import Api, assert_outcome, patient

BODY = json.dumps(patient(name=[{"family": "Long " * 300}])).encode()


class TestAnswers:
    def test_packed_for_who_accepts_it(self, api: Api) -> None:
        answer = api.get("/metadata", accept_encoding="gzip, br")

        assert answer.headers["Content-Encoding"] == "gzip"
        assert "Accept-Encoding" in answer.headers["Vary"]
        assert int(answer.headers["Content-Length"]) == len(answer.data)
        assert gzip.decompress(answer.data) == api.get("/metadata").data

    @pytest.mark.parametrize("accepted", ["identity", "gzip;q=0", "br", ""])
    def test_plain_for_others(self, api: Api, accepted: str) -> None:
        answer = api.get("/metadata", accept_encoding=accepted)

        assert "Content-Encoding" not in answer.headers

    def test_short_answers_stay_plain(self, api: Api) -> None:
        answer = api.get("/Patient/none", accept_encoding="gzip")

        assert "Content-Encoding" not in answer.headers


class TestRequests:
    @pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
    def test_packed_body(self, api: Api, encoding: str) -> None:
        answer = api.post("/Patient", gzip.compress(BODY), content_encoding=encoding)

        assert answer.status_code == 201

    def test_bomb_is_too_large(self, api: Api) -> None:
        bomb = gzip.compress(b" " * 50_000_000)

        answer = api.post("/Patient", bomb, content_encoding="gzip")

        assert_outcome(answer, 413, "too-long")

    @pytest.mark.parametrize(
        "body",
        [BODY, gzip.compress(BODY)[:-9], gzip.compress(BODY) + b"more"],
        ids=["plain", "cut", "more"],
    )
    def test_damaged_body_is_refused(self, api: Api, body: bytes) -> None:
        answer = api.post("/Patient", body, content_encoding="gzip")

        assert_outcome(answer, 400, "structure")

    def test_other_encodings_are_refused(self, api: Api) -> None:
        answer = api.post("/Patient", BODY, content_encoding="br")

        assert_outcome(answer, 415, "not-supported")
