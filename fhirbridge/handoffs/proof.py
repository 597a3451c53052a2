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
from fhirbridge.storage import partners as rows


def seek(bridge: Bridge, name: str, made: SendPlan, located: Mapping[str, str]) -> None:
    """Look for one thing that is certainly there, if nothing is known of look-ups yet.

    That it is not found says nothing: an index may take its time.
    """
    with bridge.database.read() as session:
        partner = partners.load(session, bridge, name)
    if partner.probe.get("lookUp") is not None:
        return
    there = [
        entry
        for entry in made.entries
        if entry.action == "create" and entry.lookup and entry.full_url in located
    ]
    there.sort(key=lambda entry: entry.resource_type != "Task")
    try:
        with bridge.connect(partner) as client:
            is_shown = any(
                shows(client, each.resource_type, each.token, located[each.full_url])
                for each in there[:1]
            )
    except BridgeError:
        return
    if is_shown:
        found = {**partner.probe, "lookUp": True, "at": to_instant(bridge.now())}
        with bridge.database.transaction() as session:
            rows.note_settings(
                session, bridge.custodian.id, name, {"probe": found}, now=bridge.now()
            )
