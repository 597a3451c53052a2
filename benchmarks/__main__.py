"""`python -m benchmarks [--json] [--only GROUP]`: every figure of one run, on one machine.

Mapping against a function written by hand, validation against fhir.resources, loading, start-up
and memory, and REST against bare WSGI and against peers. Exit code 1 where a goal is missed or the
function written by hand makes another Bundle.
"""

import argparse
import json
import sys

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import mapping, rest, startup, validation
from benchmarks.timing import Row, commit, machine

PARTS = ("mapping", "validation", "startup", "rest")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--only", choices=PARTS, help="one part of the run")
    parser.add_argument(
        "--peers-python", default=sys.executable, help="a Python that has sekmet-fhir, fhirstarter"
    )
    chosen = parser.parse_args()
    parts = {
        "mapping": mapping.rows,
        "validation": validation.rows,
        "startup": startup.rows,
        "rest": lambda: rest.rows(chosen.peers_python),
    }
    head = {"machine": machine(), "commit": commit()}
    words = Console(stderr=True)
    rows: list[Row] = mapping.floor("orjson, first")
    try:
        with Progress(console=words, disable=not words.is_terminal, transient=True) as progress:
            names = [chosen.only] if chosen.only else list(PARTS)
            for name in progress.track(names, description="measuring"):
                rows += parts[name]()
    except mapping.Different as error:
        words.print(str(error))
        return 1
    rows += mapping.floor("orjson, last")
    if chosen.json:
        print(json.dumps({**head, "rows": [row.json() for row in rows]}, indent=2))
    else:
        wide = Console(width=None if sys.stdout.isatty() else 120)
        wide.print(table(rows, f"{head['machine']}, commit {head['commit']}"))
    return 1 if any(row.missed for row in rows) else 0


def table(rows: list[Row], title: str) -> Table:
    """The rows to read: a line for each group, its figures below."""
    made = Table("", title=title, title_justify="left")
    for name in ("figure", "of floor", "goal"):
        made.add_column(name, justify="right")
    group = ""
    for row in rows:
        if row.group != group:
            made.add_section()
            made.add_row(f"[bold]{row.group}[/bold]")
            group = row.group
        figure = f"{row.value:,.2f}" if row.value < 10 else f"{row.value:,.0f}"
        sign = ">=" if row.at_least else "<="
        goal = "" if row.goal is None else f"{'missed' if row.missed else sign} {row.goal:g}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        made.add_row(f"  {row.name}", f"{figure} {row.unit}", ratio, goal)
    return made


if __name__ == "__main__":
    sys.exit(main())
