"""`Caller`: who asks, for which organization, and for what purpose.

Source: SMART Backend Services (scopes), 42 CFR 2.31 (recipient and purpose)
"""

from dataclasses import dataclass

from fhirbridge.consent.recipient import Recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A known client of this service, or, with authentication `none`, this machine itself.

    `recipient` None: the custodian's own staff and systems, to whom nothing is disclosed.
    `purpose` is a code of v3-ActReason. `scopes` None: no limit.
    """

    client_id: str = ""
    recipient: Recipient | None = None
    purpose: str = "TREAT"
    scopes: frozenset[str] | None = None  # SMART v2, e.g. system/Patient.rs
    reason: str = ""  # why, in an emergency
    actor: str = ""  # the person who asks in an emergency, with affiliation


OWN = Caller()
