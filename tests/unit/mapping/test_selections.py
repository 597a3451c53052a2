"""Which plan items are services, and that selections of one group divide what they select from."""

import pytest

from fhirbridge.mapping.selections import SELECTIONS, group_of, is_risk, is_service

ITEMS = {
    "a therapist": ({"kind": "outpatient-therapy"}, True),
    "a meeting": ({"kind": "support-group", "provider": "Example Parish Hall"}, False),
    "a meeting somebody was referred to": ({"kind": "support-group", "referralId": "R-1"}, True),
    "a kind of the site, by somebody": ({"kind": "equine-therapy", "provider": "A stable"}, True),
    "a kind of the site, with a number": ({"kind": "equine-therapy", "contact": "555"}, True),
    "a kind of the site, alone": ({"kind": "gardening"}, False),
    "no kind": ({}, False),
}


@pytest.mark.parametrize(("item", "expected"), ITEMS.values(), ids=ITEMS)
def test_service_items_are_told_by_kind_referral_and_provider(
    item: dict[str, str], expected: bool
) -> None:
    assert is_service(item) is expected


@pytest.mark.parametrize(("item", "_"), ITEMS.values(), ids=ITEMS)
def test_exactly_one_selection_of_a_group_takes_an_item(item: dict[str, str], _: bool) -> None:
    for group in {one.group for one in SELECTIONS.values()}:
        taken = [one for one in SELECTIONS.values() if one.group == group and one.test(item)]
        assert len(taken) == 1


def test_risk_needs_an_indicated_plan_and_a_past_of_harm() -> None:
    assert is_risk({"indicated": True, "reason": "si-history"})
    assert not is_risk({"indicated": False, "reason": "si-history"})
    assert not is_risk({"indicated": True, "reason": "other"})
    assert not is_risk({"indicated": True})


def test_only_a_whole_group_reads_a_field_completely() -> None:
    assert group_of({"service", "own-activity"})
    assert not group_of({"service"})
    assert not group_of({"service", ""})
    assert not group_of({"service", "not-at-risk"})
