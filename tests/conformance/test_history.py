"""history of one resource, of a type, and of all. Source: R4 http.html#history"""

import pytest

from fhirbridge.fhir.validation import check
from tests.conformance.support import BASE, Api, assert_outcome, entry, patient


@pytest.fixture
def stored(api: Api) -> Api:
    """A server where Patient/p has four versions: created, updated, deleted, brought back."""
    api.put("/Patient/p", patient(id="p"))
    api.put("/Patient/p", patient(id="p", active=True))
    api.delete("/Patient/p")
    api.put("/Patient/p", patient(id="p", active=False))
    return api


class TestHistoryInstance:
    def test_newest_first_with_request_and_response(self, stored: Api) -> None:
        bundle = stored.get("/Patient/p/_history").json

        assert bundle["type"] == "history"
        assert bundle["total"] == 4
        assert [e["request"]["method"] for e in bundle["entry"]] == ["PUT", "DELETE", "PUT", "PUT"]
        assert [e["response"]["etag"] for e in bundle["entry"]] == [
            f'W/"{n}"' for n in (4, 3, 2, 1)
        ]
        assert {e["fullUrl"] for e in bundle["entry"]} == {f"{BASE}/Patient/p"}
        assert all(e["response"]["lastModified"] for e in bundle["entry"])

    def test_deletion_has_no_resource(self, stored: Api) -> None:
        deletion = stored.get("/Patient/p/_history").json["entry"][1]

        assert "resource" not in deletion
        assert deletion["request"] == {"method": "DELETE", "url": "Patient/p"}

    def test_create_is_a_post_to_the_type(self, api: Api) -> None:
        reference = api.created(patient())

        first = api.get(f"/{reference}/_history").json["entry"][0]

        assert first["request"] == {"method": "POST", "url": "Patient"}
        assert first["response"]["status"] == "201"

    def test_parts_of_versions(self, stored: Api) -> None:
        shown = stored.get("/Patient/p/_history?_elements=active&_count=2").json

        tags = [e["resource"]["meta"]["tag"] for e in shown["entry"] if "resource" in e]
        assert tags
        assert all(tag[-1]["code"] == "SUBSETTED" for tag in tags)
        assert "_elements=active" in shown["link"][0]["url"]

    def test_unknown_resource_is_not_found(self, api: Api) -> None:
        assert_outcome(api.get("/Patient/p/_history"), 404, "not-found")

    def test_pages_stay_stable_while_versions_are_added(self, stored: Api) -> None:
        first = stored.get("/Patient/p/_history?_count=2").json
        stored.put("/Patient/p", patient(id="p", active=True))

        following = next(link["url"] for link in first["link"] if link["relation"] == "next")
        second = stored.get(following.removeprefix(BASE)).json

        tags = [e["response"]["etag"] for e in first["entry"] + second["entry"]]
        assert tags == [f'W/"{n}"' for n in (4, 3, 2, 1)]
        assert not [link for link in second["link"] if link["relation"] == "next"]

    def test_since_leaves_out_what_is_older(self, stored: Api) -> None:
        assert stored.get("/Patient/p/_history?_since=2999-01-01").json["total"] == 0
        assert stored.get("/Patient/p/_history?_since=2000-01-01T00:00:00Z").json["total"] == 4

    def test_at_shows_what_was_current_then(self, stored: Api) -> None:
        assert stored.get("/Patient/p/_history?_at=2000-01-01").json["total"] == 0
        assert stored.get("/Patient/p/_history?_at=2999").json["total"] == 1

    @pytest.mark.parametrize("query", ["_count=x", "_count=-1", "_since=soon", "_at=x", "colour=1"])
    def test_bad_parameter_is_refused(self, stored: Api, query: str) -> None:
        assert stored.get(f"/Patient/p/_history?{query}").status_code == 400

    def test_count_zero_shows_the_total_only(self, stored: Api) -> None:
        bundle = stored.get("/Patient/p/_history?_count=0").json

        assert bundle["total"] == 4
        assert "entry" not in bundle

    def test_nothing_new_is_not_modified(self, stored: Api) -> None:
        tag = stored.get("/Patient/p/_history").headers["ETag"]

        assert stored.get("/Patient/p/_history", if_none_match=tag).status_code == 304
        assert stored.get("/Patient/p/_history", if_modified_since=FUTURE).status_code == 304
        assert stored.get("/Patient/p/_history", if_modified_since=PAST).status_code == 200
        stored.delete("/Patient/p")
        assert stored.get("/Patient/p/_history", if_none_match=tag).status_code == 200


