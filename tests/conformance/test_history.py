"""history of one resource. Source: R4 http.html#history"""

import pytest

from tests.conformance.support import BASE, Api, assert_outcome, patient


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
