"""The story of one discharge plan: from the provider's document to the EHR's acceptance.

Every step is told and holds, or StoryBroken says which one did not.
"""

import json
from collections import Counter
from collections.abc import Callable

from fhirbridge.consent.recipient import Recipient
from fhirbridge.conversion.packet import TASK_CODES
from fhirbridge.demo.people import client_documents, neighbours
from fhirbridge.demo.referral import ReferralStory
from fhirbridge.demo.stage import Stage, wait_until
from fhirbridge.errors import BridgeError, Issue
from fhirbridge.fhir import bundles, wire
from fhirbridge.handoffs import partners, view
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.http import Answer, PartnerSession
from fhirbridge.partners.registry import Partner
from fhirbridge.partners.verdict import read_body
from fhirbridge.storage import outbox_rows
from fhirbridge.workflow.retry import Policy
from fhirbridge.workflow.words import DeliveryState

Say = Callable[[str], None]
_PATIENCE_SECONDS = 30.0
_HOSPITAL = Recipient("Example Hospital", classes=("TREATER",), covered_entity=True)
_EHR_POLICY = Policy(first_wait_seconds=0.6)


class StoryBroken(BridgeError):
    """A step of the demo did not hold."""


def tell(stage: Stage, say: Say) -> None:
    """Tell the whole story on a stage. Raises StoryBroken at the first step that does not hold."""
    _Story(stage, say).tell()


