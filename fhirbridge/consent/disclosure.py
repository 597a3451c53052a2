"""`Disclosure`: what would leave, to whom, for what, and when; the question that is decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType

from fhirbridge.consent.labels import Labels
from fhirbridge.consent.recipient import Recipient
from fhirbridge.fhir.primitives import Bounds

_NOBODY: Mapping[str, Recipient] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """One resource, or a class of content, of one patient, to one recipient for one purpose.

    Without `labels` the question is about the whole class: then a provision that speaks about
    single resources can only restrict. `recipients` resolves the references by which consents
    name organizations. `reason` and `actor` belong to an emergency.
    """

    recipient: Recipient
    purpose: str
    content_class: str
    at: datetime
    resource_type: str = ""
    reference: str = ""
    labels: Labels | None = None
    codes: frozenset[tuple[str, str]] = frozenset()
    references: frozenset[str] = frozenset()
    recorded: Bounds | None = None  # the time that the data is about
    birth_date: date | None = None
    recipients: Mapping[str, Recipient] = field(default_factory=lambda: _NOBODY)
    reason: str = ""
    actor: str = ""
