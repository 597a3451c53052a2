"""A compiled mapping: both directions, explanations, site packs, and what does not fit."""

import copy
from pathlib import Path
from textwrap import dedent
from uuid import UUID

import pytest

from fhirbridge.jsontypes import Json, Resource
from fhirbridge.mapping.assembly import DecodedDocument, decode
from fhirbridge.mapping.compiler import Mapping, compile_pack
from fhirbridge.mapping.loader import Layer, read_pack
from fhirbridge.mapping.model import MappingFault
from tests.unit.mapping.packs import BASE, DOCUMENT, SHAPE, compiled, edited, write_pack

NAMESPACE = UUID(int=5)


@pytest.fixture
def mapping(tmp_path: Path) -> Mapping:
    return compiled(tmp_path)


def encoded(mapping: Mapping, document: Json = DOCUMENT) -> dict[str, Resource]:
    made = mapping.encode(document, NAMESPACE)
    return {
        f"{item.instance.entry.name}{item.instance.index or ''}": item.resource
        for item in made.resources
    }


def back(mapping: Mapping, resources: dict[str, Resource]) -> DecodedDocument:
    return decode(mapping, [(f"urn:uuid:{r['id']}", r) for r in resources.values()])


def leaves(value: Json, path: str = "") -> list[str]:
    if isinstance(value, dict):
        return [leaf for name, item in value.items() for leaf in leaves(item, f"{path}.{name}")]
    if isinstance(value, list):
        return [leaf for i, item in enumerate(value) for leaf in leaves(item, f"{path}[{i}]")]
    return [path]


class TestEncode:
    def test_native_fields_stand_in_their_fhir_elements(self, mapping: Mapping) -> None:
        plan = encoded(mapping)["plan"]

        assert plan["status"] == "draft"
        assert plan["period"] == {"start": "2026-03-02"}
        assert plan["category"][1]["coding"] == [
            {"system": f"{BASE}/CodeSystem/level", "code": "2.1"}
        ]

    def test_code_that_the_way_back_would_lose_is_carried(self, mapping: Mapping) -> None:
        carried = encoded(mapping)["plan"]["extension"]

        assert carried[0]["valueCoding"] == {
            "system": f"{BASE}/CodeSystem/plan-status",
            "code": "scheduled",
        }
        assert "extension" not in encoded(mapping, {**DOCUMENT, "status": "active"})["plan"]

    def test_absent_field_leaves_no_empty_object_behind(self, mapping: Mapping) -> None:
        document = {k: v for k, v in DOCUMENT.items() if k not in ("admitDate", "level", "skills")}

        plan = encoded(mapping, document)["plan"]

        assert "period" not in plan
        assert len(plan["category"]) == 1
        assert "activity" not in plan

    def test_resources_link_to_each_other(self, mapping: Mapping) -> None:
        made = encoded(mapping)

        assert made["plan"]["subject"]["reference"] == f"urn:uuid:{made['patient']['id']}"
        assert [g["reference"] for g in made["plan"]["goal"]] == [
            f"urn:uuid:{made['goal']['id']}",
            f"urn:uuid:{made['goal1']['id']}",
        ]

    def test_ids_are_the_same_each_time_and_secret_by_namespace(self, mapping: Mapping) -> None:
        first = encoded(mapping)["plan"]["id"]
        other = mapping.encode(DOCUMENT, UUID(int=6)).resources[1].resource["id"]

        assert first == encoded(mapping)["plan"]["id"]
        assert first != other

    def test_trace_changes_nothing_in_the_result(self, mapping: Mapping) -> None:
        plain = mapping.encode(DOCUMENT, NAMESPACE)
        traced = mapping.encode(DOCUMENT, NAMESPACE, trace=True)

        assert [r.resource for r in plain.resources] == [r.resource for r in traced.resources]


class TestExplain:
    def test_every_leaf_has_exactly_one_explanation(self, mapping: Mapping) -> None:
        for item in mapping.encode(DOCUMENT, NAMESPACE, trace=True).resources:
            paths = sorted(e.path for e in item.explanations)

            assert paths == sorted(leaves(item.resource, item.resource["resourceType"]))

    def test_explanation_names_source_field_line_and_code_row(self, mapping: Mapping) -> None:
        plan = mapping.encode(DOCUMENT, NAMESPACE, trace=True).resources[1]
        by_path = {e.path: e for e in plan.explanations}

        status = by_path["CarePlan.status"]

        assert status.native == "$.status"
        assert status.place == "enrollment/CarePlan.yaml:4"
        assert status.code_row == "codes/status.yaml:8"
        assert by_path["CarePlan.activity[1].detail.code.coding[0].code"].native == "$.skills[1]"


