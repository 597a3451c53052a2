"""Fetches the public keys that a client publishes. Source: RFC 7517, SMART App Launch 2.2"""

from fhirbridge.errors import Issue, PartnerUnreachable
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import JsonObject
from fhirbridge.partners.http import Limits, NoAnswer, PartnerSession

LIMITS = Limits(
    connect_timeout_seconds=3.0,
    read_timeout_seconds=3.0,
    answer_seconds=5.0,
    max_answer_bytes=100_000,
)


def fetch(url: str) -> JsonObject:
    """The JWKS behind a registered https address, or an http one of this machine.

    Redirects are not followed. Raises PartnerUnreachable without an answer, InvalidContent for
    one that is no JSON object.
    """
    with PartnerSession(url, limits=LIMITS) as session:
        answer = session.ask("GET", headers={"Accept": "application/json"})
    if isinstance(answer, NoAnswer):
        raise PartnerUnreachable(
            Issue("transient", f"The client's keys cannot be fetched: {answer.error_class}.")
        )
    if answer.status != 200:
        raise PartnerUnreachable(
            Issue("transient", f"The address of the client's keys answers {answer.status}.")
        )
    return wire.parse(answer.body, max_bytes=LIMITS.max_answer_bytes)
