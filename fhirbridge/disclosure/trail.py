"""`Trail`: what one request asked for and got, written as one audit row before it is answered.

What an entry of a batch writes has a row of its own, committed with it.

The row holds who asked, for what, which patients and resources, by which consents; no content.
Source: 42 CFR 2.16, 2.25, 2.51; design.md section 9
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from fhirbridge.consent.decision import Redisclosure
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.allowance import least
from fhirbridge.disclosure.gate import Gate
from fhirbridge.disclosure.manifest import withheld, words
from fhirbridge.storage import audit
from fhirbridge.storage.audit import Verdict
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion

MAX_LISTED = 5000
MAX_NAMED = 20  # consents in a header: proxies take a few thousand characters
# Those of the row's patients of whom nothing left in it.
NOT_SHOWN = "notShown"
# By patient, where something left of several: which of the row's resources and consents are theirs.
OF_EACH = "ofEach"


class Trail:
    """Collects until `write`; a trail that is not `wanted` collects nothing."""

    def __init__(self, gate: Gate, action: str, target: str, *, wanted: bool) -> None:
        self.wanted = wanted
        self.is_written = False
        self.is_shared = False  # by the entries of a batch: written when all are done
        self._gate = gate
        self._action = action
        self._target = target
        # whom what is shown, what came, and what was withheld is about
        self._shown: set[int] = set()
        self._written: set[int] = set()
        self._hidden: set[int] = set()
        self._resources: dict[str, None] = {}
        self._received: dict[str, None] = {}
        self._filed: set[str] = set()  # what entries of a batch wrote, each in a row of its own
        self._about: set[tuple[int, str]] = set()  # whom each of what is shown is about
        self._consents: dict[int, frozenset[str]] = {}
        self._emergencies: set[int] = set()
        self._redisclosures: dict[int, Redisclosure] = {}
        self._withheld = 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Forget what an entry of a batch noted if it is taken back: nothing of it was, or left."""
        if not self.is_shared:
            yield
            return
        noted = (self._shown, self._written, self._resources, self._received, self._about)
        self._shown, self._written = set(self._shown), set(self._written)
        self._resources, self._received = dict(self._resources), dict(self._received)
        self._about = set(self._about)
        try:
            yield
        except BaseException:
            self._shown, self._written, self._resources, self._received, self._about = noted
            raise

    @property
    def discloses(self) -> bool:
        """True if something about a patient leaves to somebody else, be it what they sent."""
        return not self._gate.is_open and bool(self._shown or self._written)

    @property
    def consents(self) -> tuple[str, ...]:
        """The consents by which something leaves."""
        return tuple(sorted(frozenset().union(*self._consents.values())))

    @property
    def grounds(self) -> str:
        """By what something leaves: the consents, and an exception to the need for one."""
        return self._by(self.consents)

    @property
    def grounds_in_short(self) -> str:
        """The same for a header, which must not be long: of many consents only how many."""
        named = self.consents
        return self._by(named if len(named) <= MAX_NAMED else (f"{len(named)} consents",))

    def _by(self, named: Iterable[str]) -> str:
        also = ("a medical emergency",) if self._emergencies else ()
        return ", ".join((*named, *also)) or "an exception to the need for consent"

    def manifest(self, session: Session) -> str:
        """What the receiver is told of what stays of the patients it was shown; "" for nothing."""
        policy = self._gate.place.policy
        if policy.manifest == "nothing" or self._gate.is_open:
            return ""
        counts = withheld(session, self._gate, sorted(self._shown - {-1, 0}))
        return words(policy.manifest, counts)

    def note(
        self,
        session: Session,
        versions: Iterable[ResourceVersion],
        *,
        received: bool = False,
        by: Gate | None = None,
    ) -> None:
        """These versions are shown; or `received`: the caller wrote them, and learns nothing.

        `by` is the gate that let them through, if not that of the request.
        """
        if not self.wanted:
            return
        gate = by or self._gate
        is_open = self._gate.is_open
        received = received and not is_open
        listed = self._received if received else self._resources
        patients = self._written if received else self._shown
        for version in versions:
            name = _name(version)
            listed[name] = None
            if is_open:
                patients.add(version.patient_key)
                continue
            for key in gate.patients(version):
                patients.add(key)
                allowance = gate.allowance_of(session, key, version)
                if not received:
                    self._about.add((key, name))
                    may = allowance.redisclosure(version.content_class)
                    self._redisclosures[key] = least((may, self._redisclosures.get(key, may)))
                self._consents[key] = self._consents.get(key, frozenset()) | allowance.permitting
                if allowance.is_emergency:
                    self._emergencies.add(key)

    def withhold(self, patient_key: int = 0) -> None:
        """Something that is there was withheld."""
        self._withheld += 1
        if patient_key > 0:
            self._hidden.add(patient_key)

    def write(self, session: Session, *, status: int, more: dict[str, Any] | None = None) -> None:
        """Add the row, once, inside a transaction of the caller's."""
        if self.wanted and not self.is_written:
            audit.append(session, (self.event(status=status, more=more),))

    def file(self, session: Session, versions: Iterable[ResourceVersion]) -> None:
        """Add the row of what an entry of a batch wrote, in its transaction: nothing is shown."""
        written = {_name(version): version for version in versions}
        if not self.wanted or not written:
            return
        is_open = self._gate.is_open
        keys: set[int] = set()
        for version in written.values():
            keys |= {version.patient_key} if is_open else self._gate.patients(version)
        row = audit.event(
            self._gate.place.custodian_id,
            recorded_at=self._gate.place.now,
            action=self._action,
            decision="own" if is_open else "received",
            patient_keys=frozenset(keys - {-1, 0}),
            entry={"status": 200, **self._asked(), "received": list(written)[:MAX_LISTED]},
        )
        audit.append(session, (row,))
        self._filed.update(written)

    def event(self, *, status: int, more: dict[str, Any] | None = None) -> audit.Event:
        """The row, which from now on counts as written."""
        self.is_written = True
        patients = (self._shown | self._written | self._hidden) - {-1, 0}
        received = [each for each in self._received if each not in self._filed]
        resources = list(self._resources)
        if self._gate.is_open:
            resources = [each for each in resources if each not in self._filed]
        given = {
            "resources": resources[:MAX_LISTED],
            "received": received[:MAX_LISTED],
            "shown": len(resources),
            "withheld": self._withheld,
            NOT_SHOWN: sorted(patients - self._shown) if self._resources else [],
            "consents": self.consents,
            "redisclosure": least(self._redisclosures.values()) if self._redisclosures else "",
            OF_EACH: self._of_each(resources[:MAX_LISTED]),
            **(more or {}),
        }
        entry: dict[str, Any] = {"status": status, **self._asked()}
        entry.update({name: value for name, value in given.items() if value})
        return audit.event(
            self._gate.place.custodian_id,
            recorded_at=self._gate.place.now,
            action=self._action,
            decision=self._verdict(status),
            patient_keys=frozenset(patients),
            entry=entry,
        )

    def _of_each(self, listed: list[str]) -> dict[str, dict[str, Any]]:
        """What of the row is about which patient; empty unless it is about several."""
        if len(self._consents) < 2:
            return {}
        places = {name: place for place, name in enumerate(listed)}
        resources: dict[int, list[int]] = {key: [] for key in self._shown}
        for key, name in self._about:
            if name in places:
                resources[key].append(places[name])
        consents = {name: place for place, name in enumerate(self.consents)}
        return {
            str(key): {
                "resources": sorted(found),
                "consents": sorted(consents[name] for name in self._consents[key]),
                "emergency": key in self._emergencies,
                "redisclosure": self._redisclosures.get(key, ""),
            }
            for key, found in resources.items()
        }

    def _asked(self) -> dict[str, Any]:
        """Who asked, for what, and by which policy it was decided."""
        caller = self._gate.caller
        recipient = caller.recipient or Recipient("")
        given = {
            "client": caller.client_id,
            "recipient": recipient.name,
            "identifiers": recipient.identifiers,
            "purpose": caller.purpose,
            "reason": caller.reason,
            "actor": caller.actor,
            "target": self._target,
            "policy": self._gate.place.policy.version if not self._gate.is_open else "",
        }
        return {name: value for name, value in given.items() if value}

    def _verdict(self, status: int) -> Verdict:
        if self._gate.is_open:
            return "own" if status < 400 else "failed"
        if self._emergencies:
            return "emergency"
        if status >= 400 and (self._received or self._action == "batch"):
            return "failed"  # all of it was taken back
        if self._resources:
            return "permit"
        if self._received:
            return "received"
        return "withhold" if self._withheld or status in (404, 403) else "failed"


def _name(version: ResourceVersion) -> str:
    return f"{version.reference}/_history/{version.version_id}"