class TestDecode:
    def test_round_trip_gives_the_document_back(self, mapping: Mapping) -> None:
        result = back(mapping, encoded(mapping))

        assert result.document == DOCUMENT
        assert result.issues == ()

    def test_changed_status_wins_over_the_carried_code(self, mapping: Mapping) -> None:
        made = encoded(mapping)
        made["plan"]["status"] = "active"

        result = back(mapping, made)

        assert result.document["status"] == "active"
        assert any("extension" in issue.expression[0] for issue in result.issues)

    def test_element_of_nobody_is_listed(self, mapping: Mapping) -> None:
        made = encoded(mapping)
        made["plan"]["description"] = "written elsewhere"
        made["plan"]["activity"].append({"reference": {"reference": "Task/1"}})

        paths = {i.expression for i in back(mapping, made).issues}

        assert ("CarePlan.description",) in paths
        assert ("CarePlan.activity[2]",) in paths

    def test_copy_that_differs_is_listed(self, mapping: Mapping) -> None:
        made = encoded(mapping)
        made["plan"]["title"] = "another level"

        issues = back(mapping, made).issues

        assert [i.expression for i in issues] == [("CarePlan.title",)]

    def test_constant_that_differs_is_listed(self, mapping: Mapping) -> None:
        made = encoded(mapping)
        made["plan"]["activity"][0]["detail"]["status"] = "completed"

        assert [i.expression for i in back(mapping, made).issues] == [
            ("CarePlan.activity[0].detail.status",)
        ]

    def test_unknown_code_is_listed_with_the_edition(self, mapping: Mapping) -> None:
        made = encoded(mapping)
        made["plan"]["status"] = "on-hold"

        texts = [i.diagnostics for i in back(mapping, made).issues]

        assert any("edition test 1" in text for text in texts)

    def test_plan_of_another_system_is_found_by_content_and_reference(
        self, mapping: Mapping
    ) -> None:
        made = encoded(mapping)
        for resource in made.values():
            resource.pop("identifier")
        del made["plan"]["extension"]

        result = back(mapping, made)

        assert result.document["patient"]["name"]["family"] == "Example"
        assert {g["text"] for g in result.document["goals"]} == {"Ninety days", "Call sister"}
        assert result.document["recordId"] == made["plan"]["id"]

    def test_resource_that_no_entry_takes_is_listed(self, mapping: Mapping) -> None:
        made = encoded(mapping)
        made["stray"] = {"resourceType": "Device", "id": "d1"}

        assert any("Bundle.entry[4]" in i.expression[0] for i in back(mapping, made).issues)

    def test_messages_hold_no_value_of_the_record(self, mapping: Mapping) -> None:
        made = copy.deepcopy(encoded(mapping))
        made["plan"]["title"] = "Zanzibar"
        made["plan"]["status"] = "Zanzibar"
        made["patient"]["name"][0]["text"] = "Zanzibar"

        issues = back(mapping, made).issues

        assert len(issues) >= 3
        assert not any("Zanzibar" in i.diagnostics for i in issues)


class TestSitePack:
    def test_site_replaces_one_rule_and_explain_names_the_layer(self, tmp_path: Path) -> None:
        site = tmp_path / "site"
        (site / "enrollment").mkdir(parents=True)
        (site / "enrollment" / "Goal.yaml").write_text(
            dedent("""
            rules:
              note: {native: note, fhir: "note[].text", class: notes}
            """)
        )
        mapping = compiled(tmp_path / "ours", Layer("site", site))

        goal = mapping.encode(DOCUMENT, NAMESPACE, trace=True).resources[2]

        assert goal.resource["note"] == [{"text": "set with her"}]
        assert "extension" not in goal.resource
        assert {e.layer for e in goal.explanations if e.path == "Goal.note[0].text"} == {"site"}
        assert back(mapping, encoded(mapping)).document == DOCUMENT


class TestSharedFolder:
    def test_documents_file_is_laid_over_the_shared_one(self, tmp_path: Path) -> None:
        head = edited("enrollment/mapping.yaml", "document: enrollment", "use: [shared]")
        head = "\n".join(line for line in head.splitlines() if "goal: {type" not in line)
        layer = write_pack(tmp_path, mapping=head)
        shared = tmp_path / "shared"
        shared.mkdir()
        (tmp_path / "enrollment" / "Goal.yaml").rename(shared / "Goal.yaml")
        (shared / "mapping.yaml").write_text(
            'resources: {goal: {type: Goal, of: "goals[]", key: id, class: treatment-plan}}\n'
        )
        (tmp_path / "enrollment" / "Goal.yaml").write_text(
            'rules: {note: {native: note, fhir: "note[].text", class: notes}}\n'
        )

        mapping = compile_pack(read_pack("enrollment", [layer], base=BASE), SHAPE)

        goal = encoded(mapping)["goal"]
        assert goal["note"] == [{"text": "set with her"}]
        assert goal["description"] == {"text": "Ninety days"}
        assert back(mapping, encoded(mapping)).document == DOCUMENT

    def test_folder_that_is_not_there_is_a_fault(self, tmp_path: Path) -> None:
        head = edited("enrollment/mapping.yaml", "document: enrollment", "use: [common]")

        with pytest.raises(MappingFault, match="no folder common"):
            read_pack("enrollment", [write_pack(tmp_path, mapping=head)], base=BASE)
