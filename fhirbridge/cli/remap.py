"""`fhirbridge remap --dry-run|--apply`: bring stored documents to the present mapping pack."""

import sys

import click
from rich.console import Console
from rich.progress import Progress

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.bridge import Bridge
from fhirbridge.cli import output
from fhirbridge.documents.remap import Remapped, count, remap

_SHOWN_ELEMENTS = 4


@click.command("remap")
@click.option("--dry-run", is_flag=True, help="Show what would change; store nothing.")
@click.option("--apply", "apply", is_flag=True, help="Store the new versions.")
@click.option("--json", "as_json", is_flag=True, help="One object a document.")
def command(dry_run: bool, apply: bool, as_json: bool) -> int:
    """Convert stored documents again that another mapping pack made.

    Shows resources and element paths, never values. Each document is written in one transaction;
    what others added to its resources stays.
    """
    if dry_run == apply:
        raise click.UsageError("Say either --dry-run or --apply.")
    bridge = bridges.build(config.load())
    try:
        found = _run(bridge, apply=apply)
    finally:
        bridge.close()
    if as_json:
        output.print_json([one.to_json() for one in found])
    else:
        _print(found, applied=apply)
    return 1 if any(one.issues for one in found) else 0


def _run(bridge: Bridge, *, apply: bool) -> list[Remapped]:
    found: list[Remapped] = []
    console = Console(stderr=True)
    with Progress(console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Documents", total=count(bridge))
        for one in remap(bridge, apply=apply):
            progress.advance(task)
            if one is not None:
                found.append(one)
    return found


def _print(found: list[Remapped], *, applied: bool) -> None:
    rows: list[tuple[str, ...]] = []
    for one in found:
        key = one.document.key
        name = f"{key.kind} {key.source_system}/{key.record_id}"
        for touched in one.touched:
            shown = ", ".join(touched.elements[:_SHOWN_ELEMENTS])
            more = len(touched.elements) - _SHOWN_ELEMENTS
            if more > 0:
                shown += f" and {more} more"
            rows.append((name, touched.action, touched.reference, shown or "-"))
        for issue in one.issues:
            place = ", ".join(issue.expression) or "the document"
            click.echo(f"{name}: cannot be converted: {place}: {issue.diagnostics}", err=True)
    if rows:
        output.table(rows, ("DOCUMENT", "CHANGE", "RESOURCE", "ELEMENTS"))
    changed = sum(1 for one in found if one.touched)
    click.echo(
        f"{len(found)} documents were made by another mapping; {changed} "
        f"{'were changed' if applied else 'would change'}.",
        err=True,
    )
