"""Pages, totals and order; that the index follows what is written; the scope of a search."""

import base64
import json

import pytest

from fhirbridge.consent.classes import CLASSES, permitted_rows
from fhirbridge.errors import InvalidContent
from fhirbridge.search.scope import Grant, Scope
from fhirbridge.storage import search
from fhirbridge.storage.keys import key_of
from tests.unit.storage.shelf import Shelf, patient, plan


class TestPages:
    @pytest.fixture(autouse=True)
    def plans(self, shelf: Shelf) -> None:
        for number in range(20):
            day = f"2026-05-{1 + number // 4:02}"
            status = "active" if number % 2 else "draft"
            shelf.put(plan(f"c{number:02}", status=status, period={"start": day, "end": day}))

    def walk(self, shelf: Shelf, text: str) -> list[list[str]]:
        pages = []
        cursor = ""
        while True:
            page = shelf.page("CarePlan", f"{text}&_cursor={cursor}" if cursor else text)
            pages.append([version.resource_id for version in page.matches])
            cursor = page.next
            if not cursor:
                return pages

    @pytest.mark.parametrize(
        "text",
        [
            "_count=3",
            "subject=Patient/p1&_count=3",
            "_count=3&_sort=status",
            "_count=3&_sort=-status",
            "_count=3&_sort=-_lastUpdated",
            "_count=3&_sort=status,-_lastUpdated",
            "_count=3&_sort=-date",
            "patient=p1&_count=3&_sort=_id",
            "status=active,draft&_count=3",
            "_lastUpdated=gt2020&_count=3",
            "_lastUpdated=gt2020&_count=3&_sort=-_lastUpdated",
            "date=ge2020&_count=3",
            "date=ge2020&_count=3&_sort=-date",
            "date=ge2020&date=lt2030&_count=3&_sort=date",
            "date=2026&status=active,draft&_count=3",
        ],
    )
    def test_show_each_match_once(self, shelf: Shelf, text: str) -> None:
        pages = self.walk(shelf, text)

        assert [len(page) for page in pages] == [3] * 6 + [2]
        assert sorted(name for page in pages for name in page) == [f"c{n:02}" for n in range(20)]

    def test_do_not_shift_when_matches_come_and_go(self, shelf: Shelf) -> None:
        first = shelf.page("CarePlan", "subject=Patient/p1&_count=5")
        shelf.delete("CarePlan", "c00")
        shelf.put(plan("c02", status="completed"), plan("new"))

        rest = shelf.ids("CarePlan", f"subject=Patient/p1&_count=50&_cursor={first.next}")

        assert [version.resource_id for version in first.matches] == [f"c{n:02}" for n in range(5)]
        assert rest == [*(f"c{n:02}" for n in range(5, 20)), "new"]

    def test_go_on_in_their_order_when_another_condition_becomes_rarer(self, shelf: Shelf) -> None:
        text = "date=ge2026-05-02&status=draft&_count=3"
        first = shelf.page("CarePlan", text)
        old = {"start": "2020-01-01", "end": "2020-01-01"}
        shelf.put(*(plan(f"old{number}", status="draft", period=old) for number in range(20)))

        rest = shelf.ids("CarePlan", f"{text}&_count=50&_cursor={first.next}")

        assert [version.resource_id for version in first.matches] == ["c04", "c06", "c08"]
        assert rest == ["c10", "c12", "c14", "c16", "c18"]

    def test_count_matches_of_all_pages(self, shelf: Shelf) -> None:
        assert shelf.page("CarePlan", "status=draft&_count=3").total == 10
        assert shelf.page("CarePlan", "status=draft&_count=3&_total=none").total is None
        assert shelf.page("CarePlan", "status=draft&_count=30&_total=none").total == 10

    @pytest.mark.parametrize("text", ["_count=0", "_summary=count"])
    def test_count_zero_gives_only_the_total(self, shelf: Shelf, text: str) -> None:
        page = shelf.page("CarePlan", "status=draft&" + text)

        assert (page.matches, page.total, page.next) == ((), 10, "")

    def test_total_is_left_out_above_the_limit(
        self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(search, "MAX_COUNTED", 5)

        assert shelf.page("CarePlan", "status=draft&_count=3").total is None
        assert shelf.page("CarePlan", "status=draft&_count=3&_total=accurate").total == 10

    @pytest.mark.parametrize("cursor", ["x", "W10", "WyJhIiwxXQ", "a.b", "é"])
    def test_refuse_a_cursor_of_another_search(self, shelf: Shelf, cursor: str) -> None:
        with pytest.raises(InvalidContent, match="_cursor"):
            shelf.page("CarePlan", f"_count=3&_cursor={cursor}")

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("_count=3", 1),
            ("_count=3", "a\0"),
            ("subject=Patient/p1&_count=3", "a"),
            ("subject=Patient/p1&_count=3", 2**63),
            ("subject=Patient/p1&_count=3", True),
            ("subject=Patient/p1&_count=3", None),
        ],
    )
    def test_refuse_a_cursor_with_a_forged_place(
        self, shelf: Shelf, text: str, value: object
    ) -> None:
        cursor = shelf.page("CarePlan", text).next
        digest, led, _ = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        forged = base64.urlsafe_b64encode(json.dumps([digest, led, value]).encode()).decode()

        with pytest.raises(InvalidContent, match="_cursor"):
            shelf.page("CarePlan", f"{text}&_cursor={forged.rstrip('=')}")


