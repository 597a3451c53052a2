"""Search in all types, and in compartments. Source: R4 search.html#contexts"""

import pytest

from fhirbridge.fhir.validation import check
from tests.conformance.support import BASE, Api, assert_outcome, entry, goal, patient

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def stored(api: Api) -> Api:
    """Two patients, each with a Goal; an Organization."""
    for name in ("p", "q"):
        api.put(f"/Patient/{name}", patient(id=name))
        api.put(f"/Goal/g{name}", goal(f"Patient/{name}", id=f"g{name}"))
    api.put("/Organization/o", {"resourceType": "Organization", "id": "o", "name": "O"})
    return api


def found(bundle: dict) -> set[str]:
    return {e["fullUrl"].removeprefix(f"{BASE}/") for e in bundle.get("entry", ())}


class TestSystem:
    def test_all_types(self, stored: Api) -> None:
        bundle = stored.get("").json

        assert bundle["type"] == "searchset"
        assert bundle["total"] == 5
        assert check(bundle) == []

    def test_chosen_types(self, stored: Api) -> None:
        bundle = stored.get("?_type=Patient,Organization").json

        assert found(bundle) == {"Patient/p", "Patient/q", "Organization/o"}
        assert bundle["link"][0]["url"] == f"{BASE}?_type=Patient,Organization"

    def test_parameters_of_all_resources(self, stored: Api) -> None:
        assert found(stored.get("?_id=p").json) == {"Patient/p"}

    def test_post_equals_get(self, stored: Api) -> None:
        posted = stored.post("/_search", "_type=Goal", content_type=FORM).json

        assert posted == stored.get("?_type=Goal").json

    def test_pages(self, stored: Api) -> None:
        seen: list[str] = []
        following = "?_type=Patient,Goal&_count=1"
        for _ in range(9):
            bundle = stored.get(following).json
            seen += found(bundle)
            links = {link["relation"]: link["url"] for link in bundle["link"]}
            if "next" not in links:
                break
            following = links["next"].removeprefix(BASE)

        assert sorted(seen) == ["Goal/gp", "Goal/gq", "Patient/p", "Patient/q"]

    @pytest.mark.parametrize("query", ["_type=Nothing", "name=x", "_type=Patient,Goal&name=x"])
    def test_what_not_all_types_have_is_refused(self, stored: Api, query: str) -> None:
        assert stored.get(f"?{query}").status_code == 400

    def test_inside_a_batch(self, stored: Api) -> None:
        answer = stored.batch(entry("GET", "?_type=Patient")).json["entry"][0]

        assert answer["resource"]["total"] == 2


class TestCompartment:
    def test_one_type(self, stored: Api) -> None:
        bundle = stored.get("/Patient/p/Goal").json

        assert found(bundle) == {"Goal/gp"}
        assert bundle["link"][0]["url"] == f"{BASE}/Patient/p/Goal"

    def test_all_types_with_the_patient(self, stored: Api) -> None:
        assert found(stored.get("/Patient/p/*").json) == {"Goal/gp", "Patient/p"}
        assert found(stored.get("/Patient/p/*?_type=Goal").json) == {"Goal/gp"}

    def test_conditions(self, stored: Api) -> None:
        path = "/Patient/p/Goal?lifecycle-status="

        assert stored.total(f"{path}active") == 1
        assert stored.total(f"{path}proposed") == 0

    @pytest.mark.parametrize("path", ["/Patient/p/Goal/_search", "/Patient/p/_search"])
    def test_post_equals_get(self, stored: Api, path: str) -> None:
        posted = stored.post(path, "_type=Goal&_id=gp", content_type=FORM)

        expected = 400 if path.endswith("Goal/_search") else 200
        assert posted.status_code == expected
        assert found(stored.post(path, "_id=gp", content_type=FORM).json) == {"Goal/gp"}

    def test_type_outside_of_the_compartment_is_empty(self, stored: Api) -> None:
        assert stored.total("/Patient/p/Organization") == 0

    def test_unknown_patient_is_empty(self, stored: Api) -> None:
        assert stored.total("/Patient/none/*") == 0

    @pytest.mark.parametrize("path", ["/Patient/p/Nothing", "/Organization/o/Goal", "/Goal/gp/*"])
    def test_what_is_no_compartment_is_not_found(self, stored: Api, path: str) -> None:
        assert_outcome(stored.get(path), 404, "not-found")

    def test_inside_a_batch(self, stored: Api) -> None:
        answer = stored.batch(entry("GET", "Patient/p/Goal")).json["entry"][0]

        assert found(answer["resource"]) == {"Goal/gp"}
