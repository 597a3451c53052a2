"""A second resource about the same native item: found by a copied key, or by what it refers to."""

from pathlib import Path
from textwrap import dedent
from uuid import UUID

import pytest

from fhirbridge.jsontypes import Resource
from fhirbridge.mapping.assembly import decode
from fhirbridge.mapping.check import check
from fhirbridge.mapping.compiler import Mapping, compile_pack
from fhirbridge.mapping.loader import read_pack
from fhirbridge.mapping.model import Pack
from tests.unit.mapping.packs import BASE, DOCUMENT, FILES, SHAPE, edited, write_pack

PROGRESS = """
    rules:
      own:  {native: id, fhir: "identifier[own].value", codec: key, copy: true}
      goal: {native: id, fhir: "focus[].reference", codec: reference goal, copy: true}
      note: {native: note, fhir: valueString}
      code: {const: progress, fhir: code.text, required: true}
      status: {const: final, fhir: status, required: true}
    """
ENTRY = 'progress: {type: Observation, of: "goals[]", key: id, class: progress, if: note, '
SLICE = 'Observation: {"identifier[own]": {system: "{base}/identifier/progress"}}'


def pack_of(folder: Path, entry: str = "") -> Pack:
    """The test pack, in which a goal's note stands in an Observation of its own."""
    entry = entry or f"{ENTRY} find: {{focus: goal}}}}"
    head = dedent(FILES["enrollment/mapping.yaml"])
    head = head.replace("  Patient:\n", f"  {SLICE}\n  Patient:\n", 1) + f"  {entry}\n"
    goal = edited("enrollment/Goal.yaml", "class: notes}", "class: notes, copy: true}")
    layer = write_pack(folder, mapping=head, Goal=goal)
    (folder / "enrollment/Observation.yaml").write_text(dedent(PROGRESS))
    return read_pack("enrollment", [layer], base=BASE)


@pytest.fixture
def mapping(tmp_path: Path) -> Mapping:
    pack = pack_of(tmp_path)
    assert check(pack, SHAPE) == []
    return compile_pack(pack, SHAPE)


def resources(mapping: Mapping) -> list[tuple[str, Resource]]:
    made = mapping.encode(DOCUMENT, UUID(int=5)).resources
    return [(item.instance.reference, item.resource) for item in made]


def progress(pairs: list[tuple[str, Resource]]) -> Resource:
    (found,) = (one for _, one in pairs if one["resourceType"] == "Observation")
    return found


def test_resource_exists_only_where_the_field_is(mapping: Mapping) -> None:
    pairs = resources(mapping)

    goals = {ref: one for ref, one in pairs if one["resourceType"] == "Goal"}
    assert len(goals) == 2
    assert goals[progress(pairs)["focus"][0]["reference"]]["description"]["text"] == "Ninety days"


def test_note_comes_back_to_its_goal(mapping: Mapping) -> None:
    result = decode(mapping, resources(mapping))

    assert result.document["goals"] == DOCUMENT["goals"]
    assert result.issues == ()


def test_without_our_identifier_the_reference_tells_the_item(mapping: Mapping) -> None:
    pairs = resources(mapping)
    del progress(pairs)["identifier"]

    assert decode(mapping, pairs).document["goals"] == DOCUMENT["goals"]


def test_resource_about_nothing_we_know_is_listed(mapping: Mapping) -> None:
    pairs = resources(mapping)
    progress(pairs)["focus"] = [{"reference": "Goal/elsewhere"}]
    del progress(pairs)["identifier"][0]["value"]

    result = decode(mapping, pairs)

    assert all("note" not in goal for goal in result.document["goals"])
    assert any("not carried over" in issue.diagnostics for issue in result.issues)


def test_entry_with_if_may_read_no_other_field(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, ENTRY.replace("if: note", "if: status") + "}")

    (fault,) = check(pack, SHAPE)

    assert "goals[].note is not among the fields of the entry's `if`" in fault.diagnostics


def test_entry_with_if_names_fields_that_exist(tmp_path: Path) -> None:
    pack = pack_of(tmp_path, ENTRY.replace("if: note", "if: note|colour") + "}")

    (fault,) = check(pack, SHAPE)

    assert "the document has no goals[].colour" in fault.diagnostics