class TestSort:
    def test_resources_without_a_value_come_last(self, shelf: Shelf) -> None:
        shelf.put(plan("a"), plan("b", period={"start": "2026-01-02", "end": "2026-01-03"}))
        shelf.put(plan("c", period={"start": "2026-01-01", "end": "2026-01-09"}))

        assert shelf.ids("CarePlan", "_sort=date") == ["c", "b", "a"]
        assert shelf.ids("CarePlan", "_sort=-date") == ["c", "b", "a"]

    @pytest.mark.parametrize(
        ("sort", "expected"),
        [
            ("name", "abc"),
            ("-name", "cba"),
            ("family,-birthdate", "bac"),
            ("birthdate", "abc"),
            ("_id", "abc"),
            ("-_lastUpdated", "cba"),
            ("gender", "bac"),
        ],
    )
    def test_follows_the_parameter(self, shelf: Shelf, sort: str, expected: str) -> None:
        shelf.put(patient("a", name=[{"family": "Ash"}], birthDate="1980-01-01", gender="male"))
        shelf.put(patient("b", name=[{"family": "Ash", "given": ["Bo"]}], birthDate="1990-01-01"))
        shelf.put(
            patient(
                "b",
                name=[{"family": "Ash", "given": ["Bo"]}],
                birthDate="1990-01-01",
                gender="female",
            )
        )
        shelf.put(patient("c", name=[{"family": "Cole"}], birthDate="2000-01-01"))

        assert "".join(shelf.ids("Patient", f"_sort={sort}")) == expected


class TestWrites:
    def test_index_follows_update_and_delete(self, shelf: Shelf) -> None:
        shelf.put(plan("a"))
        shelf.put(plan("a", status="completed"))

        assert shelf.ids("CarePlan", "status=active") == []
        assert shelf.ids("CarePlan", "status=completed") == ["a"]
        shelf.delete("CarePlan", "a")
        assert shelf.ids("CarePlan", "status=completed") == []
        assert shelf.ids("CarePlan") == []
        assert shelf.ids("CarePlan", "_id=a") == []

    def test_another_custodian_sees_nothing(self, shelf: Shelf) -> None:
        shelf.put(plan("a"))

        for text in ("", "status=active", "_id=a", "patient=p1", "_lastUpdated=gt2020"):
            parsed = shelf.parse("CarePlan", text)
            with shelf.database.read() as session:
                page = search.run(session, parsed, custodian_id=shelf.custodian_id + 1)
            assert page.matches == ()

    def test_match_ids_stops_at_two(self, shelf: Shelf) -> None:
        shelf.put(plan("a"), plan("b"), plan("c", status="draft"))

        with shelf.database.read() as session:
            custodian_id = shelf.custodian_id
            parsed = shelf.parse("CarePlan", "status=active")
            assert search.match_ids(session, parsed, custodian_id=custodian_id) == ["a", "b"]
            parsed = shelf.parse("CarePlan", "status=draft")
            assert search.match_ids(session, parsed, custodian_id=custodian_id) == ["c"]


def _only(patient_id: str, *classes: str) -> Scope:
    """Everything of one patient, or some classes of it."""
    every = permitted_rows(frozenset(classes or CLASSES))
    return Scope((Grant((key_of(f"Patient/{patient_id}"),), every),))


class TestScope:
    """A search on what may not be seen must not match, count, chain or include."""

    @pytest.fixture(autouse=True)
    def records(self, shelf: Shelf) -> None:
        shelf.put(
            patient("p1", name=[{"family": "Ash"}]), patient("p2"), plan("a"), plan("b", "p2")
        )

    @pytest.mark.parametrize(
        ("resource_type", "text", "expected"),
        [
            ("CarePlan", "", {"b"}),
            ("CarePlan", "status=active", {"b"}),
            ("CarePlan", "patient=p1", set()),
            ("CarePlan", "patient.name=ash", set()),
            ("Patient", "_has:CarePlan:patient:status=active", {"p2"}),
            ("Patient", "_id=p1", set()),
        ],
    )
    def test_is_part_of_the_search(
        self, shelf: Shelf, resource_type: str, text: str, expected: set[str]
    ) -> None:
        page = shelf.page(resource_type, text, _only("p2"))

        assert {version.resource_id for version in page.matches} == expected
        assert page.total == len(expected)

    def test_hides_classes_of_content(self, shelf: Shelf) -> None:
        assert shelf.page("CarePlan", "status=active", _only("p1", "labs")).total == 0

    def test_hides_includes(self, shelf: Shelf) -> None:
        scope = _only("p2")

        page = shelf.page("CarePlan", "_include=CarePlan:subject", scope)

        assert [version.resource_id for version in page.included] == ["p2"]
