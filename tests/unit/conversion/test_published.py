"""The public forms of what is ours: valid, complete, and the same each time."""

from functools import cache
from typing import Any

import pytest

from fhirbridge.config import DEFAULT_BASE
from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.published import is_ours, published
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.fhir import bundles
from fhirbridge.fhir.models import second_opinion
from fhirbridge.fhir.validation import check
from fhirbridge.native.documents import KINDS, load
from tests.unit.documents.desk import FIXTURES, document, mappings

OURS = f"{DEFAULT_BASE}/"


@cache
def forms() -> dict[str, dict[str, Any]]:
    """All public forms by `Type/id`."""
    return {f"{one['resourceType']}/{one['id']}": one for one in published(mappings())}


def names(resource_type: str) -> list[str]:
    return sorted(name for name in forms() if name.startswith(f"{resource_type}/"))


@cache
def emitted() -> tuple[dict[str, Any], ...]:
    """Every resource that the fixtures become."""
    return tuple(
        resource
        for kind in KINDS
        for path in sorted((FIXTURES / kind).glob("*/native.json"))
        for resource in bundles.resources_of(
            to_fhir(
                load(kind, document(kind, path.parent.name)), mappings()[kind], Identity()
            ).bundle
        )
    )


def found(value: Any, name: str) -> list[Any]:
    """All values of a name, wherever they stand."""
    if isinstance(value, list):
        return [one for item in value for one in found(item, name)]
    if isinstance(value, dict):
        below = [one for item in value.values() for one in found(item, name)]
        return [*([value[name]] if name in value else []), *below]
    return []


def codings(value: Any) -> list[dict[str, Any]]:
    """All objects with a system and a code."""
    if isinstance(value, list):
        return [one for item in value for one in codings(item)]
    if isinstance(value, dict):
        below = [one for item in value.values() for one in codings(item)]
        return [*([value] if {"system", "code"} <= set(value) else []), *below]
    return []


class TestAll:
    def test_every_form_is_valid(self) -> None:
        faults = [
            (name, issue.expression, issue.diagnostics)
            for name, form in forms().items()
            for issue in check(form)
            if issue.severity in ("fatal", "error")
        ]

        assert faults == []

    def test_fhir_resources_reads_every_form(self) -> None:
        opinions = [(name, i) for name, form in forms().items() for i in second_opinion(form)]

        assert opinions == []

    def test_same_packs_make_the_same_forms(self) -> None:
        assert {f"{one['resourceType']}/{one['id']}": one for one in published(mappings())} == (
            forms()
        )
        assert len(list(published(mappings()))) == len(forms())

    def test_ids_are_the_ends_of_the_urls(self) -> None:
        for name, form in forms().items():
            if "url" in form:
                assert form["url"] == f"{OURS}{name}"

    def test_all_are_known_as_ours(self) -> None:
        assert all(is_ours(form, DEFAULT_BASE) for form in forms().values())
        assert not is_ours({"resourceType": "CodeSystem", "url": "http://x.example"}, DEFAULT_BASE)
        assert not is_ours({"resourceType": "Patient", "url": f"{OURS}Patient/1"}, DEFAULT_BASE)


class TestWhatTheFixturesUse:
    def test_every_code_of_ours_has_its_system(self) -> None:
        used = {
            (coding["system"], coding["code"])
            for resource in emitted()
            for coding in codings(resource)
            if coding["system"].startswith(OURS)
        }

        systems = {form["url"]: form for name, form in forms().items() if "CodeSystem/" in name}
        assert used
        assert {system for system, _ in used} <= set(systems)
        missing = {
            (system, code)
            for system, code in used
            if systems[system]["content"] == "complete"
            and code not in {concept["code"] for concept in systems[system]["concept"]}
        }
        assert missing == set()

    def test_every_extension_of_ours_is_defined(self) -> None:
        used = {
            extension["url"]
            for resource in emitted()
            for extensions in found(resource, "extension")
            for extension in extensions
            if extension["url"].startswith(OURS)
        }

        assert used
        assert used <= {forms()[name]["url"] for name in names("StructureDefinition")}

    def test_extensions_of_resources_say_where_they_stand(self) -> None:
        used = {
            (resource["resourceType"], extension["url"])
            for resource in emitted()
            for extension in resource.get("extension", ())
            if extension["url"].startswith(OURS)
        }

        stand = {
            (context["expression"], forms()[name]["url"])
            for name in names("StructureDefinition")
            for context in forms()[name]["context"]
        }
        assert used - stand == set()

    def test_every_identifier_system_of_ours_is_named(self) -> None:
        used = {
            identifier["system"]
            for resource in emitted()
            for several in found(resource, "identifier")
            for identifier in (several if isinstance(several, list) else [several])
            if identifier.get("system", "").startswith(f"{OURS}identifier/")
        }

        named = {forms()[name]["uniqueId"][0]["value"] for name in names("NamingSystem")}
        assert used
        assert used <= named


