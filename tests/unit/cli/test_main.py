"""The command group: help without imports, exit codes, real processes."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fhirbridge.cli import main
from fhirbridge.errors import (
    BridgeError,
    Conflict,
    Forbidden,
    InvalidContent,
    Issue,
    Misconfigured,
    NotFound,
    PartnerUnreachable,
    TooLarge,
    Unavailable,
)
from tests.unit.cli.running import ROOT, bundle, native, run

CASE = "enrollment/mother-of-two"


def process(*arguments: str, stdin: bytes | None = None) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, *arguments],
        input=stdin,
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("FHIRBRIDGE_")},
        capture_output=True,
        timeout=60,
        check=False,
    )


class TestHelp:
    @pytest.mark.parametrize("name", main.COMMANDS)
    def test_sentence_is_the_one_of_the_command(self, name: str) -> None:
        command = importlib.import_module(f"fhirbridge.cli.{name}").command

        assert isinstance(command, click.Command)
        assert command.get_short_help_str(limit=200) == main.COMMANDS[name]

    @pytest.mark.parametrize("name", main.COMMANDS)
    def test_every_command_has_help(self, name: str) -> None:
        done = run(name, "--help")

        assert done.code == 0
        assert f"Usage: fhirbridge {name}" in done.out.decode()

    @pytest.mark.parametrize("name", ["audit", "consent", "handoff", "outbox", "partner"])
    def test_a_group_shows_whole_sentences(self, name: str) -> None:
        listed = run(name, "--help").out.decode().partition("Commands:")[2]

        assert "..." not in listed
        assert ". " not in listed.strip()

    @pytest.mark.parametrize("name", main.COMMANDS)
    def test_every_option_says_what_it_is_for(self, name: str) -> None:
        command = importlib.import_module(f"fhirbridge.cli.{name}").command
        commands = [command, *getattr(command, "commands", {}).values()]

        assert [
            option.opts
            for each in commands
            for option in each.params
            if isinstance(option, click.Option) and not option.help
        ] == []

    def test_every_module_with_a_command_is_listed(self) -> None:
        folder = Path(main.__file__).parent
        modules = {
            p.stem
            for p in folder.glob("*.py")
            if "\ncommand" in p.read_text() or "def command(" in p.read_text()
        }

        assert modules == set(main.COMMANDS)

    def test_help_imports_no_command(self) -> None:
        code = (
            "import sys; from fhirbridge.cli.main import run\n"
            "try: run(['--help'])\n"
            "except SystemExit as end:\n"
            "    heavy = {'flask', 'sqlalchemy', 'marshmallow', 'yaml', 'requests', 'rich'}\n"
            "    sys.exit(end.code or ' '.join(heavy & sys.modules.keys()) or 0)"
        )

        done = process("-c", code)

        assert (done.returncode, done.stderr.strip()) == (0, b"")
        assert b"convert" in done.stdout


class TestUsage:
    @pytest.mark.parametrize(
        "arguments",
        [
            ("bogus",),
            ("convert",),
            ("convert", "--bogus", "x"),
            ("mappings", "bogus"),
            ("--bogus",),
        ],
        ids=" ".join,
    )
    def test_wrong_usage_is_2(self, arguments: tuple[str, ...]) -> None:
        done = run(*arguments)

        assert (done.code, done.out) == (2, b"")
        assert "Error: " in done.err

    def test_version(self) -> None:
        assert run("--version").out.startswith(b"fhirbridge, version ")

    def test_unknown_setting_is_2_and_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FHIRBRIDGE_MAPINGS", "x")

        done = run("convert", native(CASE))

        assert (done.code, done.out) == (2, b"")
        assert "mapings" in done.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidContent, 1),
        (TooLarge, 1),
        (Conflict, 1),
        (Misconfigured, 2),
        (NotFound, 2),
        (Forbidden, 3),
        (PartnerUnreachable, 4),
        (Unavailable, 4),
    ],
)
def test_error_becomes_its_exit_code(error: type[BridgeError], code: int) -> None:
    assert main.exit_code_of(error(Issue("processing", "A sentence."))) == code


class TestProcess:
    def test_module_converts_and_separates_data_from_words(self) -> None:
        done = process("-m", "fhirbridge", "convert", str(native(CASE)))

        assert done.returncode == 0
        assert done.stdout == bundle(CASE).read_bytes()
        assert done.stderr.startswith(b"information: ")

    def test_bad_input_ends_with_1_and_no_traceback(self) -> None:
        done = process("-m", "fhirbridge", "convert", "-", stdin=b"\xff{[")

        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.count(b"\n") == 1
        assert b"Traceback" not in done.stderr

    @pytest.mark.parametrize(
        ("target", "said"),
        [("| head -c 1 >/dev/null", b""), (">/dev/full", b"No space left on device")],
        ids=["a reader that stops", "a full disk"],
    )
    def test_output_that_cannot_be_written_leaves_no_traceback(
        self, target: str, said: bytes
    ) -> None:
        command = f"{sys.executable} -m fhirbridge convert {native(CASE)} {target}"

        done = subprocess.run(
            ["bash", "-c", command], cwd=ROOT, capture_output=True, timeout=60, check=False
        )

        words = [line for line in done.stderr.splitlines() if not line.startswith(b"information: ")]
        assert len(words) == (1 if said else 0)
        assert said in b"".join(words)
