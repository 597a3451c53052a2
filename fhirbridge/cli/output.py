"""What commands read and print: data on stdout, words on stderr, findings in one form."""

import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

import click

from fhirbridge.errors import InvalidContent, Issue, TooLarge
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Json, JsonObject

MAX_FILE_BYTES = wire.DEFAULT_MAX_BYTES


def read_json(path: Path) -> JsonObject:
    """Read a JSON file (`-` is standard input); errors name the file.

    Raises InvalidContent, TooLarge, or click's exception for what cannot be read at all.
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
        raise click.ClickException(f"{path} cannot be read: {exc.strerror}.") from exc


def print_json(value: Json, out: Path | None = None) -> None:
    """Write JSON, indented, to stdout or a file; a file is there whole or not at all."""
    data = wire.dump(value, pretty=True) + b"\n"
    try:
        if out is not None:
            _write(out.resolve(), data)
            return
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise  # whoever read has read enough; click ends the program
    except OSError as exc:
        if out is None:  # what is still in the buffer must not fail again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        place = out or "stdout"
        raise click.ClickException(f"{place} cannot be written: {exc.strerror}.") from exc


def print_text(text: str, out: Path | None = None) -> None:
    """Write text to stdout, or to a file, which is there whole or not at all."""
    if out is None:
        click.echo(text)
        return
    try:
        _write(out.resolve(), text.encode())
    except OSError as exc:
        raise click.ClickException(f"{out} cannot be written: {exc.strerror}.") from exc


def _write(path: Path, data: bytes) -> None:
    """Write through a file beside it; what is no regular file (a pipe) is written to directly."""
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~_umask()
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current


def print_issues(
    issues: Iterable[Issue], *, source: Path | None = None, stream: TextIO | None = None
) -> None:
    """Findings for a person, one a line: severity, place, sentence, rule; with the file if asked.

    They go to stderr unless a stream is given.
    """
    for issue in issues:
        place = f"{', '.join(issue.expression)}: " if issue.expression else ""
        if source is not None and not issue.diagnostics.startswith(f"{source}: "):
            place = f"{source}: {place}"
        known = not issue.rule or issue.rule in issue.diagnostics
        rule = "" if known else f"  [{issue.rule}]"
        text = f"{issue.severity}: {place}{issue.diagnostics}{rule}"
        click.echo(text, err=stream is None, file=stream)


def number(count: int, noun: str) -> str:
    """A count with its noun: `1 error`, `2 errors`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


class Group(click.Group):
    """A group whose help shows the whole first sentence of each of its commands."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, one.get_short_help_str(200)) for name, one in sorted(self.commands.items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> None:
    """A plain table on stdout, columns aligned."""
    lines = [list(head), *[list(row) for row in rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        click.echo(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )
