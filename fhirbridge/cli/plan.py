"""`fhirbridge plan new --from ENROLLMENT`: begin an aftercare plan with what is known."""

from pathlib import Path

import click

from fhirbridge import bridge as bridges
from fhirbridge import clock, config
from fhirbridge.cli import output
from fhirbridge.documents import stored
from fhirbridge.documents.planning import skeleton
from fhirbridge.errors import Issue, NotFound
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.documents import load


@click.group("plan", cls=output.Group)
def command() -> None:
    """Begin plans."""


@command.command()
@click.option(
    "--from",
    "source",
    required=True,
    metavar="ENROLLMENT",
    help="A file, or the record id of a stored enrollment.",
)
@click.option("--source-system", default="", help="Where several systems have this record id.")
@click.option("--id", "plan_id", default="", help="The record id of the new plan.")
@click.option("--out", type=click.Path(path_type=Path), help="Write here instead of stdout.")
@click.option("--json", "as_json", is_flag=True, help="Plan and findings in one JSON object.")
def new(source: str, source_system: str, plan_id: str, out: Path | None, as_json: bool) -> int:
    """Write a skeleton aftercare plan from an enrollment, and say what is missing in it.

    Carried over: people, consents that hold, open goals, current medications, services as items to
    arrange, peer support, family, instruments, and the level of care to return to.
    """
    enrollment = load("enrollment", _read(source, source_system))
    made = skeleton(enrollment, now=clock.now(), plan_id=plan_id)
    if as_json:
        findings = [issue.to_json() for issue in made.missing]
        output.print_json({"result": made.plan, "issues": findings}, out)
    else:
        output.print_issues(made.missing)
        output.print_json(made.plan, out)
    return 0


def _read(source: str, source_system: str) -> JsonObject:
    path = Path(source)
    if source == "-" or path.is_file():
        return output.read_json(path)
    bridge = bridges.build(config.load())
    try:
        found = stored.find(bridge, "enrollment", source, source=source_system)
    except NotFound as exc:
        words = f"{source} is neither a file nor the record id of an enrollment."
        raise NotFound(Issue("not-found", words)) from exc
    finally:
        bridge.close()
    return wire.parse(found.content, max_bytes=output.MAX_FILE_BYTES)
