"""Run a command in this process as the console script would, and keep what it prints."""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from fhirbridge.cli import main

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "fixtures"
CASES = sorted(
    f"{path.parent.parent.name}/{path.parent.name}" for path in FIXTURES.glob("*/*/bundle.json")
)


@dataclass(frozen=True)
class Done:
    """Exit code, stdout as bytes, stderr as text."""

    code: int
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        """stdout as JSON."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """The lines of stderr."""
        return self.err.splitlines()


def run(*arguments: str | Path, stdin: bytes = b"") -> Done:
    """One command. The exit code is 0 where it ends by itself."""
    out, err = io.BytesIO(), io.BytesIO()
    texts = [io.TextIOWrapper(stream, encoding="utf-8") for stream in (out, err)]
    given = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
    with (
        redirect_stdout(texts[0]),
        redirect_stderr(texts[1]),
        mock.patch.object(sys, "stdin", given),
    ):
        with pytest.raises(SystemExit) as ended:
            main.run([str(argument) for argument in arguments])
        for text in texts:
            text.flush()
    return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue().decode())


def native(case: str) -> Path:
    """The document of a fixture."""
    return FIXTURES / case / "native.json"


def bundle(case: str) -> Path:
    """Its golden Bundle."""
    return FIXTURES / case / "bundle.json"


# what is no JSON object that we would read, by name
NOT_READABLE: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"{schema: fhirbridge.enrollment/1}",
    "cut off": b'{"schema": "fhirbridge.enrollment/1.0", "patient": {',
    "a JSON array": b"[]",
    "a JSON text": b'"fhirbridge.enrollment/1.0"',
    "not UTF-8": b'{"schema": "\xff\xfe"}',
    "UTF-16": '{"schema": "fhirbridge.enrollment/1.0"}'.encode("utf-16"),
    "NaN": b'{"schema": "fhirbridge.enrollment/1.0", "version": NaN}',
    "Infinity": b'{"version": -Infinity}',
    "a huge exponent": b'{"version": 1e999999}',
    "a name twice": b'{"version": 1, "version": 2}',
    "100,000 brackets": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100,000 braces": b'{"a": ' * 100_000,
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "U+0000": b'{"a": "\\u0000"}',
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
}
