"""`fhirbridge explain FILE [FHIRPATH]`: why each FHIR element is there, and what was not mapped."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import click

from fhirbridge import config
from fhirbridge.cli import output
from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import compiled
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.mapping.check import excused
from fhirbridge.mapping.lineage import Explanation
from fhirbridge.native import documents


@click.command("explain")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("fhirpath", required=False)
@click.option("--json", "as_json", is_flag=True, help="One object an element.")
def command(file: Path, fhirpath: str | None, as_json: bool) -> int:
    """Say why each FHIR element is there, and what was not mapped.

    For each element that FILE becomes: source field, rule with line, codec, code row.

    FHIRPATH picks elements by the start of their path, such as CarePlan.status or Goal.target.
    """
    settings = config.load()
    mappings = compiled(settings.base, settings.mappings)
    data = output.read_json(file)
    document = documents.load(documents.kind_of(data), data)
    mapping = mappings[document.kind]
    made = to_fhir(
        document, mapping, Identity(), explain=True, uscore_version=settings.uscore_version
    )
    chosen = [item for item in made.lineage if fhirpath is None or _below(item.path, fhirpath)]
    unmapped = {
        name: mapping.pack.excused[name] for name in document.data if excused(mapping.pack, name)
    }
    if as_json:
        output.print_json({"elements": [asdict(item) for item in chosen], "unmapped": unmapped})
    else:
        several = _several(item.resource for item in made.lineage)
        head = ("element", "from", "rule", "codec", "code row")
        if chosen:
            output.table([_row(item, several) for item in chosen], head)
        for name, reason in unmapped.items():
            click.echo(f"not mapped: $.{name} ({reason})", err=True)
    if not chosen:
        types = sorted({item.path.partition(".")[0] for item in made.lineage})
        known = f" Paths begin with one of: {', '.join(types)}." if types else ""
        click.echo(f"No element of the result has this path.{known}", err=True)
        return 1
    return 0


def _below(path: str, start: str) -> bool:
    plain = path.replace("[0]", "") if "[" not in start else path
    return any(p == start or p.startswith((f"{start}.", f"{start}[")) for p in (path, plain))


def _several(resources: Iterable[str]) -> frozenset[str]:
    """The types of which there are several resources."""
    counts = Counter(resource.partition("/")[0] for resource in dict.fromkeys(resources))
    return frozenset(name for name, count in counts.items() if count > 1)


def _row(item: Explanation, several: frozenset[str]) -> tuple[str, ...]:
    """One line; where there are several resources of the type, its id says which one."""
    layer = "" if item.layer == "fhirbridge" else f" ({item.layer})"
    name, _, rest = item.path.partition(".")
    return (
        f"{item.resource}.{rest}" if name in several else item.path,
        item.native or "-",
        f"{item.place} {item.rule}{layer}",
        item.codec or "-",
        item.code_row or "-",
    )
