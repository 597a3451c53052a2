"""Regenerates `us_core.json` from a table of the US Core profiles.

    python -m fhirbridge.fhir.definitions.extract_us_core TABLE.json

The table holds, for each profile and version, the rows of its differential merged with the base
minimum and maximum: `{"profiles": {name: {"type", "url", "versions": {version: [{"id", "min",
"max", "type", "binding", "patternX", "inv"}]}}}}`. Only what a resource can break is kept: minimum
and maximum beyond R4, slices, required value sets, reference targets, constraints. Must-support,
extensible and preferred bindings are none of it.
Source: HL7/US-Core (CC0), tags 6.1.0 and 7.0.0, branches 8.0.1 and 9.0.0
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from fhirbridge.fhir.definitions import ElementInfo, definitions
from fhirbridge.jsontypes import Json, JsonObject

_CORE = "http://hl7.org/fhir/us/core/ValueSet/"
_NULL_FLAVOR = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
# The required value sets that R4 does not have. `*`: every code of the system; LOINC's document
# codes (SCALE_TYP Doc) cannot be listed, because LOINC is licensed.
# Source: the ValueSets of these names in HL7/US-Core, unchanged from 6.1.0 to 9.0.0
VALUE_SETS: JsonObject = {
    _CORE + "us-core-narrative-status": {
        "http://hl7.org/fhir/narrative-status": ["additional", "generated"]
    },
    _CORE + "us-core-problem-or-health-concern": {
        "http://terminology.hl7.org/CodeSystem/condition-category": ["problem-list-item"],
        "http://hl7.org/fhir/us/core/CodeSystem/condition-category": ["health-concern"],
    },
    _CORE + "us-core-documentreference-type": {"http://loinc.org": ["*"], _NULL_FLAVOR: ["UNK"]},
}
_REFERENCE = re.compile(r"Reference\((.*)\)")


def profiles(table: JsonObject) -> JsonObject:
    """URL -> type and rules, each rule with the versions that have it."""
    types = {name: name for name in definitions().resource_types}
    types |= {_name(profile["url"]): profile["type"] for profile in table["profiles"].values()}
    types |= {"Resource": "Resource", **{f"us-core-{name.lower()}": name for name in types}}
    found: JsonObject = {}
    for profile in table["profiles"].values():
        rules: dict[str, JsonObject] = {}
        for version, rows in profile["versions"].items():
            for rule in _rules(profile["type"], rows, types):
                key = json.dumps(rule, sort_keys=True)
                rules.setdefault(key, {**rule, "versions": []})["versions"].append(version)
        found[profile["url"]] = {
            "type": profile["type"],
            "versions": list(profile["versions"]),
            "rules": list(rules.values()),
        }
    return found


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _rules(
    resource_type: str, rows: list[JsonObject], types: Mapping[str, str]
) -> list[JsonObject]:
    by_id = {row["id"]: row for row in rows}
    rules = []
    for row in rows:
        head, _, slice_name = row["id"].partition(":")
        steps = head.split(".")[1:]
        if steps[:1] == ["extension"] or slice_name in ("url",):
            continue
        if "." in slice_name:  # a part of a slice: it is what the slice is known by
            continue
        rule = _slice(by_id, row) if slice_name else _element(resource_type, steps, row, types)
        if row.get("inv"):
            rule["invariants"] = row["inv"]
        if rule.keys() - {"where", "in", "slice"}:
            rules.append({"path": ".".join(steps), **rule})
    return rules


def _element(
    resource_type: str, steps: list[str], row: JsonObject, types: Mapping[str, str]
) -> JsonObject:
    """What a row asks of an element beyond what R4 does."""
    rule: JsonObject = {}
    variants = _variants(resource_type, steps)
    if not variants:
        return rule
    base = variants[0]
    if row.get("min", 0) > base.min:
        rule["min"] = row["min"]
    limit = row.get("max", "*")
    if limit != "*" and (base.max is None or int(limit) < base.max):
        rule["max"] = int(limit)
    strength, value_set = row.get("binding", ("", ""))
    if strength == "required" and value_set in VALUE_SETS:
        rule["values"] = value_set
    targets = _targets(row, types)
    if targets and not targets >= {name for element in variants for name in element.targets}:
        rule["targets"] = sorted(targets)
    return rule


def _variants(resource_type: str, steps: list[str]) -> list[ElementInfo]:
    """The element of R4 that a path leads to; several for a choice."""
    children = resource_type
    found: list[ElementInfo] = []
    for step in steps:
        stem = step.removesuffix("[x]")
        elements = definitions().elements(children).values()
        found = [e for e in elements if e.name == step or (e.choice and e.choice == stem)]
        if not found:
            return []
        children = found[0].children
    return found


def _targets(row: JsonObject, types: Mapping[str, str]) -> set[str]:
    """The resource types that a reference may point to; empty when that is not said."""
    texts = [match[1] for text in row.get("type", ()) if (match := _REFERENCE.fullmatch(text))]
    names = {types[target.rstrip("!")] for text in texts for target in text.split("|")}
    return set() if "Resource" in names else names


def _slice(by_id: JsonObject, row: JsonObject) -> JsonObject:
    """A slice: what its items are known by, and how often it may occur."""
    rule: JsonObject = {"slice": row["id"].partition(":")[2]}
    where = {"$this": pattern} if (pattern := _pattern(row)) else {}
    for other, part in by_id.items():
        if other.startswith(row["id"] + ".") and (pattern := _pattern(part)):
            where[other.removeprefix(row["id"] + ".")] = pattern
    if where:
        rule["where"] = where
    elif row.get("binding", [""])[0] == "required" and row["binding"][1] in VALUE_SETS:
        rule["in"] = row["binding"][1]
    else:
        return {}
    if row.get("min"):
        rule["min"] = row["min"]
    if row.get("max", "*") != "*":
        rule["max"] = int(row["max"])
    return rule


def _pattern(row: JsonObject) -> Json:
    return next((value for name, value in row.items() if name.startswith("pattern")), None)


def main(table: str, folder: Path = Path(__file__).parent) -> None:
    """Write `us_core.json` into `folder`: one profile a line."""
    found = profiles(json.loads(Path(table).read_text(encoding="utf-8")))
    lines = [f"  {_line(url)}:{_line(profile)}" for url, profile in sorted(found.items())]
    text = '{\n"profiles":{\n' + ",\n".join(lines) + '\n},\n"value_sets":' + _line(VALUE_SETS)
    (folder / "us_core.json").write_text(text + "\n}\n", encoding="utf-8")


def _line(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    main(sys.argv[1])
