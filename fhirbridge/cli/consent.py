"""`fhirbridge consent explain|attest|end|revoke`: what consents permit, and since when."""

import getpass
from datetime import datetime, tzinfo

import click

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.cli import output
from fhirbridge.clock import to_instant
from fhirbridge.consent.decision import Permit
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.caller import Caller
from fhirbridge.fhir.primitives import bounds
from fhirbridge.handoffs import consenting, partners
from fhirbridge.jsontypes import JsonObject
from fhirbridge.operations import consents
from fhirbridge.operations.consents import Explanation


@click.group("consent")
def command() -> None:
    """Explain what consents permit; attest, end and revoke them."""


@command.command("explain")
@click.option("--patient", required=True, help="The patient's id, or Patient/id.")
@click.option("--to", "partner", default="", help="A registered partner.")
@click.option("--recipient", default="", help="The name of an organization instead.")
@click.option("--class", "classes", multiple=True, help="A class of recipients: TREATER, PAYOR…")
@click.option("--npi", default="", help="The organization's NPI.")
@click.option("--purpose", default="TREAT", show_default=True, help="A code of v3-ActReason.")
@click.option("--at", "at_text", default="", help="A date or instant; now if not given.")
@click.option("--reason", default="", help="Of an emergency: its nature.")
@click.option("--actor", default="", help="Of an emergency: who asks, with affiliation.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def explain(
    patient: str,
    partner: str,
    recipient: str,
    classes: tuple[str, ...],
    npi: str,
    purpose: str,
    at_text: str,
    reason: str,
    actor: str,
    as_json: bool,
) -> int:
    """Say what may be disclosed, why the rest may not, and what would change that.

    Exits with 3 if nothing may be disclosed.
    """
    if bool(partner) == bool(recipient):
        raise click.UsageError("Name a partner with --to, or an organization with --recipient.")
    bridge = bridges.build(config.load())
    try:
        if partner:
            with bridge.database.read() as session:
                found = consenting.gate_to(bridge, partners.load(session, bridge, partner))
            organization = found.recipient
        else:
            identifiers = (("http://hl7.org/fhir/sid/us-npi", npi),) if npi else ()
            organization = Recipient(recipient, identifiers, classes)
        caller = Caller(
            client_id="consent explain",
            recipient=organization,
            purpose=purpose,
            reason=reason,
            actor=actor,
        )
        at = _instant(at_text, bridge.settings.zone) if at_text else None
        explanation = consents.explain(bridge, patient, caller, at=at)
    finally:
        bridge.close()
    if as_json:
        output.print_json(consents.explanation_json(explanation))
    else:
        _show(explanation)
    return 0 if explanation.is_permitted else 3


def _instant(text: str, zone: tzinfo) -> datetime:
    try:
        return bounds(text, zone).start
    except ValueError as exc:
        raise click.BadParameter("must be a date or an instant.", param_hint="--at") from exc


def _show(explanation: Explanation) -> None:
    caller = explanation.caller
    name = caller.recipient.name if caller.recipient else ""
    click.echo(f"{explanation.patient} to {name} for {caller.purpose}")
    rows = []
    for content_class, decision in explanation.decisions.items():
        word = "permit" if isinstance(decision, Permit) else "withhold"
        rows += [
            (
                content_class if number == 0 else "",
                word if number == 0 else "",
                " ".join(filter(None, (each.consent, each.provision))) or "-",
                each.text if isinstance(decision, Permit) else f"{each.text} {each.change}",
            )
            for number, each in enumerate(decision.reasons)
        ]
    output.table(rows, ("INFORMATION", "DECISION", "BY", "WHY, AND WHAT WOULD CHANGE IT"))
    for consent, missing in explanation.missing.items():
        click.echo(f"{consent} lacks: {', '.join(missing)}")


@command.command("attest")
@click.argument("consent_id")
@click.option("--by", default=getpass.getuser, help="Who has seen the signed form.")
@click.option("--confirmed", default="", help="Elements seen on the form, separated by commas.")
def attest(consent_id: str, by: str, confirmed: str) -> None:
    """Let a Consent from elsewhere permit, in its present version."""
    bridge = bridges.build(config.load())
    try:
        seen = frozenset(filter(None, (each.strip() for each in confirmed.split(","))))
        mark = consents.attest(bridge, consent_id, by=by, confirmed=seen)
    finally:
        bridge.close()
    click.echo(f"Consent/{consent_id} version {mark.version_id} is attested by {by}.", err=True)


@command.command("end")
@click.argument("consent_id")
@click.option("--by", default=getpass.getuser, help="Who says so.")
def end(consent_id: str, by: str) -> None:
    """Note that the event on which a Consent expires has come."""
    bridge = bridges.build(config.load())
    try:
        mark = consents.end(bridge, consent_id, by=by)
    finally:
        bridge.close()
    click.echo(f"Consent/{consent_id} ended at {to_instant(mark.effective_at)}.", err=True)


@command.command("revoke")
@click.argument("consent_id")
@click.option("--by", default=getpass.getuser, help="Who took the revocation.")
@click.option("--wait", "wait_seconds", default=60.0, show_default=True, help="For deliveries.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def revoke(consent_id: str, by: str, wait_seconds: float, as_json: bool) -> int:
    """Stop what a Consent permits; say since when, and who was told before."""
    bridge = bridges.build(config.load())
    try:
        found = consents.revoke(bridge, consent_id, by=by, wait_seconds=wait_seconds)
    finally:
        bridge.close()
    shown: JsonObject = consents.revocation_json(found)
    if as_json:
        output.print_json(shown)
    elif found.effective_at is None:
        listed = ", ".join(map(str, found.still_in_flight))
        click.echo(f"Not effective yet: still being sent are deliveries {listed}.", err=True)
    else:
        click.echo(f"effective since {to_instant(found.effective_at)}")
    if not as_json:
        output.table(
            [
                (to_instant(each.at), each.recipient, each.purpose, each.action)
                for each in found.holders
            ],
            ("TOLD BEFORE", "RECIPIENT", "PURPOSE", "HOW"),
        )
    return 0 if found.effective_at else 1
