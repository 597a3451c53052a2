"""`fhirbridge mappings`, and a site's own pack laid over ours."""

import json
from pathlib import Path

import pytest

from fhirbridge.mapping.native_paths import leaves
from fhirbridge.native import documents
from tests.unit.cli.running import native, run

CASE = "aftercare-plan/mother-of-two"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a site's pack, in force."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("FHIRBRIDGE_MAPPINGS", str(folder))
    return folder


def write(site: Path, name: str, text: str) -> None:
    (site / name).parent.mkdir(parents=True, exist_ok=True)
    (site / name).write_text(text)


# file, its content, what is said of it
FAULTY: dict[str, tuple[str, str, str]] = {
    "not YAML": (
        "aftercare-plan/CarePlan.yaml",
        "rules:\n  status: {native: status,\n",
        "aftercare-plan/CarePlan.yaml:3",
    ),
    "a native field that is not there": (
        "aftercare-plan/CarePlan.yaml",
        "rules:\n\n  status: {native: stattus, fhir: status}\n",
        "aftercare-plan/CarePlan.yaml:3 rule status",
    ),
    "a FHIR element that is not there": (
        "enrollment/CarePlan.yaml",
        "rules:\n  extra-rule: {native: status, fhir: statusses, copy: true}\n",
        "enrollment/CarePlan.yaml:2 rule extra-rule",
    ),
    "an unknown codec": (
        "referral/ServiceRequest.yaml",
        "rules:\n  status: {native: status, fhir: status, codec: reverse, copy: true}\n",
        "referral/ServiceRequest.yaml:2 rule status",
    ),
    "an unknown key": (
        "referral/ServiceRequest.yaml",
        "rules:\n  status: {native: status, fhir: status, unless: x}\n",
        "referral/ServiceRequest.yaml:2 rule status",
    ),
    "two rules on one place": (
        "referral/ServiceRequest.yaml",
        "rules:\n  again: {native: status, fhir: intent, copy: true}\n",
        "rule again",
    ),
    "a rule that loses": (
        "referral/ServiceRequest.yaml",
        "rules:\n  priority: {const: routine, fhir: priority}\n",
        "priority",
    ),
    "a file that no entry uses": (
        "referral/Basic.yaml",
        "rules:\n  a: {const: b, fhir: c}\n",
        "referral/Basic.yaml:1",
    ),
    "a code table without rows": (
        "codes/mine.yaml",
        "edition: mine\ndate: 2026-01-01\ntables:\n  status.mine: {}\n",
        "codes/mine.yaml:4 rule status.mine",
    ),
}


class TestCheck:
    def test_our_own_pack_has_no_fault(self) -> None:
        done = run("mappings", "check")

        assert (done.code, done.out, done.err) == (0, b"", "0 faults.\n")

    @pytest.mark.parametrize(("name", "text", "said"), FAULTY.values(), ids=FAULTY.keys())
    def test_fault_names_file_line_and_rule(
        self, site: Path, name: str, text: str, said: str
    ) -> None:
        write(site, name, text)

        done = run("mappings", "check")

        assert done.code == 1
        assert said in done.out.decode()
        assert done.lines == [f"{len(done.out.splitlines())} faults."]

    @pytest.mark.parametrize(("name", "text", "said"), FAULTY.values(), ids=FAULTY.keys())
    def test_nothing_is_converted_with_a_faulty_pack(
        self, site: Path, name: str, text: str, said: str
    ) -> None:
        write(site, name, text)

        done = run("convert", native(CASE))

        assert (done.code, done.out) == (2, b"")
        assert said in done.err
        assert all(line.startswith("fatal: ") for line in done.lines)

    def test_json_has_one_object_a_fault(self, site: Path) -> None:
        write(site, *FAULTY["an unknown codec"][:2])

        done = run("mappings", "check", "--json")

        assert done.code == 1
        assert done.json[0]["rule"] == "referral/ServiceRequest.yaml:2"

    def test_pack_that_is_not_there_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FHIRBRIDGE_MAPPINGS", "nowhere/at-all")

        done = run("mappings", "check")

        assert done.code == 1
        assert "does not exist" in done.out.decode()


