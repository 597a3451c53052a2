"""No search reads a whole table: the database's own plan of every statement says so."""

import re
from typing import Any

import pytest

from fhirbridge.search.scope import EVERYTHING
from fhirbridge.storage import search
from fhirbridge.storage.search_plans import make_plan
from fhirbridge.storage.session import Session
from tests.unit.storage.plans import explain
from tests.unit.storage.shelf import Shelf, plan

# The aliases of our tables; subqueries are called c, d, p, q and u.
_SCAN_OF_A_TABLE = re.compile(r"SCAN [rxzvso]\d*\b|.*Seq Scan on")


class Explainer:
    """Stands before the driver and keeps the plan of each statement."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.driver = session.driver
        self.plans: list[str] = []

    def execute(self, text: str, parameters: tuple[Any, ...] = ()) -> Any:
        self.session.driver = self.driver
        self.plans += explain(self.session, text, parameters)
        self.session.driver = self
        return self.driver.execute(text, parameters)


def plans_of(shelf: Shelf, resource_type: str | None, text: str) -> list[str]:
    parsed = shelf.parse(resource_type, text)
    with shelf.database.read() as session:
        driver = session.driver
        explainer = Explainer(session)
        session.driver = explainer
        try:
            search.run(session, parsed, custodian_id=shelf.custodian_id)
        finally:
            session.driver = driver
    return explainer.plans


@pytest.mark.parametrize(
    ("resource_type", "text"),
    [
        ("CarePlan", ""),
        ("CarePlan", "_id=a"),
        ("CarePlan", "_id:not=a"),
        ("CarePlan", "patient=p1"),
        ("CarePlan", "subject=p1&status=active&_sort=-date"),
        ("CarePlan", "status=active&category=x|y"),
        ("CarePlan", "status:not=active"),
        ("CarePlan", "category=x|"),
        ("CarePlan", "category:missing=true"),
        ("CarePlan", "category:text=a"),
        ("CarePlan", "date=ge2026&date=lt2027"),
        ("CarePlan", "_lastUpdated=gt2026&_sort=-_lastUpdated"),
        ("CarePlan", "_sort=-_lastUpdated"),
        ("CarePlan", "_sort=-_id"),
        ("CarePlan", "_sort=status"),
        ("CarePlan", "_tag=x&_profile=urn:y"),
        ("CarePlan", "patient.name=x&status=active"),
        ("CarePlan", "patient.identifier=s|x"),
        ("CarePlan", "patient.gender:not=male"),
        ("CarePlan", "patient.organization.name=x"),
        ("CarePlan", "patient=p1&_include=CarePlan:*&_revinclude=Provenance:target"),
        ("Patient", "_has:CarePlan:patient:status=active"),
        ("Patient", "name:contains=x&birthdate=1980"),
        ("Patient", "organization.name=x&_has:CarePlan:subject:date=2026"),
        ("Observation", "component-code-value-quantity=a$5"),
        ("Observation", "value-quantity=5||mg"),
        ("Questionnaire", "url:below=http://a.example/"),
        (None, "_tag=x"),
        (None, "_type=CarePlan,Goal&patient=p1"),
        (None, "_lastUpdated=gt2020"),
    ],
)
def test_uses_indexes(shelf: Shelf, resource_type: str | None, text: str) -> None:
    plans = plans_of(shelf, resource_type, text)

    assert plans
    assert [plan for plan in plans if _SCAN_OF_A_TABLE.match(plan)] == []


@pytest.fixture
def stocked(shelf: Shelf) -> Shelf:
    """A database that knows how its rows are spread: PostgreSQL chooses by that."""
    shelf.put(*(plan(f"c{number}", f"p{number % 100}") for number in range(300)))
    if shelf.dialect == "postgresql":
        with shelf.database.transaction() as session:
            session.driver.execute("ANALYZE")
    return shelf


def test_reference_search_needs_no_sorting_of_matches(stocked: Shelf) -> None:
    plans = plans_of(stocked, "CarePlan", "patient=p1")

    assert "USE TEMP B-TREE FOR GROUP BY" not in plans
    lead = re.compile(r".*x1 USING PRIMARY KEY|.*using (pk_|)index_references_pkey on .* x1 ")
    assert any(lead.match(plan) for plan in plans)


RANGES = (
    ("CarePlan", "_lastUpdated=gt2020"),
    ("CarePlan", "_lastUpdated=gt2020&_sort=_lastUpdated"),
    ("CarePlan", "_lastUpdated=gt2020&_sort=-_lastUpdated"),
    ("CarePlan", "date=2026-05"),
    ("CarePlan", "date=ge2026"),
    ("CarePlan", "date=ge2026&_sort=-date"),
    ("Appointment", "date=ge2026&date=lt2027&_sort=date"),
    ("Appointment", "date=2026-05-01&_sort=-date"),
)


@pytest.mark.parametrize(("resource_type", "text"), RANGES)
def test_page_of_a_range_of_dates_needs_no_sorting_of_the_range(
    stocked: Shelf, resource_type: str, text: str
) -> None:
    wanted = stocked.parse(resource_type, text)
    with stocked.database.read() as session:
        made = make_plan(session, wanted, EVERYTHING, custodian_id=stocked.custodian_id)
        page = made.page((), 21)
        plans = explain(session, page.text, page.parameters)

    assert [plan for plan in plans if re.match(r"USE TEMP B-TREE|[ ->]*Sort +\(", plan)] == []


def test_plans_that_are_kept_for_all_values_read_no_table(shelf: Shelf) -> None:
    if shelf.dialect == "postgresql":
        with shelf.database.read() as session:
            assert session.driver.execute("SHOW enable_seqscan").fetchone()[0] == "off"


def test_probe_of_another_clause_is_an_index_look_up(stocked: Shelf) -> None:
    plans = plans_of(stocked, "CarePlan", "patient=p1&status=active")

    probe = re.compile(
        r".*USING COVERING INDEX ix_index_tokens_resource"
        r"|.*using (ix_index_tokens_resource|index_tokens_pkey) on index_tokens"
    )
    assert any(probe.match(plan) for plan in plans)


@pytest.mark.parametrize("text", ["_sort=-date", "_sort=date"])
def test_sorting_looks_at_the_matches_only(shelf: Shelf, text: str) -> None:
    plans = plans_of(shelf, "CarePlan", f"patient=p1&{text}")

    assert [plan for plan in plans if _SCAN_OF_A_TABLE.match(plan)] == []
    # PostgreSQL chooses by how many rows there are; SQLite says what it would do with many.
    if shelf.dialect == "sqlite":
        assert any("resource_key=?" in plan for plan in plans)
        whole = "PRIMARY KEY (custodian_id=? AND parameter=?)"
        assert not any(plan.endswith(whole) for plan in plans)
