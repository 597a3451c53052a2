"""The plan fits the partner: rungs, order, matches, losses."""

from typing import Any

import pytest

from fhirbridge.partners.abilities import Abilities, abilities_of
from fhirbridge.partners.plan import Held, PlannedEntry, Rung, plan

PATIENT, PLAN, ORDER, TASK = (f"urn:uuid:{n}" for n in ("patient", "plan", "order", "task"))


def entry(
    url: str, resource_type: str, *, search: str | None = None, **body: Any
) -> dict[str, Any]:
    token = f"identifier=urn:x|{url[9:]}" if search is None else search
    request = {"method": "POST", "url": resource_type} | ({"ifNoneExist": token} if token else {})
    return {
        "fullUrl": url,
        "resource": {"resourceType": resource_type, **body},
        "request": request,
    }


def to(url: str) -> dict[str, str]:
    return {"reference": url}


BUNDLE = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        entry(TASK, "Task", focus=to(ORDER), **{"for": to(PATIENT)}),
        entry(PLAN, "CarePlan", subject=to(PATIENT), activity=[{"reference": to(ORDER)}]),
        entry(ORDER, "ServiceRequest", subject=to(PATIENT), basedOn=[to(PLAN)]),
        entry(PATIENT, "Patient"),
    ],
}
TYPES = ("Patient", "CarePlan", "ServiceRequest", "Task")


def capability(
    *system: str,
    types: tuple[str, ...] = TYPES,
    conditional: bool = True,
    interactions: tuple[str, ...] = ("create", "read", "update", "search-type"),
    find: bool = True,
) -> dict[str, Any]:
    return {
        "resourceType": "CapabilityStatement",
        "rest": [
            {
                "mode": "server",
                "interaction": [{"code": code} for code in system],
                "resource": [
                    {
                        "type": name,
                        "interaction": [{"code": code} for code in interactions],
                        "conditionalCreate": conditional,
                        "searchParam": [{"name": "identifier"}] if find else [],
                    }
                    for name in types
                ],
            }
        ],
    }


def waves(made: Any) -> list[list[str]]:
    return [[one.resource_type for one in wave] for wave in made.waves]


def test_a_transaction_is_the_first_choice_and_loses_nothing() -> None:
    made = plan(BUNDLE, abilities_of(capability("transaction", "batch")))

    assert made.rung is Rung.TRANSACTION
    assert waves(made) == [["Task", "CarePlan", "ServiceRequest", "Patient"]]
    assert made.losses == ()


def test_a_batch_goes_in_waves_that_link_only_backwards() -> None:
    made = plan(BUNDLE, abilities_of(capability("batch")))

    assert made.rung is Rung.BATCH
    assert waves(made) == [["Patient"], ["CarePlan"], ["ServiceRequest"], ["Task"]]
    assert made.waves[1][0].deferred == {ORDER}
    assert made.relinks
    assert len(made.losses) == 1


def test_without_update_the_ring_stays_open_and_that_is_said() -> None:
    made = plan(BUNDLE, abilities_of(capability("batch", interactions=("create", "search-type"))))

    assert not made.relinks
    assert any("ring" in loss for loss in made.losses)


def test_conditional_creates_come_before_searching() -> None:
    assert plan(BUNDLE, abilities_of(capability())).rung is Rung.CONDITIONAL_CREATE
    made = plan(BUNDLE, abilities_of(capability(conditional=False)))

    assert made.rung is Rung.SEARCH_THEN_CREATE
    assert any("second copy" in loss for loss in made.losses)


def test_what_cannot_be_looked_up_needs_a_person_and_that_is_said() -> None:
    made = plan(BUNDLE, abilities_of(capability(conditional=False, find=False)))

    assert any("a person has to decide" in loss for loss in made.losses)
    assert not any("is asked before each one" in loss for loss in made.losses)


def test_a_type_the_partner_does_not_store_is_dropped_and_named() -> None:
    made = plan(BUNDLE, abilities_of(capability("transaction", types=("Patient", "CarePlan"))))

    assert [one.resource_type for one in made.dropped] == ["Task", "ServiceRequest"]
    assert any("ServiceRequest (1), Task (1)" in loss for loss in made.losses)


def test_a_type_that_can_only_be_found_is_matched() -> None:
    statement = capability("transaction")
    statement["rest"][0]["resource"][0]["interaction"] = [{"code": "search-type"}]

    made = plan(BUNDLE, abilities_of(statement))

    assert [one.resource_type for one in made.matches] == ["Patient"]


def test_unknown_capabilities_hope_for_a_transaction() -> None:
    made = plan(BUNDLE, Abilities())

    assert made.rung is Rung.TRANSACTION
    assert made.losses == ("The partner's capabilities are not known; a transaction is tried.",)


def test_what_the_partner_holds_is_kept_or_updated_but_never_a_task() -> None:
    held = {
        PATIENT: Held("Patient/1", unchanged=True),
        PLAN: Held("CarePlan/2", unchanged=False),
        TASK: Held("Task/3", unchanged=False),
    }

    made = plan(BUNDLE, abilities_of(capability("transaction")), held=held)

    assert {one.resource_type: one.action for one in made.everything} == {
        "Patient": "keep",
        "CarePlan": "update",
        "Task": "keep",
        "ServiceRequest": "create",
    }


@pytest.mark.parametrize(("offered", "action"), [(True, "update"), (False, "drop")])
def test_what_has_no_identifier_is_put_where_the_partner_takes_our_id(
    offered: bool, action: str
) -> None:
    put = {
        "fullUrl": "urn:uuid:p1",
        "resource": {"resourceType": "Provenance", "target": [to(PLAN)]},
        "request": {"method": "PUT", "url": "Provenance/p1"},
    }
    statement = capability("transaction", types=(*TYPES, "Provenance"))
    for one in statement["rest"][0]["resource"]:
        one["updateCreate"] = offered

    made = plan({**BUNDLE, "entry": [*BUNDLE["entry"], put]}, abilities_of(statement))

    (found,) = (one for one in made.everything if one.resource_type == "Provenance")
    assert found.action == action
    assert found.location == "Provenance/p1"
    assert not any("replaced" in loss for loss in made.losses)


def test_the_plan_can_be_shown_without_anything_of_the_record() -> None:
    shown = plan(BUNDLE, abilities_of(capability("batch"))).to_json()

    assert shown["rung"] == "batch"
    assert shown["counts"] == {"CarePlan": 1, "Patient": 1, "ServiceRequest": 1, "Task": 1}
    assert shown["entries"][0] == {
        "fullUrl": PATIENT,
        "resourceType": "Patient",
        "action": "create",
        "ifNoneExist": True,
    }


@pytest.mark.parametrize(
    ("search", "token", "identifier"),
    [
        ("identifier=urn:x|1", "urn:x|1", {"system": "urn:x", "value": "1"}),
        ("identifier=urn%3Ax%7Ca%2Bb", "urn:x|a+b", {"system": "urn:x", "value": "a+b"}),
        ("identifier=1", "1", {"value": "1"}),
        ("_id=1", "", {}),
        ("", "", {}),
    ],
)
def test_the_identifier_is_read_from_if_none_exist(
    search: str, token: str, identifier: dict[str, str]
) -> None:
    one = PlannedEntry(PATIENT, {"resourceType": "Patient"}, "create", search)

    assert (one.token, one.identifier) == (token, identifier)
