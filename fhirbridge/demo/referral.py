"""The second half of the story: consent refuses one recipient, a referral is declined and sent on,
and the client comes to the first visit.
"""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

from fhirbridge import synthetic
from fhirbridge.clock import to_instant
from fhirbridge.consent.recipient import Recipient
from fhirbridge.demo.stage import Stage
from fhirbridge.fhir import wire
from fhirbridge.handoffs import partners, referrals
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.http import Answer
from fhirbridge.partners.registry import Partner
from fhirbridge.partners.verdict import read_body, relative
from fhirbridge.workflow.retry import Policy

Hold = Callable[[bool, str], None]
Tell = Callable[..., None]
Await = Callable[[Callable[[], bool], str], None]
_MARKETING = Recipient("Example Marketing", classes=("MARKETING",))
_CLINIC = Recipient("Example Counseling Associates", classes=("TREATER",), covered_entity=True)
_SOON = timedelta(days=3)  # from the day of the synthetic documents to the first visit


class ReferralStory:
    """Told on the same stage, by the same narrator."""

    def __init__(
        self, stage: Stage, ehr: PartnerClient, *, hold: Hold, tell: Tell, wait: Await
    ) -> None:
        self._stage = stage
        self._ehr = ehr
        self._hold = hold
        self._tell = tell
        self._wait = wait

    def play(self, plan: JsonObject) -> None:
        """From the refusal to the first visit."""
        self._refuse(plan)
        referral = {**synthetic.referral(0), "status": "sent"}
        first = self._send(referral, "ehr")
        self._decline(first)
        second = self._send_on(referral, first)
        self._visit(second)

    def _refuse(self, plan: JsonObject) -> None:
        self._add("marketing", _MARKETING)
        issues = self._stage.hand_over(plan, "marketing").get("issues") or [{}]
        refused = str(issues[0].get("diagnostics") or "")
        is_refused = issues[0].get("code") == "suppressed"
        self._hold(is_refused, "Consent refuses a recipient that it does not permit.")
        self._tell(
            "Somebody tries to send the plan to a marketing company: refused, nothing is stored.",
            refused,
        )

    def _add(self, name: str, recipient: Recipient) -> None:
        policy = Policy(first_wait_seconds=0.6)
        partner = Partner(
            name, self._stage.ehr_url, policy=policy, follow_seconds=0.3, recipient=recipient
        )
        partners.add(self._stage.bridge, partner)

    def _send(self, referral: JsonObject, partner: str) -> str:
        handoff = str(self._stage.hand_over(referral, partner)["handoff"])
        self._wait(
            lambda: bool(self._case(handoff)["task"]) and self._there(handoff) != "", "Sent."
        )
        return handoff

    def _case(self, handoff: str) -> JsonObject:
        return referrals.show(self._stage.bridge, handoff).to_json()

    def _there(self, handoff: str) -> str:
        return str(referrals.show(self._stage.bridge, handoff).handoff.task_reference or "")

    def _decline(self, handoff: str) -> None:
        task = self._read(self._there(handoff))
        reason = {"text": "No place is free.", "coding": [{"code": "no-capacity"}]}
        self._put({**task, "status": "rejected", "statusReason": reason})
        self._wait(lambda: self._case(handoff)["state"] == "declined", "The refusal is seen.")
        case = self._case(handoff)
        alerts = [one["kind"] for one in case["alerts"]]
        self._hold(alerts == ["declined"], "One alert tells of it.")
        self._tell(
            "A referral goes out; the hospital has no place free and declines it.",
            f"One alert. Next step by the {case['nextStepBy']}: {case['nextStep']}",
        )

    def _send_on(self, referral: JsonObject, first: str) -> str:
        self._add("clinic", _CLINIC)
        second = self._send(referral, "clinic")
        one, two = self._read(self._there(first)), self._read(self._there(second))
        self._hold(one["focus"] == two["focus"], "Both Tasks are about one order.")
        self._hold(one["id"] != two["id"], "Each recipient has a Task of its own.")
        settled = self._case(first)
        self._hold(settled["alerts"] == [], "Nobody is reminded of the first one.")
        self._tell(
            "The same order is sent to a clinic, with a Task of its own.",
            f"The hospital's: {settled['word']}. {settled['nextStep']}",
        )
        return second

    def _visit(self, handoff: str) -> None:
        place = self._there(handoff)
        task = self._read(place)
        start = datetime.combine(synthetic.TODAY + _SOON, time(15), UTC)
        visit: Resource = {
            "resourceType": "Appointment",
            "status": "booked",
            "start": to_instant(start),
            "end": to_instant(start + timedelta(hours=1)),
            "participant": [{"actor": task["for"], "status": "accepted"}],
        }
        created = self._ehr.create(visit)
        self._hold(isinstance(created, Answer) and created.status == 201, "A visit is booked.")
        headers = created.headers if isinstance(created, Answer) else {}
        where = relative(str(headers.get("Location") or ""))
        output = {"type": {"text": "visit"}, "valueReference": {"reference": where}}
        code = {"coding": [{"code": "5.1.1"}]}
        self._put({**task, "status": "in-progress", "businessStatus": code, "output": [output]})
        self._wait(lambda: self._case(handoff)["state"] == "scheduled", "The booking is seen.")
        self._put({**self._read(where), "status": "fulfilled"})
        self._wait(lambda: bool(self._case(handoff)["firstVisit"]), "The visit is seen.")
        self._put(
            {
                **self._read(place),
                "status": "completed",
                "businessStatus": {"coding": [{"code": "7.0"}]},
            }
        )
        self._wait(lambda: bool(self._case(handoff)["done"]), "The loop is closed.")
        shown = self._case(handoff)
        self._hold(shown["alerts"] == [], "Nobody is reminded any more.")
        self._tell(
            "The clinic books a visit, the client comes, and the loop is closed.",
            f"{shown['word']}: {shown['daysBetween']} days between the last visit in the program "
            "and the first one after it.",
        )

    def _read(self, reference: str) -> Resource:
        answer = self._ehr.read(reference)
        body = read_body(answer) if isinstance(answer, Answer) and answer.status == 200 else None
        self._hold(body is not None, f"{reference} can be read.")
        return body or {}

    def _put(self, resource: Resource) -> None:
        bare = wire.parse(wire.dump(resource))
        bare.pop("text", None)
        answer = self._ehr.update(f"{resource['resourceType']}/{resource['id']}", bare)
        good = isinstance(answer, Answer) and answer.status == 200
        self._hold(good, f"The EHR's staff change a {resource['resourceType']}.")
