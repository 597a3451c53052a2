"""Regenerates the data files of this folder from the official R4 package.

    npm pack hl7.fhir.r4.examples@4.0.1
    python -m fhirbridge.fhir.definitions.extract hl7.fhir.r4.examples-4.0.1.tgz

Only what the program uses is kept, without prose. Nobody edits the data files by hand.
Source: npm package hl7.fhir.r4.examples 4.0.1 (CC0), R4 structuredefinition.html, valueset.html.
"""

import json
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

from fhirbridge.fhir.definitions.expansion import Terminology
from fhirbridge.jsontypes import Json, JsonObject

_DEFINING = (
    "CodeSystem-",
    "CompartmentDefinition-",
    "SearchParameter-",
    "StructureDefinition-",
    "ValueSet-",
)
_BASE = "http://hl7.org/fhir/StructureDefinition/"
_FHIR_TYPE = _BASE + "structuredefinition-fhir-type"
_ABSTRACT = {"Resource", "DomainResource", "Element", "BackboneElement"}
# What the package says of these three is a known error or too weak; the text of R4 decides.
# Source: R4 resource.html#id, narrative.html, extensibility.html#Extension
_TYPE_CORRECTIONS = {"Resource.id": "id", "Narrative.div": "xhtml", "Extension.url": "uri"}


def read_package(archive: Path) -> list[JsonObject]:
    """The resources of the npm package that define something, in the order of their file names."""
    contents = {}
    with tarfile.open(archive) as package:
        for member in package:  # to go back in it means to unpack it again
            name = Path(member.name).name
            handle = package.extractfile(member) if name.startswith(_DEFINING) else None
            if handle is not None:
                contents[name] = handle.read()
    return [json.loads(contents[name]) for name in sorted(contents)]


def search_parameters(resources: Iterable[JsonObject]) -> list[JsonObject]:
    """The official search parameters that have a base: code, base, type, expression…"""
    keep = ("url", "code", "base", "type", "expression", "target", "component", "multipleOr")
    found = [
        {key: resource[key] for key in keep if key in resource}
        for resource in resources
        if resource["resourceType"] == "SearchParameter"
        and resource.get("base")
        and resource["url"].startswith("http://hl7.org/fhir/SearchParameter/")
        and not resource["id"].startswith("example")
    ]
    return sorted(found, key=lambda parameter: str(parameter["url"]))


def compartments(resources: Iterable[JsonObject]) -> JsonObject:
    """Compartment name -> resource type -> codes of the search parameters that make a member."""
    return {
        resource["code"]: {
            entry["code"]: entry["param"] for entry in resource["resource"] if entry.get("param")
        }
        for resource in resources
        if resource["resourceType"] == "CompartmentDefinition" and resource["id"] != "example"
    }


def structures(definitions: list[JsonObject]) -> JsonObject:
    """Type -> kind, base and own elements (those of the base are not repeated).

    Backbone elements are types of their own, named by their path (`CarePlan.activity`).
    """
    types: JsonObject = {}
    type_names = {definition["type"] for definition in definitions}
    for definition in definitions:
        name = definition["type"]
        base = definition.get("baseDefinition", "").removeprefix(_BASE)
        types[name] = {
            "kind": definition["kind"].removesuffix("-type"),
            "base": base or None,
            "elements": [],
        }
        if name in _ABSTRACT:
            types[name]["abstract"] = True
        if definition["kind"] == "primitive-type":
            continue
        for element in definition["snapshot"]["element"][1:]:
            _add_element(types, type_names, element)
    return types


def _add_element(types: JsonObject, type_names: set[str], element: JsonObject) -> None:
    parent, _, name = element["path"].rpartition(".")
    inherited = element["base"]["path"].rpartition(".")[0]
    if inherited != parent and inherited in type_names:
        return
    row: JsonObject = {"name": name}
    if element["min"]:
        row["min"] = element["min"]
    if element["max"] != "1":
        row["max"] = element["max"]
    if "contentReference" in element:
        row["like"] = element["contentReference"].removeprefix("#")
    else:
        row["types"] = [_type_code(element["path"], entry) for entry in element["type"]]
        targets = sorted(
            {
                profile.removeprefix(_BASE)
                for entry in element["type"]
                for profile in entry.get("targetProfile", [])
            }
        )
        if targets and targets != ["Resource"]:
            row["targets"] = targets
        profiles = {p.removeprefix(_BASE) for e in element["type"] for p in e.get("profile", [])}
        if "SimpleQuantity" in profiles:
            row["simple"] = True
    binding = element.get("binding", {})
    if binding.get("strength") == "required" and "valueSet" in binding:
        row["codes"] = binding["valueSet"].split("|")[0]
    if element.get("isSummary"):
        row["summary"] = True
    types[parent]["elements"].append(row)
    if row.get("types", [""])[0] in {"BackboneElement", "Element"} and element["path"].count("."):
        types[element["path"]] = {"kind": "complex", "base": row["types"][0], "elements": []}


def _type_code(path: str, entry: JsonObject) -> str:
    if path in _TYPE_CORRECTIONS:
        return _TYPE_CORRECTIONS[path]
    for extension in entry.get("extension", []):
        if extension["url"] == _FHIR_TYPE:
            return str(extension["valueUrl"])
    return str(entry["code"])


def invariants(definitions: Iterable[JsonObject]) -> list[JsonObject]:
    """Key, severity, words and FHIRPath of each constraint, with the places where it holds."""
    found: dict[tuple[str, str], JsonObject] = {}
    for definition in definitions:
        for element in definition["snapshot"]["element"]:
            for constraint in element.get("constraint", []):
                source = constraint.get("source", "").removeprefix(_BASE)
                inherited = element["path"] != element["base"]["path"]
                if source not in ("", definition["type"]) or inherited:
                    continue
                row = {
                    name: constraint[name]
                    for name in ("key", "severity", "human", "expression")
                    if name in constraint
                }
                known = found.setdefault((constraint["key"], definition["type"]), {**row, "on": []})
                if element["path"] not in known["on"]:
                    known["on"].append(element["path"])
    return [found[place] for place in sorted(found)]


def write(folder: Path, name: str, content: Json) -> None:
    """Write one data file: one entry a line, so that a change can be read in a diff."""
    if isinstance(content, dict):
        lines = [f"{_line(key)}:{_line(value)}" for key, value in sorted(content.items())]
        text = "{\n" + ",\n".join(lines) + "\n}\n"
    else:
        text = "[\n" + ",\n".join(_line(value) for value in content) + "\n]\n"
    (folder / name).write_text(text, encoding="utf-8")


def _line(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def main(archive: str, folder: Path = Path(__file__).parent) -> None:
    """Write all data files into `folder` from the package `archive`."""
    resources = read_package(Path(archive))
    definitions = [
        resource
        for resource in resources
        if resource["resourceType"] == "StructureDefinition"
        and resource["kind"] in ("resource", "complex-type", "primitive-type")
        and resource.get("derivation") != "constraint"
        and resource["url"] == _BASE + resource["type"]
    ]
    types = structures(definitions)
    bound = {e["codes"] for entry in types.values() for e in entry["elements"] if "codes" in e}
    write(folder, "search_parameters.json", search_parameters(resources))
    write(folder, "compartments.json", compartments(resources))
    write(folder, "structures.json", types)
    write(folder, "invariants.json", invariants(definitions))
    write(folder, "value_sets.json", Terminology(resources).expand_all(bound))


if __name__ == "__main__":
    main(sys.argv[1])
