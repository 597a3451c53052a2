"""`fhirbridge convert`: both ways, to stdout and files, and what it says to bad input."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.cli import output
from fhirbridge.fhir import wire
from fhirbridge.native import documents
from tests.unit.cli.running import CASES, NOT_READABLE, bundle, native, run

CASE = "aftercare-plan/mother-of-two"
CANARY = "Canary-Quetzal"
FINDING = ("fatal: ", "error: ", "warning: ", "information: ")


class TestForward:
    @pytest.mark.parametrize("case", CASES)
    def test_document_becomes_its_golden_bundle(self, case: str) -> None:
        done = run("convert", native(case))

        assert done.code == 0
        assert done.out == bundle(case).read_bytes()
        assert all(line.startswith(FINDING[2:]) for line in done.lines)

    def test_several_documents_become_a_list_in_their_order(self) -> None:
        cases = ["referral/minimal", "enrollment/minimal"]

        done = run("convert", *map(native, cases))

        assert done.json == [json.loads(bundle(case).read_text()) for case in cases]
        assert all(f"{case}/native.json: " in done.err for case in cases)

    def test_reads_standard_input(self) -> None:
        done = run("convert", "-", stdin=native(CASE).read_bytes())

        assert (done.code, done.out) == (0, bundle(CASE).read_bytes())

    def test_json_has_result_and_findings_and_no_words(self) -> None:
        done = run("convert", "--json", native("aftercare-plan/incomplete-safety-plan"))

        assert done.err == ""
        assert set(done.json) == {"result", "issues"}
        assert done.json["result"]["resourceType"] == "Bundle"
        found = done.json["issues"][0]
        assert set(found) == {"severity", "code", "expression", "diagnostics", "rule"}

    def test_namespace_gives_other_ids(self) -> None:
        namespace = "00000000-0000-0000-0000-000000000001"

        done = run("convert", "--namespace", namespace, native(CASE))

        other = {entry["fullUrl"] for entry in done.json["entry"]}
        assert not other & {e["fullUrl"] for e in json.loads(bundle(CASE).read_text())["entry"]}


class TestReverse:
    @pytest.mark.parametrize("kind", documents.KINDS)
    def test_bundle_becomes_its_document_whose_kind_is_found_out(self, kind: str) -> None:
        case = f"{kind}/mother-of-two" if kind != "referral" else "referral/scheduled"
        expected = documents.load(kind, wire.parse(native(case).read_bytes())).data  # type: ignore[arg-type]

        done = run("convert", "--reverse", bundle(case))

        assert done.code == 0
        assert wire.canonical(wire.parse(done.out)) == wire.canonical(
            {name: value for name, value in expected.items() if name in done.json}
        )
        assert expected.keys() - done.json.keys() <= {"extra", "sudCounselingNotesRef"}

    def test_what_does_not_fit_is_listed(self) -> None:
        resources = json.loads(bundle(CASE).read_text())
        patient = resources["entry"][0]["resource"]
        patient["maritalStatus"] = {"text": "never married"}

        done = run("convert", "--reverse", "-", stdin=json.dumps(resources).encode())

        assert done.code == 0
        assert any("Patient.maritalStatus" in line for line in done.lines)
        assert "never married" not in done.err

    def test_invalid_resource_is_refused_with_every_fault(self) -> None:
        resource = {"resourceType": "Patient", "birthDate": "1990-02-30", "gender": "f", "x": 1}

        done = run("convert", "--reverse", "-", stdin=wire.dump(resource))

        assert (done.code, done.out) == (1, b"")
        places = {line.split(": ")[1] for line in done.lines}
        assert places == {"Patient.birthDate", "Patient.gender", "Patient.x"}

    @pytest.mark.parametrize(
        ("option", "file", "hint"),
        [((), bundle(CASE), "--reverse reads it"), (("--reverse",), native(CASE), "leave out")],
        ids=["a Bundle forward", "a document in reverse"],
    )
    def test_wrong_direction_is_named(self, option: tuple[str], file: Path, hint: str) -> None:
        done = run("convert", *option, file)

        assert (done.code, done.out) == (1, b"")
        assert hint in done.err


class TestOut:
    def test_data_goes_to_the_file_alone(self, tmp_path: Path) -> None:
        done = run("convert", native(CASE), "--out", tmp_path / "plan.json")

        assert (done.code, done.out) == (0, b"")
        assert (tmp_path / "plan.json").read_bytes() == bundle(CASE).read_bytes()
        assert os.listdir(tmp_path) == ["plan.json"]

    def test_file_that_was_there_keeps_its_mode_and_its_links(self, tmp_path: Path) -> None:
        target, link = tmp_path / "plan.json", tmp_path / "link.json"
        target.write_text("old")
        target.chmod(0o640)
        link.symlink_to(target)

        run("convert", native(CASE), "--out", link)

        assert link.is_symlink()
        assert target.read_bytes() == bundle(CASE).read_bytes()
        assert stat.S_IMODE(target.stat().st_mode) == 0o640

    def test_new_file_has_the_usual_mode(self, tmp_path: Path) -> None:
        before = os.umask(0o027)
        try:
            run("convert", native(CASE), "--out", tmp_path / "plan.json")
        finally:
            os.umask(before)

        assert stat.S_IMODE((tmp_path / "plan.json").stat().st_mode) == 0o640

    def test_failed_write_leaves_the_old_file_whole(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "plan.json").write_text("old")

        def no_space(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(output.os, "fsync", no_space)
        done = run("convert", native(CASE), "--out", tmp_path / "plan.json")

        assert done.code == 2
        assert "No space left on device" in done.err
        assert os.listdir(tmp_path) == ["plan.json"]
        assert (tmp_path / "plan.json").read_text() == "old"

    def test_folder_that_is_not_there_is_a_usage_error(self, tmp_path: Path) -> None:
        done = run("convert", native(CASE), "--out", tmp_path / "no" / "plan.json")

        assert (done.code, done.out) == (2, b"")
        assert "cannot be written" in done.err

    def test_device_is_written_to_and_not_replaced(self) -> None:
        done = run("convert", native(CASE), "--out", "/dev/null")

        assert done.code == 0
        assert not Path("/dev/null").is_file()

    def test_nothing_is_written_when_one_of_several_is_refused(self, tmp_path: Path) -> None:
        bad = tmp_path / "bad.json"
        bad.write_text("{}")

        done = run("convert", native(CASE), bad, "--out", tmp_path / "out.json")

        assert (done.code, done.out) == (1, b"")
        assert os.listdir(tmp_path) == ["bad.json"]
        assert f"{bad}: " in done.err


class TestBadInput:
    @pytest.mark.parametrize("content", NOT_READABLE.values(), ids=NOT_READABLE.keys())
    @pytest.mark.parametrize("arguments", [("convert",), ("convert", "--reverse"), ("explain",)])
    def test_is_refused_in_one_line_that_names_the_file(
        self, arguments: tuple[str, ...], content: bytes, tmp_path: Path
    ) -> None:
        file = tmp_path / "case.json"
        file.write_bytes(content)

        done = run(*arguments, file)

        assert (done.code, done.out) == (1, b"")
        assert len(done.lines) == 1
        assert done.lines[0].startswith(FINDING[:2])
        assert f"{file}: " in done.lines[0]
        assert os.listdir(tmp_path) == ["case.json"]

    def test_file_of_50_megabytes_is_refused_by_its_size(self, tmp_path: Path) -> None:
        file = tmp_path / "large.json"
        with file.open("wb") as large:
            large.truncate(50_000_000)

        done = run("convert", file)

        assert (done.code, done.out) == (1, b"")
        assert "larger than the limit of 10000000 bytes" in done.err

    @pytest.mark.parametrize(
        "place",
        [lambda folder: folder / "missing.json", lambda folder: folder],
        ids=["a missing file", "a folder"],
    )
    @pytest.mark.parametrize("command", ["convert", "validate", "explain"])
    def test_file_that_cannot_be_read_is_a_usage_error(
        self, command: str, place: Callable[[Path], Path], tmp_path: Path
    ) -> None:
        done = run(command, place(tmp_path))

        assert (done.code, done.out) == (2, b"")
        assert len(done.lines) == 1
        assert f"{place(tmp_path)} cannot be read" in done.err

    @pytest.mark.parametrize(
        ("changes", "places"),
        [
            ({"version": "one"}, ["$.version"]),
            ({"nickname": "x", "patient.shoeSize": 3}, ["$.nickname", "$.patient.shoeSize"]),
            ({"updatedAt": "yesterday"}, ["$.updatedAt"]),
            ({"patient.birthDate": "1991-02-30"}, ["$.patient.birthDate"]),
            ({"patient.birthDate": 19910214, "goals": "none"}, ["$.patient.birthDate", "$.goals"]),
            ({"schema": "fhirbridge.enrollment/9"}, ["$.schema"]),
            ({"schema": 1}, ["$.schema"]),
        ],
        ids=["wrong type", "unknown fields", "no date", "no such day", "two", "version", "schema"],
    )
    def test_every_fault_has_its_line_with_the_place(
        self, changes: dict[str, Any], places: list[str]
    ) -> None:
        document = json.loads(native(CASE).read_text())
        for path, value in changes.items():
            *parents, name = path.split(".")
            holder = document
            for parent in parents:
                holder = holder[parent]
            holder[name] = value

        done = run("convert", "-", stdin=json.dumps(document).encode())

        assert (done.code, done.out) == (1, b"")
        errors = [line for line in done.lines if line.startswith("error: ")]
        assert sorted(line.split(": ")[1] for line in errors) == sorted(places)

    def test_json_says_what_is_wrong_too(self) -> None:
        done = run("convert", "--json", "-", stdin=b"[]")

        assert (done.code, done.err) == (1, "")
        assert done.json["result"] is None
        assert done.json["issues"][0]["severity"] == "fatal"


def replaced(value: Any, change: Callable[[Any], Any], keep: frozenset[str]) -> Any:
    """The value with every leaf changed but those under the names to keep."""
    if isinstance(value, dict):
        return {
            name: item if name in keep else replaced(item, change, keep)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [replaced(item, change, keep) for item in value]
    return change(value)


def texts_only(value: Any) -> Any:
    return f"{CANARY} {value}" if isinstance(value, str) else value


CHANGES: dict[str, Callable[[Any], Any]] = {
    "texts": texts_only,
    "numbers": lambda value: 8_675_309 if isinstance(value, int | float) else value,
    "objects": lambda value: {"text": CANARY},
    "lists": lambda value: [CANARY],
    "texts for all": lambda value: CANARY,
    "too long": lambda value: CANARY * 200 if isinstance(value, str) else value,
    "dates": lambda value: f"{value}T{CANARY}" if "-" in str(value) else value,
    "blanks around": lambda value: f" {CANARY}\n" if isinstance(value, str) else value,
}


class TestNoPatientValueInMessages:
    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
    @pytest.mark.parametrize("kind", documents.KINDS)
    def test_of_a_document(self, kind: str, change: Callable[[Any], Any]) -> None:
        document = json.loads(native(f"{kind}/maximal").read_text())
        broken = replaced(document, change, frozenset({"schema"}))

        done = run("convert", "-", stdin=json.dumps(broken).encode())

        assert done.code == 1
        assert CANARY not in done.err
        assert "8675309" not in done.err

    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
    @pytest.mark.parametrize("kind", documents.KINDS)
    @pytest.mark.parametrize("command", ["convert --reverse", "validate"])
    def test_of_a_bundle(self, command: str, kind: str, change: Callable[[Any], Any]) -> None:
        resources = json.loads(bundle(f"{kind}/maximal").read_text())
        broken = replaced(resources, change, frozenset({"resourceType"}))

        done = run(*command.split(), "-", stdin=json.dumps(broken).encode())

        assert done.code in (0, 1)
        printed = done.err if command != "validate" else done.err + done.out.decode()
        assert CANARY not in printed
        assert "8675309" not in printed

    @pytest.mark.parametrize("kind", documents.KINDS)
    def test_of_a_bundle_that_is_valid_but_not_ours(self, kind: str) -> None:
        resources = json.loads(bundle(f"{kind}/maximal").read_text())
        keep = frozenset(
            {"resourceType", "url", "system", "reference", "fullUrl", "request", "id", "div"}
        )

        def change(value: Any) -> Any:
            free = isinstance(value, str) and " " in value
            return f"{CANARY} {value}" if free else value

        changed = replaced(resources, change, keep)
        for entry in changed["entry"]:
            added = {"url": "http://elsewhere.example/x", "valueString": CANARY}
            entry["resource"].setdefault("extension", []).append(added)

        done = run("convert", "--reverse", "--to", kind, "-", stdin=json.dumps(changed).encode())

        assert done.code == 0
        assert "warning: " in done.err
        assert CANARY not in done.err
        assert CANARY in done.out.decode()
