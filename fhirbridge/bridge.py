"""`Bridge`: everything long-lived, built once from the settings and passed to whoever needs it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from fhirbridge import clock
from fhirbridge.config import Settings
from fhirbridge.consent.policy import Policy, load_policy
from fhirbridge.conversion.mappings import Mappings, compiled
from fhirbridge.conversion.own_codes import known_codes
from fhirbridge.fhir.validation.own_codes import OwnCodes
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.credentials import TokenStore
from fhirbridge.partners.pace import Paces
from fhirbridge.partners.registry import Partner
from fhirbridge.storage.database import Custodian, Database
from fhirbridge.workflow.retry import Policy as Retrying


@dataclass(frozen=True, slots=True)
class Bridge:
    """Settings, database, the custodian served, and where time and new ids come from."""

    settings: Settings
    database: Database
    custodian: Custodian
    started_at: datetime
    now: clock.Clock = clock.now
    new_id: clock.NewId = clock.new_id
    tokens: TokenStore = field(default_factory=TokenStore)  # what partners gave us
    paces: Paces = field(default_factory=Paces)  # when each of them may be asked next

    @property
    def mappings(self) -> Mappings:
        """The mappings of all documents, compiled at first use.

        Raises MappingFault with every fault of our pack and the site's.
        """
        return compiled(self.settings.base, self.settings.mappings)

    @property
    def own_codes(self) -> OwnCodes:
        """The code systems of our mappings, for the gate. Raises MappingFault like `mappings`."""
        return known_codes(self.settings.base, self.settings.mappings)

    @property
    def policy(self) -> Policy:
        """By which rules this custodian discloses. Raises Misconfigured for a bad policy file."""
        settings = self.settings
        return load_policy(settings.consent_policy, is_part2=settings.part2, state=settings.state)

    def connect(
        self,
        partner: Partner,
        *,
        request_id: str = "",
        policy: Retrying | None = None,
        before_request: Callable[[], None] | None = None,
    ) -> PartnerClient:
        """A client for a partner, with its tokens and at its pace; the caller closes it."""
        return partner.connect(
            request_id=request_id or self.new_id(),
            policy=policy,
            before_request=before_request,
            tokens=self.tokens,
            paces=self.paces,
        )

    def close(self) -> None:
        """Release the database connections."""
        self.database.close()


def build(
    settings: Settings, *, now: clock.Clock = clock.now, new_id: clock.NewId = clock.new_id
) -> Bridge:
    """Open the database, creating its schema and custodian if it is new.

    Raises Misconfigured if the database belongs to another version of fhirbridge.
    """
    database = Database(settings.database_url)
    database.upgrade(custodian=settings.custodian, clock=now)
    custodian = database.custodian(settings.custodian)
    database.act_for(custodian)
    return Bridge(settings, database, custodian, now(), now, new_id)
