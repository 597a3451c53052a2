"""Another mapping pack: what it would change in stored documents, and what it changes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from click.testing import CliRunner

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.cli.remap import command
from fhirbridge.config import Settings
from fhirbridge.documents import stored
from fhirbridge.documents.remap import Remapped, remap
from fhirbridge.fhir import wire
from fhirbridge.native.documents import Kind
from fhirbridge.storage import resources
from tests.unit.documents.desk import document, later

Open = Callable[[str], Bridge]

NOTE = "https://site.example/StructureDefinition/spoken"
ADDS = """
    rules:
      spoken: {native: text, fhir: "extension[spoken].valueString", copy: true}
"""
# a code has no two blanks in a row
BREAKS = """
    rules:
      spoken: {const: "a  b", fhir: "extension[spoken].valueCode", required: true}
"""
HEAD = f"""
    pack: site
    version: 2
    document: enrollment
    extensions: {{spoken: {NOTE}}}
"""


@pytest.fixture
def open_with(tmp_path: Path) -> Iterator[Open]:
    """Opens the one database with a site's pack: `ours` is none, others are folders."""
    opened: list[Bridge] = []

    def open_(site: str) -> Bridge:
        folder = None if site == "ours" else tmp_path / site
        url = f"sqlite:///{tmp_path}/remap.db"
        opened.append(bridges.build(Settings(database_url=url, mappings=folder)))
        return opened[-1]

    for name, files in {
        "adds": {"enrollment/mapping.yaml": HEAD, "enrollment/Goal.yaml": ADDS},
        "breaks": {
            "enrollment/mapping.yaml": HEAD,
            "enrollment/Goal.yaml": BREAKS,
        },
    }.items():
        for file, text in files.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
    yield open_
    for bridge in opened:
        bridge.close()


def take(bridge: Bridge, kind: Kind = "enrollment", **changes: Any) -> list[str]:
    accepted = stored.accept(bridge, kind, wire.parse(wire.dump(document(kind, **changes))))
    return list(accepted.received.written)


def run(bridge: Bridge, *, apply: bool) -> list[Remapped]:
    return [one for one in remap(bridge, apply=apply) if one is not None]


def read(bridge: Bridge, reference: str) -> dict[str, Any]:
    resource_type, _, resource_id = reference.partition("/")
    with bridge.database.read() as session:
        version = resources.read(session, bridge.custodian.id, resource_type, resource_id)
    assert version is not None
    return wire.parse(version.content)


def urls(resource: dict[str, Any]) -> set[str]:
    """The extensions that a resource has."""
    return {extension["url"] for extension in resource.get("extension", ())}


def goals(references: list[str]) -> list[str]:
    return sorted(one for one in references if one.startswith("Goal/"))


def test_same_mapping_touches_nothing(open_with: Open) -> None:
    bridge = open_with("ours")
    take(bridge)

    assert run(bridge, apply=True) == []


def test_dry_run_shows_elements_without_values_and_stores_nothing(open_with: Open) -> None:
    written = goals(take(open_with("ours")))
    bridge = open_with("adds")

    [found] = run(bridge, apply=False)

    assert sorted(one.reference for one in found.touched) == written
    assert {one.elements for one in found.touched} == {("Goal.extension",)}
    assert NOTE not in urls(read(bridge, written[0]))
    assert [one.document.key for one in run(bridge, apply=False)] == [found.document.key]


def test_apply_writes_new_versions_once(open_with: Open) -> None:
    written = goals(take(open_with("ours")))
    bridge = open_with("adds")

    [found] = run(bridge, apply=True)

    assert sorted(one.reference for one in found.touched) == written
    goal = read(bridge, written[0])
    assert goal["meta"]["versionId"] == "2"
    assert NOTE in urls(goal)
    assert run(bridge, apply=True) == []


def test_way_back_removes_what_the_other_mapping_wrote(open_with: Open) -> None:
    written = goals(take(open_with("ours")))
    before = {one: read(open_with("ours"), one) for one in written}
    run(open_with("adds"), apply=True)

    [found] = run(open_with("ours"), apply=True)

    assert {one.elements for one in found.touched} == {("Goal.extension",)}
    for reference, goal in before.items():
        now = read(open_with("ours"), reference)
        assert {**now, "meta": None} == {**goal, "meta": None}


def test_what_others_added_stays(open_with: Open) -> None:
    bridge = open_with("adds")
    reference = goals(take(bridge))[0]
    added = {"url": "https://ehr.example/mark", "valueCode": "x"}
    goal = read(bridge, reference)
    with bridge.database.transaction() as session:
        current = resources.read(session, bridge.custodian.id, *reference.split("/"))
        assert current is not None
        goal["extension"].append(added)
        resources.update(session, stored.circumstances_of(bridge), goal, current=current)

    run(open_with("ours"), apply=True)

    assert added in read(bridge, reference)["extension"]
    assert NOTE not in urls(read(bridge, reference))


def test_recorded_mapping_keeps_the_earlier_ones(open_with: Open) -> None:
    take(open_with("ours"))
    run(open_with("adds"), apply=True)

    data = document("enrollment")
    found = stored.find(open_with("adds"), "enrollment", data["recordId"])

    assert found.conversion["pack"] == "fhirbridge+site"
    assert [one["pack"] for one in found.conversion["earlier"]] == ["fhirbridge"]
    assert wire.parse(found.content) == data


def test_next_version_of_the_document_after_another_mapping(open_with: Open) -> None:
    reference = goals(take(open_with("adds")))[0]
    data = later(document("enrollment"), daysPerWeek=4)

    stored.accept(open_with("ours"), "enrollment", wire.parse(wire.dump(data)))

    assert NOTE not in urls(read(open_with("ours"), reference))


def test_resource_shared_by_two_documents(open_with: Open) -> None:
    written = goals(take(open_with("ours")))
    take(open_with("ours"), "aftercare-plan")
    before = [read(open_with("ours"), one) for one in written]

    run(open_with("adds"), apply=True)
    run(open_with("ours"), apply=True)

    after = [read(open_with("ours"), one) for one in written]
    assert [{**one, "meta": 0} for one in after] == [{**one, "meta": 0} for one in before]


def test_document_that_cannot_be_converted_is_told_and_left(open_with: Open) -> None:
    written = goals(take(open_with("ours")))
    bridge = open_with("breaks")

    [found] = run(bridge, apply=True)

    assert found.touched == ()
    assert found.issues
    assert read(bridge, written[0])["meta"]["versionId"] == "1"
    assert "issues" in found.to_json()


class TestCommand:
    @pytest.fixture(autouse=True)
    def environment(self, tmp_path: Path, open_with: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FHIRBRIDGE_DATABASE_URL", f"sqlite:///{tmp_path}/remap.db")
        monkeypatch.setenv("FHIRBRIDGE_MAPPINGS", str(tmp_path / "adds"))
        take(open_with("ours"))

    def test_tells_each_resource(self) -> None:
        result = CliRunner().invoke(command, ["--dry-run"], standalone_mode=False)

        assert result.return_value == 0, result.output
        assert "enrollment prairie-light/ENR-2026-0417" in result.stdout
        assert "Goal.extension" in result.stdout
        assert "1 documents were made by another mapping; 1 would change." in result.stderr

    def test_needs_one_of_its_options(self) -> None:
        assert CliRunner().invoke(command, []).exit_code == 2
        assert CliRunner().invoke(command, ["--dry-run", "--apply"]).exit_code == 2
