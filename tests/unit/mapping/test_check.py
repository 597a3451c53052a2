"""A mapping pack with a fault does not start, and says where the fault is."""

from pathlib import Path

import pytest

from fhirbridge.mapping.check import check
from fhirbridge.mapping.loader import read_pack
from fhirbridge.mapping.model import MappingFault
from tests.unit.mapping.packs import BASE, SHAPE, edited, write_pack

PLAN = "enrollment/CarePlan.yaml"
HEAD = "enrollment/mapping.yaml"

FAULTS = {
    "unknown word": (
        PLAN,
        "intent: {const",
        "intent: {when: x, const",
        "CarePlan.yaml:5",
        "`when`",
    ),
    "narrowed by a rule that is no copy": (
        PLAN,
        "carry: native-status",
        "narrow: level",
        "CarePlan.yaml:4",
        "must be a copy",
    ),
    "narrowed by nothing that tells": (
        PLAN,
        "codec: code plan-status, carry: native-status}",
        "codec: code plan-status, narrow: again}\n"
        "          again: {native: status, codec: code plan-status, copy: true,\n"
        '                  fhir: "category[level].text"}',
        "CarePlan.yaml:4",
        "loses scheduled",
    ),
    "no form": (
        PLAN,
        "{const: plan, fhir: intent",
        "{fhir: intent",
        "CarePlan.yaml:5",
        "exactly one",
    ),
    "two forms": (
        PLAN,
        "{const: plan,",
        "{const: plan, link: goal,",
        "CarePlan.yaml:5",
        "exactly one",
    ),
    "no such FHIR element": (
        PLAN,
        "fhir: intent",
        "fhir: intention",
        "CarePlan.yaml:5",
        "no element intention",
    ),
    "a link in a list that other rules write too": (
        PLAN,
        'fhir: "goal[]"}',
        'fhir: "goal[]"}\n          shown: {const: A goal, fhir: "goal[].display"}',
        "CarePlan.yaml:12",
        "another item",
    ),
    "a stamp that is read": (
        PLAN,
        "fhir: period.start, codec: date}",
        "fhir: period.start, codec: date, stamp: created}",
        "CarePlan.yaml:9",
        "needs copy",
    ),
    "a stamp of no kind": (
        PLAN,
        "fhir: period.start, codec: date}",
        "fhir: period.start, codec: date, copy: true, stamp: often}",
        "CarePlan.yaml:9",
        "created or changed",
    ),
    "list without brackets": (
        PLAN,
        'fhir: "goal[]"',
        "fhir: goal",
        "CarePlan.yaml:12",
        "is a list",
    ),
    "brackets on a single element": (
        PLAN,
        "period.start",
        '"period[].start"',
        "CarePlan.yaml:9",
        "not a list",
    ),
    "object where a value is written": (
        PLAN,
        "fhir: period.start",
        "fhir: period",
        "CarePlan.yaml:9",
        "name one of its elements",
    ),
    "constant outside the value set": (
        PLAN,
        "const: plan",
        "const: idea",
        "CarePlan.yaml:5",
        "does not allow",
    ),
    "constant of the wrong type": (
        PLAN,
        "{const: plan, fhir: intent, required: true}",
        "{const: true, fhir: intent, required: true}",
        "CarePlan.yaml:5",
        "this constant is not",
    ),
    "text, which the engine writes": (
        PLAN,
        "{const: plan, fhir: intent, required: true}",
        "{const: generated, fhir: text.status, required: true}",
        "CarePlan.yaml:5",
        "the engine writes text",
    ),
    "two rules on one place": (
        PLAN,
        "fhir: title, copy",
        "fhir: status, copy",
        "CarePlan.yaml:10",
        "already written",
    ),
    "unknown codec": (
        PLAN,
        "codec: date",
        "codec: dates",
        "CarePlan.yaml:9",
        "no codec named dates",
    ),
    "unknown table": (PLAN, "code plan-status", "code plans", "CarePlan.yaml:4", "code table"),
    "codec that does not fit": (
        PLAN,
        "codec: date",
        "codec: boolean",
        "CarePlan.yaml:9",
        "does not take",
    ),
    "no such native field": (
        PLAN,
        "native: admitDate",
        "native: admittedOn",
        "CarePlan.yaml:9",
        "no field admittedOn",
    ),
    "field read twice": (
        PLAN,
        "fhir: title, copy: true",
        "fhir: title",
        "CarePlan.yaml:10",
        "also read by",
    ),
    "field read by nobody": (
        PLAN,
        "{native: admitDate, fhir: period.start, codec: date}",
        "{const: 2026-01-01, fhir: period.start}",
        "mapping.yaml",
        "no rule reads the native field admitDate",
    ),
    "lossy table without carry": (
        PLAN,
        ", carry: native-status",
        "",
        "CarePlan.yaml:4",
        "add carry",
    ),
    "one-way without reason": (PLAN, "copy: true", "one-way: encode", "CarePlan.yaml:10", "reason"),
    "link to nobody": (PLAN, "link: goal,", "link: goals,", "CarePlan.yaml:12", "no entry goals"),
    "undefined slice": (PLAN, "category[level]", "category[grade]", "CarePlan.yaml:8", "no slice"),
    "undefined system": (
        PLAN,
        "[system=skill]",
        "[system=skills]",
        "CarePlan.yaml:14",
        "no system named skills",
    ),
    "unknown class": (HEAD, "class: identity", "class: private", "mapping.yaml", "class is one of"),
    "no such anchor": (HEAD, 'of: "goals[]"', 'of: "aims[]"', "mapping.yaml", "no aims[]"),
    "not YAML": (PLAN, "rules:", "rules: [", "CarePlan.yaml", "not YAML"),
    "a key twice": (PLAN, "intent: {", "status: {", "CarePlan.yaml:5", "twice"),
    "each without key": (PLAN, "key: ., ", "", "CarePlan.yaml:13", "key"),
    "two lists that cannot be told apart": (
        PLAN,
        'goals: {link: goal, fhir: "goal[]"}',
        'more: {each: "skills[]", fhir: "activity[].detail", key: ., rules: '
        '{a: {native: ., fhir: "code.coding[system=skill].code", copy: true}}}',
        "CarePlan.yaml:1",
        "could belong",
    ),
}


