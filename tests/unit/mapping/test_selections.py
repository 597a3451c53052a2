"""Which plan items are services, and that selections of one group divide what they select from."""

from dataclasses import replace
from pathlib import Path

import pytest

from fhirbridge.conversion.mappings import load_mapping
from fhirbridge.mapping.check import check, readers
from fhirbridge.mapping.loader import read_pack
from fhirbridge.mapping.model import MappingFault
from fhirbridge.mapping.selections import SELECTIONS, group_of, is_risk, is_service
from tests.unit.mapping.packs import BASE, SHAPE, edited, write_pack

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
        taken = [one for one in SELECTIONS.values() if one.group == group and one.test(item, {})]
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
    # what was referred is a service, so the others have no such field
    assert group_of({"service"}, "referralId")
    assert not SELECTIONS["own-activity"].test({"kind": "wellness", "referralId": "R-1"}, {})


HEAD = "enrollment/mapping.yaml"
FAULTS = {
    "an unknown selection": ("sometimes", "no selection sometimes"),
    "a part of the items": ("service", "goals[].text is read only where service"),
}


@pytest.mark.parametrize(("where", "words"), FAULTS.values(), ids=FAULTS)
def test_a_pack_that_leaves_items_out_does_not_start(
    tmp_path: Path, where: str, words: str
) -> None:
    head = edited(HEAD, "goal: {type: Goal,", f"goal: {{type: Goal, where: {where},")
    layer = write_pack(tmp_path, mapping=head)

    try:
        found = list(check(read_pack("enrollment", [layer], base=BASE), SHAPE))
    except MappingFault as error:
        found = list(error.issues)

    assert any(words in issue.diagnostics for issue in found), found


def test_a_questionnaire_response_with_a_reason_is_a_home() -> None:
    template = load_mapping("aftercare-plan", base=BASE).compiled["safety-content"].template

    found = readers({"safety-content": template})["safetyPlan.warningSigns[]"]

    assert [reader.home for reader in found] == ["element"]
    assert [replace(reader, reason="").home for reader in found] == ["carrier"]