class TestSitePack:
    RULE = "rules:\n  intent: {const: order, fhir: intent, required: true}\n"

    def test_one_rule_is_replaced_and_the_others_stay(self, site: Path) -> None:
        ours = json.loads(native(CASE).parent.joinpath("bundle.json").read_text())
        write(site, "aftercare-plan/CarePlan.yaml", self.RULE)

        done = run("convert", native(CASE))

        assert done.code == 0
        for entry, golden in zip(done.json["entry"], ours["entry"], strict=True):
            expected = golden["resource"]
            if expected["resourceType"] == "CarePlan" and "partOf" not in expected:
                expected = {**expected, "intent": "order"}
            made = entry["resource"]
            assert {**made, "text": None} == {**expected, "text": None}

    def test_explain_names_the_layer_that_won(self, site: Path) -> None:
        write(site, "aftercare-plan/CarePlan.yaml", self.RULE)

        elements = run("explain", "--json", native(CASE), "CarePlan.intent").json["elements"]
        table = run("explain", native(CASE), "CarePlan.intent").out.decode()

        layers = {item["place"]: item["layer"] for item in elements}
        assert layers.pop("aftercare-plan/CarePlan.yaml:2") == "site"
        assert set(layers.values()) <= {"fhirbridge"}
        assert "aftercare-plan/CarePlan.yaml:2 intent (site)" in table

    def test_document_still_comes_back(self, site: Path) -> None:
        write(site, "aftercare-plan/CarePlan.yaml", self.RULE)
        made = run("convert", native(CASE)).out

        back = run("convert", "--reverse", "-", stdin=made)

        assert back.code == 0
        assert back.json == json.loads(native(CASE).read_text())


class TestCoverage:
    @pytest.mark.parametrize("kind", documents.KINDS)
    def test_every_native_field_is_mapped_carried_or_excused(self, kind: documents.Kind) -> None:
        done = run("mappings", "coverage", kind, "--json")

        assert done.code == 0
        homes = done.json[kind]
        assert homes.keys() == {path for path, _ in leaves(documents.shape(kind))}
        words = {home.split(" ")[0] for home in homes.values()}
        assert words <= {"element", "extension", "carrier", "excused"}

    def test_excuse_comes_with_its_reason(self) -> None:
        homes = run("mappings", "coverage", "--json").json

        excused = [h for d in homes.values() for h in d.values() if h.startswith("excused")]
        assert excused
        assert all(len(home) > len("excused (…)") for home in excused)

    def test_table_counts_the_homes(self) -> None:
        done = run("mappings", "coverage", "referral")

        total = len(list(leaves(documents.shape("referral"))))
        assert f"referral: {total} fields: " in done.out.decode()

    def test_carried_lists_carriers_and_extensions_only(self) -> None:
        done = run("mappings", "coverage", "--carried")

        rows = [line.split()[1] for line in done.out.decode().splitlines() if ".yaml:" in line]
        assert set(rows) <= {"carrier", "extension"}


class TestShow:
    def test_rules_are_a_table_with_native_field_and_element(self) -> None:
        done = run("mappings", "show", "aftercare-plan")

        head, *rows = done.out.decode().splitlines()
        assert head.split() == ["entry", "rule", "native", "FHIR", "codec", "class", "notes"]
        status = next(
            row for row in rows if row.startswith("aftercare-plan/plan  ") and " status " in row
        )
        assert "CarePlan.status" in status

    def test_json_has_one_object_a_rule(self) -> None:
        rows = run("mappings", "show", "--json").json

        assert {row["entry"].partition("/")[0] for row in rows} == set(documents.KINDS)
        assert all(row["FHIR"] and row["class"] for row in rows)
