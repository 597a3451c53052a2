"""`fhirbridge mappings check|coverage|show`: faults, coverage and a readable table of the rules."""

from collections import Counter

import click

from fhirbridge import config
from fhirbridge.cli import output
from fhirbridge.conversion.mappings import compiled, faults, read_packs
from fhirbridge.mapping.check import excused, readers
from fhirbridge.mapping.compiler import Mapping
from fhirbridge.mapping.expanders import EXPANDERS
from fhirbridge.mapping.model import MappingFault, Rule
from fhirbridge.mapping.native_paths import leaves
from fhirbridge.native import documents

KIND = click.argument("kind", required=False, type=click.Choice(documents.KINDS))


@click.group("mappings", cls=output.Group)
def command() -> None:
    """Look at the mapping packs."""


@command.command("check")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def check_command(as_json: bool) -> int:
    """Report every fault of the mapping files with file, line and rule."""
    settings = config.load()
    try:
        found = faults(read_packs(base=settings.base, site=settings.mappings))
    except MappingFault as error:
        found = list(error.issues)
    if as_json:
        output.print_json([issue.to_json() for issue in found])
    else:
        for issue in found:
            click.echo(issue.diagnostics)
    click.echo(f"{len(found)} faults.", err=True)
    return 1 if found else 0


@command.command("coverage")
@KIND
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--carried", is_flag=True, help="Only the fields that are carried or in extensions.")
def coverage_command(kind: documents.Kind | None, as_json: bool, carried: bool) -> int:
    """Show where each native field goes: element, extension, carrier, or excused with a reason."""
    settings = config.load()
    mappings = compiled(settings.base, settings.mappings)
    result = {
        name: {path: _home(mapping, path) for path, _ in leaves(mapping.shape)}
        for name, mapping in mappings.items()
        if kind in (None, name)
    }
    code = 1 if any("missing" in homes.values() for homes in result.values()) else 0
    if as_json:
        output.print_json(result)
        return code
    for name, homes in result.items():
        counts = Counter(home.split(" ")[0] for home in homes.values())
        rows = [(path, home) for path, home in homes.items()]
        if carried:
            rows = [row for row in rows if row[1].split(" ")[0] in ("carrier", "extension")]
        output.table(rows, (name, "home"))
        total = sum(counts.values())
        words = ", ".join(f"{count} {home}" for home, count in counts.most_common())
        click.echo(f"{name}: {total} fields: {words}.\n")
    return code


def _home(mapping: Mapping, path: str) -> str:
    if excused(mapping.pack, path):
        top = next(
            name
            for name in mapping.pack.excused
            if path == name or path.startswith((f"{name}.", f"{name}["))
        )
        return f"excused ({mapping.pack.excused[top]})"
    templates = {name: item.template for name, item in mapping.compiled.items()}
    found = readers(templates).get(path)
    if found:
        reader = found[0]
        return f"{reader.home} {reader.leaf.fhir_path} ({reader.leaf.rule.place})"
    for entry in mapping.pack.entries.values():
        if entry.expand and path in EXPANDERS[entry.expand].covers:
            return f"element {entry.type} (expander {entry.expand})"
    return "missing"


@command.command("show")
@KIND
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show_command(kind: documents.Kind | None, as_json: bool) -> int:
    """Print the rules as a table to read."""
    settings = config.load()
    packs = read_packs(base=settings.base, site=settings.mappings)
    rows: list[tuple[str, ...]] = []
    for name, pack in packs.items():
        if kind in (None, name):
            for entry in pack.entries.values():
                for rule in entry.rules:
                    rows.extend(_rule_rows(f"{name}/{entry.name}", entry.type, rule, ""))
    head = ("entry", "rule", "native", "FHIR", "codec", "class", "notes")
    if as_json:
        output.print_json([dict(zip(head, row, strict=True)) for row in rows])
    else:
        output.table(rows, head)
    return 0


def _rule_rows(entry: str, prefix: str, rule: Rule, native: str) -> list[tuple[str, ...]]:
    source = rule.native or rule.each or (f"-> {rule.link}" if rule.link else f"= {rule.const}")
    notes: list[str] = [rule.direction] if rule.direction != "both" else []
    notes += [word for word, on in (("copy", rule.copy), ("required", rule.required)) if on]
    notes += [
        f"{word} {value}"
        for word, value in (
            ("carry", rule.carry),
            ("absent", rule.absent),
            ("if", rule.condition),
            ("key", rule.key),
            ("where", rule.where),
            ("narrow", " ".join(rule.narrow)),
        )
        if value
    ]
    target = f"{prefix}.{rule.fhir}"
    row = (
        entry,
        rule.name,
        native + source,
        target,
        rule.codec or "-",
        rule.content_class,
        ", ".join(notes) or "-",
    )
    rows: list[tuple[str, ...]] = [row]
    for child in rule.rules:
        rows.extend(_rule_rows(entry, target, child, f"{native}{rule.each}."))
    return rows