@pytest.mark.parametrize(("file", "old", "new", "place", "words"), FAULTS.values(), ids=FAULTS)
def test_fault_names_file_line_and_what_is_wrong(
    tmp_path: Path, file: str, old: str, new: str, place: str, words: str
) -> None:
    layer = write_pack(tmp_path, **{Path(file).stem: edited(file, old, new)})

    found = _faults(layer)

    told = [text for text in found if any(word in text for word in words.split("|"))]
    assert told, found
    assert any(place in text for text in told), found


def test_sound_pack_has_no_fault(tmp_path: Path) -> None:
    assert _faults(write_pack(tmp_path)) == []


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    plan = edited(PLAN, "fhir: intent", "fhir: intention").replace("native: admitDate", "native: x")

    found = _faults(write_pack(tmp_path, CarePlan=plan))

    assert len(found) >= 3  # the element, the field, and the field that nobody reads any more


def test_file_that_no_entry_uses_is_a_fault(tmp_path: Path) -> None:
    layer = write_pack(tmp_path)
    (tmp_path / "enrollment" / "Device.yaml").write_text("rules: {}\n")

    with pytest.raises(MappingFault, match="no entry"):
        read_pack("enrollment", [layer], base=BASE)


def _faults(layer: object) -> list[str]:
    try:
        return [i.diagnostics for i in check(read_pack("enrollment", [layer], base=BASE), SHAPE)]
    except MappingFault as error:
        return [issue.diagnostics for issue in error.issues]
