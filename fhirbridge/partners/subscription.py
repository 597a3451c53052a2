"""What we ask a partner to tell us: R4 Subscriptions on Tasks and Appointments of ours.

Criteria name systems of identifiers that we gave, never a patient, an order or a person. Without a
payload a notification says nothing at all, and we fetch what changed; it is the default, because
whatever is in a notification passes the gate of the partner only. Pure.
Source: R4 subscription.html, search.html#token (`system|`), search.html#chaining
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Literal

from fhirbridge.clock import to_instant
from fhirbridge.jsontypes import JsonObject, Resource

What = Literal["Task", "Appointment"]
PAYLOAD = "application/fhir+json"
SECRET_PREFIX = "fbn-"  # noqa: S105 - how our own secrets begin, so that they are told from tokens
_REASON = "Changes of referrals that the sender handed over."
_RECEIVING = ("requested", "active")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing to be told of; `criteria` are alternatives, the best one first."""

    what: What
    criteria: tuple[str, ...]


def wanted(base: str, *, with_payload: bool) -> tuple[Wanted, ...]:
    """What we want to be told of: Tasks that we sent, and Appointments for orders that we sent.

    `base` is that of our identifiers. Criteria that others' Tasks meet too are an alternative
    only where nothing is told but that something changed.
    """
    tasks = f"{base}/handoff|,{base}/identifier/referral-task|"
    visits = f"{base}/identifier/referral-visit|,{base}/identifier/follow-up|"
    by_task = [f"Task?identifier={tasks}"]
    if not with_payload:
        by_task.append("Task?code=http://hl7.org/fhir/CodeSystem/task-code|fulfill")
    return (
        Wanted("Task", tuple(by_task)),
        Wanted(
            "Appointment",
            (
                f"Appointment?based-on:ServiceRequest.identifier={base}/identifier/referral|",
                f"Appointment?identifier={visits}",
            ),
        ),
    )


def subscription(
    criteria: str, *, endpoint: str, secret: str, until: datetime, with_payload: bool
) -> Resource:
    """The Subscription that is created at the partner."""
    channel: JsonObject = {"type": "rest-hook", "endpoint": endpoint}
    if with_payload:
        channel["payload"] = PAYLOAD
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": _REASON,
        "end": to_instant(until),
        "criteria": criteria,
        "channel": {**channel, "header": [f"Authorization: Bearer {secret}"]},
    }


def is_about(resource: Resource, what: What, endpoint: str) -> bool:
    """True for a Subscription of ours, to this endpoint, that tells of this type."""
    channel = resource.get("channel")
    to = channel.get("endpoint") if isinstance(channel, dict) else None
    criteria = str(resource.get("criteria") or "")
    return to == endpoint and re.match(rf"{what}(\?|$)", criteria) is not None


def is_receiving(status: str) -> bool:
    """True if the partner tells us of changes, or is about to."""
    return status in _RECEIVING


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return sha256(secret.encode()).hexdigest()


def accepts(state: JsonObject, secret: str, now: datetime) -> bool:
    """True if a notification with this secret is the partner's, by what is kept of it."""
    given = digest(secret)
    listed = state.get("secrets") or []
    return any(
        compare_digest(str(one.get("hash")), given) and str(one.get("until")) > to_instant(now)
        for one in listed
    )


def with_secret(
    secrets: Sequence[JsonObject], secret: str, *, until: datetime, now: datetime
) -> list[JsonObject]:
    """The secrets that are accepted with one more; those whose time is over are left out."""
    alive = [one for one in secrets if str(one.get("until")) > to_instant(now)]
    return [*alive, {"hash": digest(secret), "until": to_instant(until)}]


def only_newest(secrets: Sequence[JsonObject], *, until: datetime) -> list[JsonObject]:
    """The newest secret, and the others for as long as their last notifications are under way."""
    limit = to_instant(until)
    earlier = [{**one, "until": min(str(one["until"]), limit)} for one in secrets[:-1]]
    return [*earlier, *secrets[-1:]]