FUTURE = "Mon, 01 Jan 2990 00:00:00 GMT"
PAST = "Mon, 01 Jan 1990 00:00:00 GMT"


@pytest.mark.parametrize("path", ["/Patient/_history", "/_history"])
class TestHistoryOfMany:
    def test_newest_first_over_all_resources(self, stored: Api, path: str) -> None:
        stored.put("/Patient/q", patient(id="q"))

        bundle = stored.get(path).json

        assert bundle["type"] == "history"
        assert bundle["total"] == 5
        assert [e["request"]["url"] for e in bundle["entry"]] == ["Patient/q"] + 4 * ["Patient/p"]
        assert [e["response"]["etag"] for e in bundle["entry"]][:2] == ['W/"1"', 'W/"4"']
        assert check(bundle) == []

    def test_pages_stay_stable_while_versions_are_added(self, stored: Api, path: str) -> None:
        tags, following = [], f"{path}?_count=1"
        for turn in range(9):
            bundle = stored.get(following).json
            tags += [e["response"]["etag"] for e in bundle["entry"]]
            links = {link["relation"]: link["url"] for link in bundle["link"]}
            stored.put("/Patient/q", patient(id="q", active=turn % 2 == 0))
            if "next" not in links:
                break
            following = links["next"].removeprefix(BASE)

        assert tags == [f'W/"{n}"' for n in (4, 3, 2, 1)]

    def test_empty_history_is_no_error(self, api: Api, path: str) -> None:
        answer = api.get(path)

        assert answer.status_code == 200
        assert answer.json["total"] == 0

    def test_since_and_at(self, stored: Api, path: str) -> None:
        assert stored.get(f"{path}?_since=2999-01-01").json["total"] == 0
        assert stored.get(f"{path}?_since=2000-01-01T00:00:00Z").json["total"] == 4
        assert stored.get(f"{path}?_at=2999").json["total"] == 1

    def test_head_is_get_without_a_body(self, stored: Api, path: str) -> None:
        answer = stored("HEAD", path)

        assert answer.status_code == 200
        assert answer.data == b""
        assert answer.headers["ETag"] == stored.get(path).headers["ETag"]

    def test_nothing_new_is_not_modified(self, stored: Api, path: str) -> None:
        tag = stored.get(path).headers["ETag"]

        assert stored.get(path, if_none_match=tag).status_code == 304
        assert stored.get(path, if_modified_since=FUTURE).status_code == 304
        stored.put("/Patient/q", patient(id="q"))
        assert stored.get(path, if_none_match=tag).status_code == 200
        assert stored.get(path, if_modified_since=PAST).status_code == 200

    def test_inside_a_batch(self, stored: Api, path: str) -> None:
        answer = stored.batch(entry("GET", path.removeprefix("/"))).json["entry"][0]

        assert answer["resource"]["type"] == "history"
        assert answer["resource"]["total"] == 4

    @pytest.mark.parametrize("query", ["_count=x", "_since=soon", "_at=x", "colour=1"])
    def test_bad_parameter_is_refused(self, stored: Api, path: str, query: str) -> None:
        assert stored.get(f"{path}?{query}").status_code == 400


def test_history_of_a_type_leaves_out_other_types(stored: Api) -> None:
    stored.post("/Organization", {"resourceType": "Organization", "name": "X"})

    assert stored.get("/Organization/_history").json["total"] == 1
    assert stored.get("/Patient/_history").json["total"] == 4
    assert stored.get("/_history").json["total"] == 5


def test_long_history_leaves_the_total_out(stored: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhirbridge.storage.history.MAX_COUNTED", 3)

    assert "total" not in stored.get("/_history").json
