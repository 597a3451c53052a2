import json
from pathlib import Path
from typing import Any

from fhirbridge.fhir.definitions import extract_us_core

PATTERN = {"coding": [{"system": "https://x.example", "code": "plan"}]}
ROWS: Any = [
    {"id": "CarePlan.status", "min": 1, "max": "1", "binding": ["required(base)", "x"]},
    {"id": "CarePlan.category", "min": 1, "max": "*", "ms": True},
    {"id": "CarePlan.category:plan", "min": 1, "max": "1", "patternCodeableConcept": PATTERN},
    {"id": "CarePlan.subject", "min": 1, "max": "1", "type": ["Reference(us-core-patient!)"]},
    {"id": "CarePlan.author", "min": 0, "max": "1", "type": ["Reference(us-core-patient)"]},
    {"id": "CarePlan.extension:x", "min": 1, "max": "1"},
    {"id": "CarePlan", "min": 0, "max": "*", "inv": ["us-core-0"]},
]


def table(**versions: Any) -> Any:
    url = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-careplan"
    patient = {
        "type": "Patient",
        "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient",
        "versions": {},
    }
    plan = {"type": "CarePlan", "url": url, "versions": versions}
    return {"profiles": {"careplan": plan, "patient": patient}}


def rules(**versions: Any) -> Any:
    found = extract_us_core.profiles(table(**versions))
    return found["http://hl7.org/fhir/us/core/StructureDefinition/us-core-careplan"]["rules"]


def test_only_what_goes_beyond_r4_is_kept() -> None:
    assert rules(a=ROWS) == [
        {"path": "category", "min": 1, "versions": ["a"]},
        {
            "path": "category",
            "slice": "plan",
            "where": {"$this": PATTERN},
            "min": 1,
            "max": 1,
            "versions": ["a"],
        },
        {"path": "subject", "targets": ["Patient"], "versions": ["a"]},
        {"path": "author", "targets": ["Patient"], "versions": ["a"]},
        {"path": "", "invariants": ["us-core-0"], "versions": ["a"]},
    ]


def test_rule_names_the_versions_that_have_it() -> None:
    both = rules(a=ROWS[1:2], b=ROWS[1:3])

    assert [(rule["path"], rule["versions"]) for rule in both] == [
        ("category", ["a", "b"]),
        ("category", ["b"]),
    ]


def test_file_is_written_with_the_value_sets(tmp_path: Path) -> None:
    source = tmp_path / "table.json"
    source.write_text(json.dumps(table(a=ROWS)))

    extract_us_core.main(str(source), tmp_path)

    written = json.loads((tmp_path / "us_core.json").read_text())
    assert set(written) == {"profiles", "value_sets"}
    assert written["value_sets"] == extract_us_core.VALUE_SETS
