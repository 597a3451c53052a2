"""A site's own pack over ours: single rules, local code tables, and what is recorded of it."""

from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from fhirbridge.config import DEFAULT_BASE
from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import load_mappings
from fhirbridge.conversion.model import ToFhir
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.conversion.to_native import round_trippable, to_native
from fhirbridge.fhir import bundles, wire
from fhirbridge.mapping.compiler import Mapping
from fhirbridge.mapping.model import MappingFault
from fhirbridge.native.documents import load
from tests.unit.documents.desk import document, mappings

SNOMED = "http://snomed.info/sct"
CODES = """
    edition: "Site 2026-09"
    date: 2026-09-01
    tables:
      modality.snomed:
        rows:
          - {native: group-therapy, fhir: "76168009"}
          - {native: equine-therapy, fhir: "386522008", display: Animal therapy}
"""


@dataclass
class Site:
    """A folder with a site's pack."""

    folder: Path

    def write(self, file: str, text: str) -> None:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))

    def mapping(self) -> Mapping:
        return load_mappings(base=DEFAULT_BASE, site=self.folder)["enrollment"]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def convert(mapping: Mapping, *, explain: bool = False, **changes: Any) -> ToFhir:
    loaded = load("enrollment", document("enrollment", **changes))
    return to_fhir(loaded, mapping, Identity(), explain=explain)


def snomed(made: ToFhir) -> set[str]:
    """All SNOMED CT codes of the orders."""
    return {
        coding["code"]
        for resource in bundles.resources_of(made.bundle, "ServiceRequest")
        for coding in resource["code"]["coding"]
        if coding["system"] == SNOMED
    }


class TestCodeTables:
    def test_table_of_the_site_stands_in_the_place_of_ours(self, site: Site) -> None:
        site.write("codes/local.yaml", CODES)
        horses = {**document("enrollment")["schedule"][0], "modality": "equine-therapy"}

        ours = convert(mappings()["enrollment"], schedule=[horses], sessions=[])
        theirs = convert(site.mapping(), schedule=[horses], sessions=[])

        assert "386522008" not in snomed(ours)
        assert "386522008" in snomed(theirs)

    def test_row_that_the_site_left_out_is_gone(self, site: Site) -> None:
        site.write("codes/local.yaml", CODES)

        ours, theirs = convert(mappings()["enrollment"]), convert(site.mapping())

        assert "18512000" in snomed(ours)
        assert "18512000" not in snomed(theirs)
        assert "76168009" in snomed(theirs)

    def test_other_tables_stay(self, site: Site) -> None:
        site.write("codes/local.yaml", CODES)

        pack = site.mapping().pack

        ours = mappings()["enrollment"].pack
        assert set(pack.tables) == set(ours.tables)
        assert pack.tables["modality.hcpcs"] == ours.tables["modality.hcpcs"]

    def test_document_comes_back_all_the_same(self, site: Site) -> None:
        site.write("codes/local.yaml", CODES)
        mapping = site.mapping()
        loaded = load("enrollment", document("enrollment"))

        back = to_native(convert(mapping).bundle, mapping)

        expected = round_trippable(loaded.data, mapping)
        assert wire.canonical(back.document) == wire.canonical(expected)

    def test_stamp_names_the_editions_and_another_hash(self, site: Site) -> None:
        site.write("codes/local.yaml", CODES)

        stamp, ours = convert(site.mapping()).stamp, convert(mappings()["enrollment"]).stamp

        assert "Site 2026-09 2026-09-01" in stamp.code_editions
        assert stamp.hash != ours.hash

    def test_explanation_names_the_row_of_the_site(self, site: Site) -> None:
        site.write("codes/local.yaml", CODES)

        lineage = convert(site.mapping(), explain=True).lineage

        assert {one.code_row for one in lineage if one.code_row.startswith("codes/local")} == {
            "codes/local.yaml:7"
        }

    @pytest.mark.parametrize(
        ("text", "place", "words"),
        [
            (CODES.replace("date:", "dated:"), "codes/other.yaml:1", "edition and date"),
            (CODES, "codes/other.yaml:5", "stands in codes/local.yaml:5 too"),
            (
                CODES.replace("modality.snomed", "enrollment.CarePlan"),
                "",
                "enrollment.CarePlan",
            ),
        ],
        ids=["no date", "table in two files", "closed set not covered"],
    )
    def test_fault_names_file_and_line(self, site: Site, text: str, place: str, words: str) -> None:
        site.write("codes/local.yaml", CODES)
        site.write("codes/other.yaml", text)

        with pytest.raises(MappingFault) as refused:
            site.mapping()

        assert any(place in i.diagnostics and words in i.diagnostics for i in refused.value.issues)


class TestRules:
    RULE = """
        rules:
          text: {native: text, fhir: description.text, class: notes}
    """

    def test_single_rule_replaces_ours_by_name(self, site: Site) -> None:
        own = mappings()["enrollment"].pack.entries["goal"]
        named = next(rule for rule in own.rules if rule.fhir == "description.text")
        site.write("enrollment/Goal.yaml", self.RULE.replace("text: {", f"{named.name}: {{"))

        lineage = convert(site.mapping(), explain=True).lineage

        goal = [one for one in lineage if one.path.startswith("Goal.")]
        assert {one.content_class for one in goal if one.layer == "site"} == {"notes"}
        assert {one.path for one in goal if one.layer == "site"} == {"Goal.description.text"}

    def test_rule_of_ours_written_twice_is_a_fault(self, site: Site) -> None:
        site.write("enrollment/Goal.yaml", self.RULE.replace("text: {", "another: {"))

        with pytest.raises(MappingFault) as refused:
            site.mapping()

        assert any("enrollment/Goal.yaml:" in i.diagnostics for i in refused.value.issues)

    def test_missing_folder_is_a_fault(self, site: Site) -> None:
        with pytest.raises(MappingFault, match="does not exist"):
            load_mappings(base=DEFAULT_BASE, site=site.folder / "nowhere")
