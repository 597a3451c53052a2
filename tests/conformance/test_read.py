"""read, conditional read and vread. Source: R4 http.html#read, http.html#cread, http.html#vread"""

import pytest

from tests.conformance.support import Api, assert_outcome, patient


@pytest.fixture
def stored(api: Api) -> Api:
    """A server where Patient/p has two versions."""
    api.put("/Patient/p", patient(id="p"))
    api.put("/Patient/p", patient(id="p", active=True))
    return api


class TestRead:
    def test_read_has_etag_and_last_modified(self, stored: Api) -> None:
        answer = stored.get("/Patient/p")

        assert answer.status_code == 200
        assert answer.headers["ETag"] == 'W/"2"'
        assert answer.headers["Last-Modified"].endswith("GMT")
        assert answer.json["active"] is True

    def test_unknown_id_is_not_found(self, api: Api) -> None:
        assert_outcome(api.get("/Patient/x"), 404, "not-found")

    def test_other_type_with_the_same_id_is_not_found(self, stored: Api) -> None:
        assert_outcome(stored.get("/Practitioner/p"), 404, "not-found")

    def test_deleted_resource_is_gone(self, stored: Api) -> None:
        stored.delete("/Patient/p")

        assert_outcome(stored.get("/Patient/p"), 410, "deleted")

    def test_head_is_get_without_the_body(self, stored: Api) -> None:
        head, get = stored("HEAD", "/Patient/p"), stored.get("/Patient/p")

        assert head.status_code == 200
        assert head.data == b""
        assert dict(head.headers) == dict(get.headers)

    def test_unknown_parameter_is_refused_unless_lenient(self, stored: Api) -> None:
        assert_outcome(stored.get("/Patient/p?colour=red"), 400, "not-supported")
        assert stored.get("/Patient/p?colour=red", prefer="handling=lenient").status_code == 200


class TestParts:
    """Source: R4 http.html#parameters: `_summary` and `_elements` go with every interaction"""

    @pytest.mark.parametrize("path", ["/Patient/q", "/Patient/q/_history/1"])
    @pytest.mark.parametrize(
        ("query", "kept"),
        [
            ("_summary=true", {"active"}),
            ("_summary=text", {"text"}),
            ("_summary=data", {"active", "photo"}),
            ("_elements=photo", {"photo"}),
            ("_elements=photo,active,nonsense", {"photo", "active"}),
        ],
    )
    def test_part_is_marked_as_one(self, api: Api, path: str, query: str, kept: set[str]) -> None:
        text = {"status": "additional", "div": '<div xmlns="http://www.w3.org/1999/xhtml">a</div>'}
        photo = [{"url": "https://x.example/p.png"}]
        api.put("/Patient/q", patient(id="q", active=True, photo=photo, text=text))

        found = api.get(f"{path}?{query}").json

        assert found.keys() - {"resourceType", "id", "meta"} == kept
        assert found["meta"]["tag"][-1]["code"] == "SUBSETTED"
        assert found["meta"]["versionId"] == "1"

    def test_whole_is_not(self, stored: Api) -> None:
        found = stored.get("/Patient/p?_summary=false").json

        assert found["active"] is True
        assert "tag" not in found["meta"]

    @pytest.mark.parametrize("summary", ["count", "x", ""])
    def test_other_summaries_are_refused(self, stored: Api, summary: str) -> None:
        assert_outcome(stored.get(f"/Patient/p?_summary={summary}"), 400, "invalid")


class TestConditionalRead:
    @pytest.mark.parametrize("tag", ['W/"2"', '"2"', 'W/"1", W/"2"', "2", "*"])
    def test_known_version_is_not_modified(self, stored: Api, tag: str) -> None:
        answer = stored.get("/Patient/p", if_none_match=tag)

        assert answer.status_code == 304
        assert answer.data == b""
        assert answer.headers["ETag"] == 'W/"2"'

    def test_older_version_is_answered_with_the_current(self, stored: Api) -> None:
        assert stored.get("/Patient/p", if_none_match='W/"1"').status_code == 200

    def test_not_modified_since_its_own_date(self, stored: Api) -> None:
        moment = stored.get("/Patient/p").headers["Last-Modified"]

        assert stored.get("/Patient/p", if_modified_since=moment).status_code == 304

    def test_modified_since_long_ago(self, stored: Api) -> None:
        moment = "Sat, 01 Jan 2000 00:00:00 GMT"

        assert stored.get("/Patient/p", if_modified_since=moment).status_code == 200

    def test_unreadable_date_is_ignored(self, stored: Api) -> None:
        assert stored.get("/Patient/p", if_modified_since="soon").status_code == 200


class TestVread:
    def test_each_version_is_as_it_was(self, stored: Api) -> None:
        first = stored.get("/Patient/p/_history/1")

        assert first.status_code == 200
        assert first.headers["ETag"] == 'W/"1"'
        assert "active" not in first.json

    def test_older_version_of_a_deleted_resource_is_there(self, stored: Api) -> None:
        stored.delete("/Patient/p")

        assert stored.get("/Patient/p/_history/2").status_code == 200
        assert_outcome(stored.get("/Patient/p/_history/3"), 410, "deleted")

    @pytest.mark.parametrize("version", ["0", "3", "x", "-1", "01", "99999999999999999999", "²"])
    def test_unknown_version_is_not_found(self, stored: Api, version: str) -> None:
        assert_outcome(stored.get(f"/Patient/p/_history/{version}"), 404, "not-found")
