"""Resources of several documents: the newest says, element by element, in any order of arrival."""

import itertools
from typing import Any

import pytest

from tests.unit.documents.desk import Desk, document, later

ENROLLMENT = document("enrollment")
PLAN = document("aftercare-plan")


def with_patient(data: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The document with other patient fields; None removes one."""
    merged = {**data["patient"], **fields}
    return {**data, "patient": {k: v for k, v in merged.items() if v is not None}}


def at(data: dict[str, Any], moment: str) -> dict[str, Any]:
    return {**data, "updatedAt": moment}


EARLY, LATE = "2026-05-01T08:00:00Z", "2026-05-02T08:00:00Z"
CASES = {
    "as they are": (ENROLLMENT, PLAN),
    "plan is newer and says more": (
        at(with_patient(ENROLLMENT, email=None, language="es"), EARLY),
        at(with_patient(PLAN, phone="+12175550999", language=None), LATE),
    ),
    "enrollment is newer and says less": (
        at(with_patient(ENROLLMENT, address=None, phone=None), LATE),
        at(with_patient(PLAN, sex="unknown", email="new@example.org"), EARLY),
    ),
    "at the same moment": (
        at(with_patient(ENROLLMENT, phone="+12175550111"), EARLY),
        at(with_patient(PLAN, phone="+12175550222"), EARLY),
    ),
    "another facility phone and goal text": (
        at({**ENROLLMENT, "facility": {**ENROLLMENT["facility"], "phone": "+12175550333"}}, LATE),
        at({**PLAN, "goals": [{**goal, "text": "Sober"} for goal in PLAN["goals"]]}, EARLY),
    ),
}


@pytest.mark.parametrize("pair", CASES.values(), ids=CASES)
def test_either_order_ends_the_same(
    desk: Desk, other_desk: Desk, pair: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    one, two = pair

    desk.receive(one)
    desk.receive(two)
    other_desk.receive(two)
    other_desk.receive(one)

    assert desk.everything() == other_desk.everything()


def test_each_element_comes_from_the_newest_that_states_it(desk: Desk) -> None:
    old = at(with_patient(ENROLLMENT, email="old@example.org", language="es", phone=None), EARLY)
    new = at(with_patient(PLAN, email="new@example.org", language=None), LATE)

    desk.receive(new)
    received = desk.receive(old)

    patient = desk.read(received.patient)
    assert {"new@example.org", PLAN["patient"]["phone"]} <= {t["value"] for t in patient["telecom"]}
    assert "old@example.org" not in {t["value"] for t in patient["telecom"]}
    assert patient["communication"][0]["language"]["coding"][0]["code"] == "es"


def test_element_that_no_document_states_any_longer_goes(desk: Desk) -> None:
    one = at(with_patient(ENROLLMENT, email=None), EARLY)
    two = at(with_patient(PLAN, email="new@example.org"), LATE)
    desk.receive(one)
    desk.receive(two)

    received = desk.receive(later(with_patient(two, email=None)))

    telecom = desk.read(received.patient)["telecom"]
    assert "email" not in {contact["system"] for contact in telecom}


def test_element_falls_back_to_what_an_older_document_states(desk: Desk) -> None:
    one = at(with_patient(ENROLLMENT, email="old@example.org"), EARLY)
    two = at(with_patient(PLAN, email="new@example.org"), LATE)
    desk.receive(one)
    desk.receive(two)

    received = desk.receive(later(with_patient(two, email=None)))

    telecom = desk.read(received.patient)["telecom"]
    assert "old@example.org" in {contact["value"] for contact in telecom}


def test_shared_goal_that_one_document_drops_stays_as_the_other_says(desk: Desk) -> None:
    newest = [{**goal, "text": "As the plan says"} for goal in PLAN["goals"]]
    one = at(ENROLLMENT, EARLY)
    two = at({**PLAN, "goals": newest}, LATE)
    desk.receive(one)
    reference = next(r for r in desk.receive(two).written if r.startswith("Goal/"))

    received = desk.receive(later(two, goals=[]))

    goal = desk.read(reference)
    assert received.withdrawn == ()
    assert goal["description"]["text"] == next(
        g["text"] for g in ENROLLMENT["goals"] if g["id"] == newest[0]["id"]
    )
    assert goal["lifecycleStatus"] != "cancelled"


def test_shared_goal_that_all_documents_dropped_is_withdrawn(desk: Desk) -> None:
    desk.receive(ENROLLMENT)
    desk.receive(PLAN)
    desk.receive(later(PLAN, goals=[]))

    received = desk.receive(later(ENROLLMENT, goals=[]))

    assert len([one for one in received.withdrawn if one.startswith("Goal/")]) == len(
        ENROLLMENT["goals"]
    )


def test_additions_of_others_survive_documents_in_turns(desk: Desk) -> None:
    received = desk.receive(at(ENROLLMENT, EARLY))
    patient = desk.read(received.patient)
    added = {"system": "https://ehr.example/mrn", "value": "E-1"}
    desk.store({**patient, "identifier": [*patient["identifier"], added], "active": True})

    desk.receive(at(with_patient(PLAN, phone="+12175550222"), LATE))
    desk.receive(later(at(ENROLLMENT, LATE)))

    stored = desk.read(received.patient)
    assert added in stored["identifier"]
    assert stored["active"] is True
    assert len(stored["identifier"]) == len(patient["identifier"]) + 1


ONE = at(with_patient(ENROLLMENT, email="a@example.org", phone=None), EARLY)
TWO = at(with_patient(PLAN, email=None, phone="+12175550222"), EARLY)
VERSIONS = {
    "E1": ONE,
    "A1": TWO,
    "E2": later(with_patient(ONE, email=None)),
    "A2": later(with_patient(TWO, sex="other")),
}
ORDERS = [
    order
    for order in itertools.permutations(VERSIONS)
    if order.index("E1") < order.index("E2") and order.index("A1") < order.index("A2")
]


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_versions_of_two_documents_end_the_same(
    desk: Desk, other_desk: Desk, order: tuple[str, ...]
) -> None:
    for name in VERSIONS:
        other_desk.receive(VERSIONS[name])
    for name in order:
        desk.receive(VERSIONS[name])

    assert desk.everything() == other_desk.everything()
