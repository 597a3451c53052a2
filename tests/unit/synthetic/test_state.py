"""The days of a whole state."""

from itertools import islice

from fhirbridge.native import documents
from fhirbridge.synthetic import state


def test_documents_of_a_state_load_without_warnings() -> None:
    for number in range(0, 2000, 97):
        for data in state.documents(3, number):
            issues = documents.load(documents.kind_of(data), data).issues

            assert [issue for issue in issues if issue.severity != "information"] == []


def test_same_seed_gives_the_same_days_and_another_seed_other_people() -> None:
    [first] = islice(state.days(1), 1)
    [again] = islice(state.days(1), 1)
    [other] = islice(state.days(2), 1)

    assert first == again
    assert len(first.documents) == state.PEOPLE_A_DAY
    mrns = {one["patient"]["mrn"] for day in (first, other) for one, _, _ in day.documents}
    assert len(mrns) == 2 * state.PEOPLE_A_DAY


def test_people_of_a_program_share_its_facility_and_others_have_another() -> None:
    one, neighbour = state.documents(1, 0), state.documents(1, 1)
    stranger = state.documents(1, state.PEOPLE_IN_A_PROGRAM)

    assert {document["facility"]["npi"] for document in one} == {neighbour[0]["facility"]["npi"]}
    assert one[0]["sourceSystem"] == neighbour[0]["sourceSystem"]
    assert one[0]["facility"]["npi"] != stranger[0]["facility"]["npi"]
    assert one[2]["requester"]["npi"] == one[0]["facility"]["npi"]


def test_later_people_finish_on_later_days() -> None:
    first, second = islice(state.days(1), 2)

    assert first.date < second.date
    ends = [day.documents[0][0]["dischargeDate"] for day in (first, second)]
    assert ends[0] <= ends[1]
