"""A small pack for the tests of the engine: one patient, one plan, goals, skills, sessions."""

from pathlib import Path
from textwrap import dedent

from fhirbridge.jsontypes import NativeNode
from fhirbridge.mapping.compiler import Mapping, compile_pack
from fhirbridge.mapping.loader import Layer, read_pack

BASE = "https://bridge.example/fhir"

FILES = {
    "codes/status.yaml": """
        edition: test 1
        date: 2026-01-01
        tables:
          plan-status:
            vocabulary: plan-status
            rows:
              - {native: inquiry, fhir: draft}
              - {native: scheduled, fhir: draft}
              - {native: active, fhir: active}
          goal-status:
            rows:
              - {native: open, fhir: active}
              - {native: done, fhir: completed}
        """,
    "enrollment/mapping.yaml": """
        pack: test
        version: 0.1.0
        document: enrollment
        systems:
          careplan-category: http://hl7.org/fhir/us/core/CodeSystem/careplan-category
          level: "{base}/CodeSystem/level"
          skill: "{base}/CodeSystem/skill"
          mr: http://terminology.hl7.org/CodeSystem/v2-0203
        extensions:
          native-status: "{base}/StructureDefinition/native-status"
          note: "{base}/StructureDefinition/note"
        slices:
          CarePlan:
            identifier[own]: {system: "{base}/identifier/plan"}
            category[assess]: {"coding[system=careplan-category].code": assess-plan}
            category[level]: {"coding[system=level]": present}
          Goal:
            identifier[own]: {system: "{base}/identifier/goal"}
          Patient:
            identifier[mrn]: {"type.coding[system=mr].code": MR}
        excused:
          secret: never leaves
        resources:
          patient: {type: Patient, of: patient, key: mrn, scope: source, class: identity,
                    find: plan.subject}
          plan: {type: CarePlan, of: ., key: recordId, class: treatment-plan,
                 find: {category: assess-plan, partOf: absent}}
          goal: {type: Goal, of: "goals[]", key: id, class: treatment-plan, find: "plan.goal[]"}
        """,
    "enrollment/Patient.yaml": """
        rules:
          mrn: {native: mrn, fhir: "identifier[mrn].value"}
          family: {native: name.family, fhir: "name[use=official].family"}
          given: {each: "name.given[]", fhir: "name[use=official].given[]", key: ordered, rules: {
                    v: {native: ., fhir: .}}}
        """,
    "enrollment/CarePlan.yaml": """
        rules:
          id: {native: recordId, fhir: "identifier[own].value", codec: key}
          source: {native: sourceSystem, fhir: meta.source, codec: "prefix urn:source: escape"}
          status: {native: status, fhir: status, codec: code plan-status, carry: native-status}
          intent: {const: plan, fhir: intent, required: true}
          assess: {const: assess-plan, required: true,
                   fhir: "category[assess].coding[system=careplan-category].code"}
          level: {native: level, fhir: "category[level].coding[system=level].code"}
          start: {native: admitDate, fhir: period.start, codec: date}
          title: {native: level, fhir: title, copy: true}
          subject: {link: patient, fhir: subject, required: true}
          goals: {link: goal, fhir: "goal[]"}
          skills: {each: "skills[]", fhir: "activity[].detail", key: ., rules: {
                     code: {native: ., fhir: "code.coding[system=skill].code"},
                     st: {const: in-progress, fhir: status}}}
        """,
    "enrollment/Goal.yaml": """
        rules:
          id: {native: id, fhir: "identifier[own].value", codec: key}
          text: {native: text, fhir: description.text}
          status: {native: status, fhir: lifecycleStatus, codec: code goal-status}
          note: {native: note, fhir: "extension[note].valueString", class: notes}
          subject: {link: patient, fhir: subject, required: true}
        """,
}

TEXT = NativeNode("string")
SHAPE = NativeNode(
    "object",
    fields={
        "sourceSystem": TEXT,
        "recordId": TEXT,
        "secret": TEXT,
        "status": NativeNode("code", codes=("inquiry", "scheduled", "active")),
        "level": NativeNode("code"),
        "admitDate": NativeNode("date"),
        "patient": NativeNode(
            "object",
            fields={
                "mrn": TEXT,
                "name": NativeNode(
                    "object", fields={"family": TEXT, "given": NativeNode("list", item=TEXT)}
                ),
            },
        ),
        "skills": NativeNode("list", item=NativeNode("code"), key="."),
        "goals": NativeNode(
            "list",
            key="id",
            item=NativeNode(
                "object",
                fields={
                    "id": TEXT,
                    "text": TEXT,
                    "note": TEXT,
                    "status": NativeNode("code", codes=("open", "done")),
                },
            ),
        ),
    },
)

DOCUMENT = {
    "sourceSystem": "clinic a",
    "recordId": "E/1",
    "status": "scheduled",
    "level": "2.1",
    "admitDate": "2026-03-02",
    "patient": {"mrn": "M1", "name": {"family": "Example", "given": ["Ana", "Lu"]}},
    "skills": ["budget", "sleep"],
    "goals": [
        {"id": "g1", "text": "Ninety days", "status": "open", "note": "set with her"},
        {"id": "g2", "text": "Call sister", "status": "done"},
    ],
}


def write_pack(folder: Path, **changes: str) -> Layer:
    """Write the pack; `CarePlan="…"` replaces a file of that stem."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(changes.get(path.stem, text)).lstrip())
    return Layer("test", folder)


def edited(name: str, old: str, new: str) -> str:
    """A file of the pack with one piece of text replaced."""
    text = FILES[name]
    assert old in text
    return text.replace(old, new)


def compiled(folder: Path, *more: Layer, **changes: str) -> Mapping:
    """The pack, read and compiled."""
    layer = write_pack(folder, **changes)
    return compile_pack(read_pack("enrollment", [layer, *more], base=BASE), SHAPE)