class _Story:
    def __init__(self, stage: Stage, say: Say) -> None:
        self._stage = stage
        self._say = say
        self._step = 0
        self._ehr = PartnerClient(PartnerSession(stage.ehr_url))
        self._provider = PartnerClient(PartnerSession(stage.provider_url))

    def tell(self) -> None:
        with self._ehr, self._provider:
            self._introduce()
            enrollment, aftercare = client_documents()
            self._hand_over(enrollment, "The client's enrollment")
            stays = self._look_ahead(aftercare)
            handoff = self._hand_over(aftercare, "The discharge plan", losing_the_answer=True)
            self._count_copies(handoff, stays)
            self._accept(handoff)
            self._read_from_the_bridge(handoff)
            rest = ReferralStory(
                self._stage, self._ehr, hold=self._hold, tell=self._tell, wait=self._await
            )
            rest.play(aftercare)

    def _hold(self, condition: bool, sentence: str) -> None:
        if not condition:
            raise StoryBroken(Issue("exception", f"Step {self._step} does not hold: {sentence}"))

    def _tell(self, sentence: str, *more: str) -> None:
        self._step += 1
        self._say(f"{self._step:2}. {sentence}")
        for line in more:
            self._say(f"    {line}")

    def _introduce(self) -> None:
        stage = self._stage
        added = partners.add(
            stage.bridge,
            Partner(
                "ehr", stage.ehr_url, policy=_EHR_POLICY, follow_seconds=0.3, recipient=_HOSPITAL
            ),
        )
        self._hold(not added.unreachable, "The EHR tells what it can do.")
        seeded = self._ehr.send_bundle(bundles.transaction(neighbours()))
        self._hold(isinstance(seeded, Answer) and seeded.status == 200, "The EHR takes its people.")
        self._tell(
            "A treatment program's bridge and a hospital's EHR are up; all people are synthetic.",
            f"bridge {stage.provider_url}",
            f"EHR    {stage.ehr_url}  (it will lose one answer)",
        )

    def _look_ahead(self, document: JsonObject) -> set[str]:
        """The dry run: what consent would keep here, and why. Returns the types of it."""
        stays = self._stage.preview(document, "ehr")["withheld"]
        self._hold(bool(stays), "Consent keeps something here.")
        self._tell(
            "Before the discharge plan goes, a dry run says what the client's consent keeps here.",
            *(
                f"{one['count']} {one['resourceType']} ({one['information']}): {one['reason']}"
                for one in stays
            ),
        )
        return {str(one["resourceType"]) for one in stays}

    def _hand_over(
        self, document: JsonObject, what: str, *, losing_the_answer: bool = False
    ) -> view.Delivery:
        stage = self._stage
        if losing_the_answer:
            stage.dial("lose-answer")
            outbox_id = str(stage.hand_over(document, "ehr")["delivery"])
            how = "POST /api/handoffs"
        else:
            path = stage.directory / f"{document['recordId']}.json"
            path.write_text(json.dumps(document), encoding="utf-8")
            outbox_id = str(stage.run("send", str(path), "--to", "ehr")["outbox"])
            how = f"fhirbridge send {path.name} --to ehr"
        with stage.bridge.database.read() as session:
            body = outbox_rows.body_of(session, stage.bridge.custodian.id, int(outbox_id))
        resources = list(bundles.resources_of(wire.parse(body)))
        made = Counter(r["resourceType"] for r in resources)
        listed = ", ".join(f"{count} {name}" for name, count in sorted(made.items()))
        self._tell(
            f"{what} comes in, is mapped to FHIR, and stored with its delivery in one transaction.",
            how,
            f"mapped: {listed}",
        )
        asking = [r for r in resources if r["resourceType"] == "Task" and "focus" in r]
        self._hold(len(asking) == 1, "The handoff has one Task that asks the EHR to act.")
        if losing_the_answer:
            self._see_the_answer_lost(outbox_id)
        self._await(
            lambda: view.show(stage.bridge, outbox_id).row.state is DeliveryState.DELIVERED,
            "The handoff is delivered.",
        )
        shown = view.show(stage.bridge, outbox_id)
        attempts = shown.attempts or ()
        if losing_the_answer:
            verdicts = [one.verdict for one in attempts]
            self._hold(verdicts == ["unknown", "delivered"], "The second attempt delivers.")
            looked = attempts[-1].details.get("looked")
            self._hold(looked == "found", "The look-up finds what had arrived.")
            self._tell(
                "The bridge asks the EHR by identifier first: everything is there, nothing is sent "
                "again."
            )
        else:
            created = attempts[-1].details["created"]
            self._tell(f"Delivered at try {len(attempts)}: {created} resources created.")
        return shown

    def _see_the_answer_lost(self, outbox_id: str) -> None:
        def tried() -> bool:
            row = view.show(self._stage.bridge, outbox_id).row
            return row.attempts >= 1 and row.last_verdict is not None

        self._await(tried, "The handoff is tried.")
        first = (view.show(self._stage.bridge, outbox_id).attempts or ())[0]
        self._hold(first.verdict == "unknown", "The first attempt's outcome is unknown.")
        self._hold(self._stage.dial()["lostAnswers"] == 1, "The EHR lost one answer.")
        self._tell("The EHR stores it, but its answer is lost: the bridge cannot know that it did.")

    def _count_copies(self, handoff: view.Delivery, stays: set[str]) -> None:
        stage = self._stage
        with stage.bridge.database.read() as session:
            row = handoff.row
            body = wire.parse(outbox_rows.body_of(session, stage.bridge.custodian.id, row.id))
        entries = list(bundles.entries_of(body))
        withheld: list[str] = []
        for entry in entries:
            search = str(entry.request.get("ifNoneExist") or "")
            reference = row.result.get(entry.full_url, "")
            if not reference:
                withheld.append(str(entry.request.get("url")))
                continue
            if search:
                found = self._get(self._ehr, f"{reference.partition('/')[0]}?{search}")
                copies = len(bundles.resources_of(found))
            else:  # a Provenance has no identifier; its place is its identity
                copies = int(self._get(self._ehr, reference).get("id") == reference.split("/")[1])
            self._hold(copies == 1, f"There is one copy of {reference}.")
        sent = stage.dial()["requests"].get("POST /fhir", 0)
        self._hold(sent == 3, "People, enrollment and plan were each sent once.")
        self._hold(set(withheld) == stays, "What was said to stay stays, and nothing else.")
        there = len(entries) - len(withheld)
        self._tell(
            f"The EHR holds exactly one copy of each of the {there} resources, and nothing of "
            "what consent keeps here."
        )

    def _accept(self, handoff: view.Delivery) -> None:
        stage = self._stage
        found = self._get(self._ehr, f"Task?status=requested&code={TASK_CODES}|fulfill")
        wanted = str(handoff.handoff.task_reference)
        tasks = {f"Task/{one['id']}": one for one in bundles.resources_of(found, "Task")}
        self._hold(wanted in tasks, "The EHR finds the Task among the requested ones.")
        task = tasks[wanted]
        version = task["meta"]["versionId"]
        answer = self._ehr.update(wanted, {**task, "status": "accepted"}, if_match=version)
        self._hold(isinstance(answer, Answer) and answer.status == 200, "The EHR accepts the Task.")
        self._tell("The hospital's staff find the request and accept it.", f"PUT {wanted} accepted")

        def seen() -> bool:
            return view.show(stage.bridge, str(handoff.row.id)).word.text == "Accepted"

        self._await(seen, "The bridge sees that it was accepted.")
        word = view.show(stage.bridge, str(handoff.row.id)).word
        self._tell(
            f"The program sees it: {word.text}. Next step by the {word.next_by}: {word.next_step}"
        )

    def _read_from_the_bridge(self, handoff: view.Delivery) -> None:
        stage = self._stage
        with stage.bridge.database.read() as session:
            custodian_id = stage.bridge.custodian.id
            body = wire.parse(outbox_rows.body_of(session, custodian_id, handoff.row.id))
        patient = f"Patient/{bundles.resources_of(body, 'Patient')[0]['id']}"
        counts = {}
        for resource_type, parameter in (
            ("CarePlan", "subject"),
            ("Appointment", "patient"),
            ("ServiceRequest", "subject"),
        ):
            found = self._get(self._provider, f"{resource_type}?{parameter}={patient}")
            counts[resource_type] = int(found.get("total", len(bundles.resources_of(found))))
            self._hold(counts[resource_type] > 0, f"The bridge shows {resource_type}.")
        listed = ", ".join(f"{count} {name}" for name, count in counts.items())
        self._tell(f"The client's record can be read at the bridge's FHIR API: {listed}.")

    def _get(self, client: PartnerClient, reference: str) -> Resource:
        answer = client.read(reference)
        body = read_body(answer) if isinstance(answer, Answer) and answer.status == 200 else None
        self._hold(body is not None, f"{reference.partition('?')[0]} can be read.")
        assert body is not None  # noqa: S101
        return body

    def _await(self, condition: Callable[[], bool], sentence: str) -> None:
        self._hold(wait_until(condition, seconds=_PATIENCE_SECONDS), sentence)
