"""Whether a partner shows us what we wrote, seen from a delivery that it has confirmed.

Without a trial (`partner probe --write`) the first confirmed delivery tells: where a look-up finds
it, a later one that finds nothing means that nothing arrived. Source: design.md section 10
"""

from collections.abc import Mapping

from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.errors import BridgeError
from fhirbridge.handoffs import partners
from fhirbridge.partners.lookup import shows
from fhirbridge.partners.plan import SendPlan
from fhirbridge.partners.registry import Partner
from fhirbridge.storage import partners as rows


def seek(bridge: Bridge, partner: Partner, made: SendPlan, located: Mapping[str, str]) -> None:
    """Look for one thing that is certainly there, if nothing was known of look-ups before.

    That it is not found says nothing: an index may take its time.
    """
    if partner.probe.get("lookUp") is not None:
        return
    there = [
        entry
        for entry in made.entries
        if entry.action == "create" and entry.lookup and entry.full_url in located
    ]
    one = min(there, key=lambda entry: entry.resource_type != "Task", default=None)
    if one is None:
        return
    try:
        with bridge.connect(partner) as client:
            is_shown = shows(client, one.resource_type, one.token, located[one.full_url])
    except BridgeError:
        return
    if is_shown:
        _note(bridge, partner.name)


def _note(bridge: Bridge, name: str) -> None:
    """Keep that look-ups work, unless a trial has told something meanwhile."""
    with bridge.database.transaction() as session:
        known = partners.load(session, bridge, name).probe
        if known.get("lookUp") is None:
            found = {**known, "lookUp": True, "at": to_instant(bridge.now())}
            rows.note_settings(
                session, bridge.custodian.id, name, {"probe": found}, now=bridge.now()
            )
