"""`fhirbridge consent list|explain|attest|end|revoke`: what consents permit, and since when."""

import getpass

import click

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.cli import output
from fhirbridge.cli.options import (
    CLASS_HELP,
    CONSENT_ID,
    MOMENT_HELP,
    NPI,
    PATIENT_HELP,
    RECIPIENT_CLASS,
    moment,
    patient_id,
)
from fhirbridge.clock import to_instant
from fhirbridge.consent.decision import Decision, Permit
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.caller import Caller
from fhirbridge.disclosure.purposes import PURPOSES
from fhirbridge.handoffs import consenting, partners
from fhirbridge.jsontypes import JsonObject
from fhirbridge.operations import consents, explanations, held_consents
from fhirbridge.operations.explanations import Explanation

_ORIGINS = {
    "document": "a document of ours",
    "attested": "elsewhere, attested",
    "other": "elsewhere: attest it",
}


@click.group("consent", cls=output.Group)
def command() -> None:
    """List consents and explain what they permit; attest, end and revoke them."""


@command.command("list")
@click.option("--patient", required=True, help=PATIENT_HELP)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_consents(patient: str, as_json: bool) -> None:
    """List a patient's consents: where they are from, since when, until when, what they lack."""
    bridge = bridges.build(config.load())
    try:
        found = held_consents.of_patient(bridge, patient_id(bridge, patient))
        now = bridge.now()
    finally:
        bridge.close()
    if as_json:
        output.print_json([one.to_json() for one in found])
    elif found:
        rows = [
            (
                one.consent.reference,
                one.consent.kind,
                one.state(now),
                _ORIGINS[one.consent.origin],
                to_instant(one.consent.starts_at) if one.consent.starts_at else "",
                to_instant(one.consent.ends_at) if one.consent.ends_at else "",
                ", ".join(one.consent.missing),
            )
            for one in found
        ]
        output.table(rows, ("CONSENT", "KIND", "STATUS", "FROM", "SIGNED", "ENDED", "LACKS"))
    else:
        click.echo("There is no Consent about this patient.", err=True)


@command.command("explain")
@click.option("--patient", required=True, help=PATIENT_HELP)
@click.option("--to", "partner", metavar="PARTNER", default="", help="A registered partner.")
@click.option(
    "--recipient", metavar="NAME", default="", help="The name of an organization instead."
)
@click.option("--class", "classes", multiple=True, type=RECIPIENT_CLASS, help=CLASS_HELP)
@click.option("--npi", type=NPI, default="", help="The organization's NPI.")
@click.option(
    "--purpose",
    type=click.Choice(list(PURPOSES)),
    default="TREAT",
    show_default=True,
    help="What it would be for.",
)
@click.option("--at", "at_text", metavar="TIME", default="", help=f"Now, or {MOMENT_HELP}.")
@click.option("--reason", metavar="TEXT", default="", help="Of an emergency: its nature.")
@click.option(
    "--actor", metavar="TEXT", default="", help="Of an emergency: who asks, with affiliation."
)
@click.option("--resource", metavar="TYPE/ID", default="", help="Only about this one of theirs.")
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
    resource: str,
    as_json: bool,
) -> int:
    """Say what may be disclosed, why the rest may not, and what would change that.

    About one resource it names the elements that are taken out of it. Exits with 3 if nothing may
    be disclosed.
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
        at = moment(at_text, bridge.settings.zone, "--at") if at_text else None
        explanation = explanations.explain(
            bridge, patient_id(bridge, patient), caller, at=at, resource=resource
        )
    finally:
        bridge.close()
    if as_json:
        output.print_json(explanations.explanation_json(explanation))
    else:
        _show(explanation)
    return 0 if explanation.is_permitted else 3


def _show(explanation: Explanation) -> None:
    """The decisions, those together that are made on the same grounds."""
    caller = explanation.caller
    name = caller.recipient.name if caller.recipient else ""
    click.echo(f"{explanation.patient} to {name} for {PURPOSES[caller.purpose]}")
    alike: dict[tuple[str, ...], list[str]] = {}
    for content_class, decision in explanation.decisions.items():
        alike.setdefault(_grounds(decision), []).append(content_class)
    for (word, *reasons), classes in alike.items():
        click.echo(f"{word:8}  {', '.join(classes)}")
        for each in reasons:
            click.echo(f"          {each}")
    for consent, missing in explanation.missing.items():
        click.echo(f"{consent} lacks: {', '.join(missing)}")
    about = explanation.resource
    if about:
        rest = f" without {', '.join(about.without)}" if about.without else ""
        what = f"leaves{rest}" if about.leaves else "stays"
        click.echo(f"{about.reference} ({about.content_class}) {what}")
    elif explanation.by_resource:
        click.echo("Consents speak about single resources: ask about one with --resource.")


def _grounds(decision: Decision) -> tuple[str, ...]:
    """The word for a decision, and each reason as a sentence."""
    is_permit = isinstance(decision, Permit)
    reasons = [
        f"{each.consent}: {text}" if each.consent else text
        for each in decision.reasons
        for text in (each.text if is_permit else each.sentence,)
    ]
    return ("permit" if is_permit else "withhold", *reasons)


@command.command("attest")
@click.argument("consent_id", type=CONSENT_ID)
@click.option("--by", default=getpass.getuser, help="Who has seen the signed form.")
@click.option(
    "--confirmed",
    metavar="ELEMENTS",
    default="",
    help="What the signed form has and the Consent does not say, separated by commas.",
)
def attest(consent_id: str, by: str, confirmed: str) -> None:
    """Let a Consent from elsewhere permit, in its present version.

    It permits only with every written element of 42 CFR 2.31; `consent list` shows what it lacks.
    """
    bridge = bridges.build(config.load())
    try:
        seen = frozenset(filter(None, (each.strip() for each in confirmed.split(","))))
        mark = consents.attest(bridge, consent_id, by=by, confirmed=seen)
        missing = held_consents.missing_of(bridge, consent_id)
    finally:
        bridge.close()
    click.echo(f"Consent/{consent_id} version {mark.version_id} is attested by {by}.", err=True)
    if missing:
        words = f"It permits nothing yet: it lacks {', '.join(missing)}."
        click.echo(f"{words} Where the signed form has them, attest it with --confirmed.", err=True)


@command.command("end")
@click.argument("consent_id", type=CONSENT_ID)
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
@click.argument("consent_id", type=CONSENT_ID)
@click.option("--by", default=getpass.getuser, help="Who took the revocation.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(0),
    metavar="SECONDS",
    default=60.0,
    show_default=True,
    help="How long to wait for deliveries on the wire.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def revoke(consent_id: str, by: str, wait_seconds: float, as_json: bool) -> int:
    """Stop what a Consent permits; say since when, and who was told before.

    Exits with 1 while a delivery on the wire is left: say it again. Afterwards it shows the same
    report again.
    """
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
