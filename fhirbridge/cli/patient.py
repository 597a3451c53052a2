"""`fhirbridge patient candidates|link|unlink`: who may be the same person."""

from collections.abc import Callable

import click

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.cli import output
from fhirbridge.clock import to_instant
from fhirbridge.documents import patients
from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage.patient_links import PatientLink

Decision = Callable[..., PatientLink]

_BY = click.option("--by", required=True, help="Who decides; kept with the decision.")


@click.group("patient", cls=output.Group)
def command() -> None:
    """Link patients of our documents with patients that came from outside."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Every pair as JSON.")
def candidates(as_json: bool) -> None:
    """Look for patients from outside who may be ours, and list what is known.

    Equal identifiers are linked at once; a person decides about the others. Ids only.
    """
    bridge = bridges.build(config.load())
    try:
        found = patients.look(bridge)
    finally:
        bridge.close()
    if as_json:
        output.print_json([_json(one) for one in found])
    elif found:
        rows = [
            (_reference(one.patient_id), _reference(one.other_id), one.state, one.reason)
            for one in found
        ]
        output.table(rows, ("OURS", "OTHER", "STATE", "WHY"))
    else:
        click.echo("No patient from outside is like one of ours.", err=True)


@command.command()
@click.argument("patient")
@click.argument("other")
@_BY
def link(patient: str, other: str, by: str) -> None:
    """Say that PATIENT and OTHER are the same person (Patient.link on both)."""
    _decide(patients.link, patient, other, by)


@command.command()
@click.argument("patient")
@click.argument("other")
@_BY
def unlink(patient: str, other: str, by: str) -> None:
    """Say that PATIENT and OTHER are not the same person; takes a link back."""
    _decide(patients.unlink, patient, other, by)


def _decide(decision: Decision, patient: str, other: str, by: str) -> None:
    bridge = bridges.build(config.load())
    try:
        made = decision(bridge, _id(patient), _id(other), by=by)
    finally:
        bridge.close()
    click.echo(f"{_reference(made.patient_id)} {_reference(made.other_id)} {made.state}")


def _id(reference: str) -> str:
    return reference.removeprefix("Patient/")


def _reference(patient_id: str) -> str:
    return f"Patient/{patient_id}"


def _json(one: PatientLink) -> JsonObject:
    return {
        "patient": _reference(one.patient_id),
        "other": _reference(one.other_id),
        "state": one.state,
        "reason": one.reason,
        "decidedBy": one.decided_by or None,
        "updatedAt": to_instant(one.updated_at),
    }
