"""What commands print: data on stdout, words on stderr, findings in one form."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

import click

from fhirbridge.errors import InvalidContent, Issue, TooLarge
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Json, JsonObject

MAX_FILE_BYTES = 50_000_000


def read_json(path: Path) -> JsonObject:
    """Read a JSON file (`-` is standard input); errors name the file.

    Raises InvalidContent or TooLarge.
    """
    data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1) if str(path) == "-" else _bytes(path)
    try:
        return wire.parse(data, max_bytes=MAX_FILE_BYTES)
    except (InvalidContent, TooLarge) as error:
        issues = [
            Issue(i.code, f"{path}: {i.diagnostics}", i.severity, i.expression, i.rule)
            for i in error.issues
        ]
        raise type(error)(*issues) from error


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise click.UsageError(f"{path} cannot be read: {exc.strerror}.") from exc


def print_json(value: Json, out: Path | None = None) -> None:
    """Write JSON, indented, to a file or stdout."""
    data = wire.dump(value, pretty=True) + b"\n"
    if out is None:
        sys.stdout.buffer.write(data)
    else:
        out.write_bytes(data)


def print_issues(issues: Iterable[Issue], *, stream: TextIO | None = None) -> None:
    """Findings for a person, one a line: severity, place, sentence."""
    for issue in issues:
        place = f"{', '.join(issue.expression)}: " if issue.expression else ""
        rule = f"  [{issue.rule}]" if issue.rule else ""
        click.echo(
            f"{issue.severity}: {place}{issue.diagnostics}{rule}", err=stream is None, file=stream
        )


def table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> None:
    """A plain table on stdout, columns aligned."""
    lines = [list(head), *[list(row) for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        click.echo(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )
