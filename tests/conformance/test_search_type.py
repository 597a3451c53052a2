"""The frame of a search: GET and POST, self link, pages, strictness. Source: R4 http.html#search

What values and modifiers match is tested with `storage.search`.
"""

import pytest

from tests.conformance.support import BASE, Api, assert_outcome, goal, identified, patient

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def people(api: Api) -> Api:
    """A server with five patients, p1 to p5."""
    for number in range(1, 6):
        api.put(f"/Patient/p{number}", identified(str(number), id=f"p{number}"))
    return api


def links(bundle: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {link["relation"]: link["url"] for link in bundle["link"]}


class TestSearchset:
    def test_match_has_full_url_and_mode(self, people: Api) -> None:
        bundle = people.get("/Patient?identifier=urn:mrn|3").json

        assert bundle["type"] == "searchset"
        assert bundle["total"] == 1
        found = bundle["entry"][0]
        assert found["fullUrl"] == f"{BASE}/Patient/p3"
        assert found["search"] == {"mode": "match"}
        assert found["resource"] == people.get("/Patient/p3").json

    def test_nothing_found_is_fine(self, people: Api) -> None:
        answer = people.get("/Patient?identifier=urn:mrn|9")

        assert answer.status_code == 200
        assert answer.json["total"] == 0
        assert "entry" not in answer.json

    def test_self_shows_what_had_an_effect(self, people: Api) -> None:
        bundle = people.get("/Patient?identifier=urn:mrn|3&_format=json&_pretty=true").json

        assert links(bundle)["self"] == f"{BASE}/Patient?identifier=urn:mrn|3"

    def test_post_equals_get(self, people: Api) -> None:
        get = people.get("/Patient?identifier=urn:mrn%7C3&_count=2").json

        posted = people.post("/Patient/_search", "identifier=urn%3Amrn%7C3", content_type=FORM)
        mixed = people.post(
            "/Patient/_search?identifier=urn:mrn%7C3", "_count=2", content_type=FORM
        )

        assert posted.json["entry"] == mixed.json["entry"] == get["entry"]
        assert mixed.json["link"] == get["link"]

    def test_post_without_a_body_searches_everything(self, people: Api) -> None:
        assert people("POST", "/Patient/_search").json["total"] == 5

    def test_head_has_no_body(self, people: Api) -> None:
        answer = people("HEAD", "/Patient")

        assert answer.status_code == 200
        assert answer.data == b""

    @pytest.mark.parametrize("query", ["_count=0", "_summary=count"])
    def test_count_only(self, people: Api, query: str) -> None:
        bundle = people.get(f"/Patient?{query}").json

        assert bundle["total"] == 5
        assert "entry" not in bundle


class TestPages:
    def test_pages_neither_repeat_nor_skip_while_rows_are_added(self, people: Api) -> None:
        seen = []
        url = "/Patient?_count=2"
        while url:
            bundle = people.get(url).json
            assert len(bundle["entry"]) <= 2
            seen += [e["resource"]["id"] for e in bundle["entry"]]
            people.created(identified("0"))
            url = links(bundle).get("next", "").removeprefix(BASE)
            if len(seen) > 20:
                break

        assert len(seen) == len(set(seen))
        assert {f"p{n}" for n in range(1, 6)} <= set(seen)

    def test_self_is_the_page_and_first_the_first_one(self, people: Api) -> None:
        first = people.get("/Patient?_count=2").json
        second = people.get(links(first)["next"].removeprefix(BASE)).json

        assert people.get(links(second)["self"].removeprefix(BASE)).json == second
        assert people.get(links(second)["first"].removeprefix(BASE)).json == first
        assert links(first).keys() == {"self", "next"}

    def test_cursor_that_is_not_ours_is_refused(self, people: Api) -> None:
        assert people.get("/Patient?_cursor=abc").status_code == 400


class TestStrictness:
    @pytest.mark.parametrize("prefer", [{}, {"prefer": "handling=strict"}], ids=["", "strict"])
    def test_unknown_parameter_is_refused(self, people: Api, prefer: dict[str, str]) -> None:
        assert_outcome(people.get("/Patient?famly=Smith", **prefer), 400, "not-supported")

    def test_lenient_ignores_it_and_says_so(self, people: Api) -> None:
        bundle = people.get(
            "/Patient?famly=Smith&identifier=urn:mrn|3", prefer="handling=lenient"
        ).json

        assert links(bundle)["self"] == f"{BASE}/Patient?identifier=urn:mrn|3"
        assert bundle["total"] == 1
        outcome = bundle["entry"][-1]
        assert outcome["search"] == {"mode": "outcome"}
        assert "famly" in outcome["resource"]["issue"][0]["diagnostics"]

    @pytest.mark.parametrize(
        "query",
        [
            "birthdate=yesterday",
            "birthdate=2024-13-01",
            "_lastUpdated=x",
            "identifier:exact=1",
            "name:above=x",
            "_count=-1",
            "_sort=nonsense",
            "identifier=",
        ],
    )
    def test_what_cannot_be_understood_is_refused_even_if_lenient(
        self, people: Api, query: str
    ) -> None:
        answer = people.get(f"/Patient?{query}", prefer="handling=lenient")

        assert answer.status_code in (200, 400)
        strict = people.get(f"/Patient?{query}")
        assert strict.status_code == 400
        assert strict.get_json(force=True)["resourceType"] == "OperationOutcome"

    def test_text_may_stand_unescaped(self, people: Api) -> None:
        people.created(patient(name=[{"family": "Müller"}]))

        for query in ("name=Müller", "name=M%C3%BCller", "name=muller"):
            assert people.total(f"/Patient?{query}") == 1

    def test_query_that_is_not_utf8_is_refused(self, people: Api) -> None:
        assert_outcome(people.get("/Patient?name=%ff"), 400, "invalid")


class TestShape:
    def test_elements_are_chosen_and_the_rest_left_out(self, api: Api) -> None:
        api.created(patient(active=True, gender="other"))

        found = api.get("/Patient?_elements=gender").json["entry"][0]["resource"]

        assert set(found) == {"resourceType", "id", "meta", "gender"}
        assert found["meta"]["tag"][-1]["code"] == "SUBSETTED"

    def test_mandatory_elements_stay(self, api: Api) -> None:
        api.created(goal(api.created(patient()), note=[{"text": "x"}]))

        found = api.get("/Goal?_elements=id").json["entry"][0]["resource"]

        assert {"lifecycleStatus", "description", "subject"} <= set(found)
        assert "note" not in found

    def test_summary_true_shows_summary_elements(self, api: Api) -> None:
        api.created(patient(active=True, photo=[{"url": "https://x.example/p.png"}]))

        found = api.get("/Patient?_summary=true").json["entry"][0]["resource"]

        assert "active" in found
        assert "photo" not in found

    def test_summary_keeps_what_is_mandatory(self, api: Api) -> None:
        question = {"linkId": "1", "text": "How are you?", "type": "string"}
        form = {"resourceType": "Questionnaire", "status": "draft", "item": [question]}
        answers = {"resourceType": "QuestionnaireResponse", "status": "completed"}
        api.created(form)
        api.created(answers)

        for path in ("/Questionnaire", "/QuestionnaireResponse"):
            found = api.get(f"{path}?_summary=true").json["entry"][0]["resource"]

            assert found["meta"]["tag"][-1]["code"] == "SUBSETTED"
            assert "status" in found
            assert "item" not in found

    @pytest.mark.parametrize(
        ("query", "kept"),
        [
            ("_summary=text", {"text", "lifecycleStatus", "description", "subject"}),
            ("_summary=data", {"lifecycleStatus", "description", "subject", "note"}),
            ("_summary=false", {"text", "lifecycleStatus", "description", "subject", "note"}),
        ],
    )
    def test_summary_of_text_and_data(self, api: Api, query: str, kept: set[str]) -> None:
        reference = api.created(patient())
        text = {"status": "additional", "div": '<div xmlns="http://www.w3.org/1999/xhtml">a</div>'}
        api.created(goal(reference, text=text, note=[{"text": "a"}]))

        found = api.get(f"/Goal?{query}").json["entry"][0]["resource"]

        assert found.keys() - {"resourceType", "id", "meta"} == kept


class TestIncludes:
    def test_included_resources_are_marked_and_not_counted(self, people: Api) -> None:
        people.created(goal("Patient/p1"))

        bundle = people.get("/Goal?_include=Goal:patient").json

        assert bundle["total"] == 1
        assert [e["search"]["mode"] for e in bundle["entry"]] == ["match", "include"]
        assert bundle["entry"][1]["fullUrl"] == f"{BASE}/Patient/p1"

    def test_reverse_includes_are_marked(self, people: Api) -> None:
        reference = people.created(goal("Patient/p1"))

        bundle = people.get("/Patient?_id=p1&_revinclude=Goal:patient").json

        assert [e["fullUrl"] for e in bundle["entry"]] == [
            f"{BASE}/Patient/p1",
            f"{BASE}/{reference}",
        ]
