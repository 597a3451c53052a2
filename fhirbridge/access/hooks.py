"""Who notifies us with the secret that we gave to a partner for its Subscriptions.

It opens nothing but that partner's address for notifications. Only where we asked for a payload
does what it brings count; else it makes us look, so that whoever learns it (a Subscription is to
be read at the partner) cannot say what a Task says. Source: R4 subscription.html (channel.header)
"""

from fhirbridge.bridge import Bridge
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.caller import Caller
from fhirbridge.errors import Issue, NotAuthenticated
from fhirbridge.partners.registry import recipient_of
from fhirbridge.partners.subscription import SECRET_PREFIX, accepts
from fhirbridge.storage import partners as rows

_TELLS = frozenset({"system/Task.u", "system/Appointment.u"})
_MAX_LENGTH = 200


def notifier(bridge: Bridge, partner: str, secret: str) -> Caller | None:
    """The partner whose secret this is; None if it is no such secret.

    Raises NotAuthenticated for one that is not, or no longer, this partner's.
    """
    if not secret.startswith(SECRET_PREFIX):
        return None
    with bridge.database.read() as session:
        row = rows.get(session, bridge.custodian.id, partner)
    state = (row.settings.get("subscription") or {}) if row else {}
    if row is None or len(secret) > _MAX_LENGTH or not accepts(state, secret, bridge.now()):
        words = "The secret of this notification is not, or no longer, accepted."
        raise NotAuthenticated(Issue("login", words))
    return Caller(
        client_id=f"subscription {row.name}",
        recipient=recipient_of(row.settings.get("recipient")) or Recipient(row.name),
        scopes=_TELLS if state.get("payload") else frozenset(),
    )