class TestCodeSystems:
    def test_closed_set_is_complete(self) -> None:
        status = forms()["CodeSystem/goal-status"]

        assert status["content"] == "complete"
        assert status["count"] == len(status["concept"]) == 11

    def test_open_vocabulary_is_a_fragment(self) -> None:
        modality = forms()["CodeSystem/modality"]

        assert modality["content"] == "fragment"
        assert "count" not in modality
        assert {"code": "group-therapy", "display": "Group therapy"} in modality["concept"]

    def test_displays_are_those_that_the_pack_writes(self) -> None:
        concepts = forms()["CodeSystem/level-of-care"]["concept"]

        assert {c["code"]: c["display"] for c in concepts}["2.1"] == "Intensive outpatient (IOP)"

    def test_each_has_a_value_set_of_all_its_codes(self) -> None:
        for name in names("CodeSystem"):
            system = forms()[name]
            value_set = forms()[name.replace("CodeSystem", "ValueSet")]
            assert system["valueSet"] == value_set["url"]
            assert value_set["compose"] == {"include": [{"system": system["url"]}]}


class TestConceptMaps:
    def test_map_of_a_status_goes_to_the_codes_of_the_element(self) -> None:
        concept_map = forms()["ConceptMap/goal.lifecycle"]

        [group] = concept_map["group"]
        assert group["source"] == f"{OURS}CodeSystem/goal-status"
        assert group["target"] == "http://hl7.org/fhir/goal-status"
        assert concept_map["sourceCanonical"] == f"{OURS}ValueSet/goal-status"

    def test_shared_target_is_wider(self) -> None:
        [group] = forms()["ConceptMap/enrollment.CarePlan"]["group"]

        targets = {e["code"]: e["target"][0] for e in group["element"]}
        assert targets["left-ama"] == {"code": "revoked", "equivalence": "wider"}
        assert targets["active"] == {"code": "active", "equivalence": "relatedto"}

    def test_every_row_is_there_once(self) -> None:
        tables = mappings()["enrollment"].pack.tables
        for name in names("ConceptMap"):
            rows = {(row.native, row.fhir) for row in tables[name.partition("/")[2]].rows}
            for group in forms()[name]["group"]:
                told = [(e["code"], t["code"]) for e in group["element"] for t in e["target"]]
                assert len(told) == len(set(told))
                assert set(told) <= rows

    def test_snomed_codes_without_a_licence_for_their_text_have_none(self) -> None:
        [group] = forms()["ConceptMap/modality.snomed"]["group"]

        target = {e["code"]: e["target"][0] for e in group["element"]}
        assert "display" not in target["group-therapy"]
        assert "CC BY 4.0" in forms()["ConceptMap/modality.snomed"]["copyright"]

    def test_no_procedure_codes_of_the_ama(self) -> None:
        targets = {
            group["target"] for name in names("ConceptMap") for group in forms()[name]["group"]
        }

        assert not [target for target in targets if "ama-assn" in target]


class TestExtensions:
    def test_simple_one_says_where_and_what(self) -> None:
        status = forms()["StructureDefinition/native-status"]

        contexts = {one["expression"] for one in status["context"]}
        assert {"CarePlan", "Goal", "Appointment"} <= contexts
        elements = {element["id"]: element for element in status["snapshot"]["element"]}
        assert elements["Extension.url"]["fixedUri"] == status["url"]
        assert elements["Extension.value[x]"]["type"] == [{"code": "Coding"}]
        assert elements["Extension.extension"]["max"] == "0"

    def test_complex_one_has_its_parts(self) -> None:
        accreditation = forms()["StructureDefinition/accreditation"]

        elements = {element["id"]: element for element in accreditation["snapshot"]["element"]}
        assert elements["Extension.extension:body.url"]["fixedUri"] == "body"
        assert elements["Extension.extension:validTo.value[x]"]["type"] == [{"code": "date"}]
        assert elements["Extension.value[x]"]["max"] == "0"

    @pytest.mark.parametrize("part", ["snapshot", "differential"])
    def test_element_ids_are_unique(self, part: str) -> None:
        for name in names("StructureDefinition"):
            ids = [element["id"] for element in forms()[name][part]["element"]]
            assert len(ids) == len(set(ids)), name
