"""`Recipient`: the organization to which something would be disclosed.

Source: 42 CFR 2.31(a)(4) (a recipient by name or by class), R4 Consent.provision.actor
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipient:
    """An organization, as a consent may name it.

    `identifiers` are (system, value), e.g. its NPI; `classes` are the codes under which a consent
    may speak of it, e.g. `TREATER`, `PAYOR`; `covered_entity` says that HIPAA binds it.
    """

    name: str
    identifiers: tuple[tuple[str, str], ...] = ()
    classes: tuple[str, ...] = ()
    covered_entity: bool = False
