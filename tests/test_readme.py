"""Every command in README.md runs and prints what README.md says.

`console` blocks hold `$ command` lines and their output; `…` stands for anything. With
`--update-golden` the output is written anew. Settings, commands and codecs must all be documented.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from fhirbridge.cli.main import COMMANDS
from fhirbridge.config import Settings
from fhirbridge.mapping import codecs

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """One command of a block, and the output that follows it."""

    line: str
    output: str


def commands(block: str) -> list[Command]:
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [Command(*part.split("\n", 1)) for part in parts]


def run(line: str, folder: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FHIRBRIDGE_")}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    environment["COLUMNS"] = "100"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout


def matches(expected: str, found: str) -> bool:
    pattern = "".join(".*?" if p == "…" else re.escape(p) for p in re.split("(…)", expected))
    return re.fullmatch(pattern, found, re.DOTALL) is not None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fixtures").symlink_to(ROOT / "fixtures")
    return tmp_path


def test_every_command_prints_what_the_readme_says(folder: Path, update_golden: bool) -> None:
    text = README.read_text()
    wrong: list[str] = []
    for block in BLOCK.findall(text):
        new = ""
        for command in commands(block):
            found = run(command.line, folder)
            if not matches(command.output, found):
                wrong.append(f"$ {command.line}\n{found}")
            kept = command.output if matches(command.output, found) else found
            new += f"$ {command.line}\n{kept}"
        text = text.replace(block, new)
    if update_golden:
        README.write_text(text)

    assert update_golden or wrong == []


def test_readme_names_every_command_setting_and_codec() -> None:
    text = README.read_text()
    language = (ROOT / "mappings" / "README.md").read_text()

    missing = [name for name in COMMANDS if f"`{name}" not in text]
    missing += [
        f"FHIRBRIDGE_{field.name.upper()}"
        for field in fields(Settings)
        if f"`FHIRBRIDGE_{field.name.upper()}`" not in text
    ]
    missing += [name for name in codecs.names() if f"`{name}" not in language]

    assert missing == []


def test_readme_has_the_two_commands_of_a_fresh_machine() -> None:
    text = README.read_text()
    install = "python3 -m venv .venv && .venv/bin/pip install -q -e"

    assert f"    {install} . && .venv/bin/fhirbridge demo\n" in text
    assert f"    {install} '.[dev]' && .venv/bin/pytest -q\n" in text
