"""Native documents that load without error, generated from their schemas and the rules.

`documents(kind)` covers every field, closed code, and many written forms. Values that rules bind
together (references, date order, series and their sessions) are made consistent afterwards.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from fhirbridge.jsontypes import JsonObject
from fhirbridge.native import documents as native
from fhirbridge.native.containers import Free, Listing, Object
from fhirbridge.native.dates import to_datetime
from fhirbridge.native.rules.appointments import UNTIMED
from fhirbridge.native.rules.findings import is_after
from fhirbridge.native.shapes import SCHEMAS
from fhirbridge.recurrence import InvalidSeries, occurrences, to_instant
from tests.laws import values
from tests.laws.choices import Choices

EXTRAS = ({"a": 1}, {"note": "<b>é</b>", "list": [None, {}, ""]}, {"deep": {"x": [1.5, True]}})
# built from others, after the rest
_LATER = ("sessions", "schema", "recordId", "enrollmentId", "planId", "referralId")


@dataclass(frozen=True)
class Stream:
    """What a document is made from: bytes to choose by, and how many optional fields it has."""

    data: bytes
    density: int

    def document(self, kind: native.Kind) -> JsonObject:
        """The document; the same stream always gives the same one."""
        return document(kind, Choices(self.data, density=self.density))


# bytes of one size: quicker to draw
STREAMS = st.builds(
    Stream, st.binary(min_size=3000, max_size=3000), st.sampled_from((1, 1, 2, 2, 3))
)


def documents(kind: native.Kind) -> st.SearchStrategy[JsonObject]:
    """Documents of a kind as a source system would write them: not yet normalised."""
    return STREAMS.map(lambda stream: stream.document(kind))


def document(kind: native.Kind, choices: Choices) -> JsonObject:
    """One document from a stream of choices."""
    maker = _Maker(choices)
    made = maker.members(SCHEMAS[kind].fields, skip=_LATER)
    maker.envelope(made)
    made["schema"] = f"fhirbridge.{kind}/{choices.of(('1', '1.0'))}"
    made["recordId"] = choices.of(("R-1", "r 1/é", choices.text(20)))
    made[native.OWN_IDS[kind]] = made["recordId"]
    if kind == "enrollment":
        maker.enrollment(made)
    elif kind == "aftercare-plan":
        maker.aftercare_plan(made)
    else:
        maker.referral(made)
    maker.refer(made)
    return made


class _Maker:
    """Makes values along a schema, and remembers the references to fill in."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.references: list[tuple[Any, Any, str]] = []

    def members(self, fields: Any, *, skip: tuple[str, ...] = ()) -> JsonObject:
        """The fields of an object, with those that are required and some others."""
        made: JsonObject = {}
        for name, field in fields.items():
            if name not in skip and (field.required or self.choices.present()):
                self.put(made, name, field)
        return made

    def put(self, made: JsonObject, name: str, field: Any) -> None:
        """One field of an object."""
        if isinstance(field, Object):
            made[name] = self.members(field.schema.fields)
        elif isinstance(field, Listing):
            made[name] = self.items(field)
        elif isinstance(field, Free):
            made[name] = self.choices.of(EXTRAS)
        elif field.ref:
            made[name] = None
            self.references.append((made, name, field.ref))
        else:
            made[name] = values.value(field, self.choices)

    def items(self, field: Listing) -> list[Any]:
        """A short list whose items have different keys."""
        count = self.choices.below(3) + (self.choices.density == 3)
        if isinstance(field.item, Object):
            return [self.item(field, index) for index in range(count)]
        if field.item.ref:
            made: list[Any] = [None] * count
            self.references += [(made, index, field.item.ref) for index in range(count)]
            return made
        return [values.value(field.item, self.choices) for _ in range(count)]

    def item(self, field: Listing, index: int) -> JsonObject:
        """One object of a list, unique by its key."""
        assert isinstance(field.item, Object)
        made = self.members(field.item.schema.fields)
        if field.key == "dimension":
            made["dimension"] = (index * 2 + self.choices.below(2)) % 6 + 1
        elif isinstance(field.key, str) and isinstance(made.get(field.key), str):
            made[field.key] = f"{made[field.key].strip()}{index}"
        return made

    def refer(self, document: JsonObject) -> None:
        """Fill in the references; one without a possible target is left out."""
        prevention = document.get("relapsePreventionPlan", {})
        targets = {
            "staff": [p["id"] for name in ("authors", "staff") for p in document.get(name, ())],
            "consents": [consent["id"] for consent in document.get("consents", ())],
            "triggers": [trigger["id"] for trigger in prevention.get("triggers", ())],
        }
        for holder, place, ref in self.references:
            if targets[ref]:
                holder[place] = self.choices.of(targets[ref])
        team = {member["staffId"]: member for member in document.get("careTeam", ())}
        if team:
            document["careTeam"] = list(team.values())

    def envelope(self, made: JsonObject) -> None:
        """People with different ids and NPIs, an age, consents in date order."""
        fields = SCHEMAS["referral"].fields
        if not made.get("authors") and not made.get("staff"):
            made["staff"] = [self.item(fields["staff"], 0)]
        npis: set[str] = set()
        for name in ("authors", "staff"):
            for person in made.get(name, ()):
                person["id"] = f"{name[0]}{person['id']}"
                if person.get("npi") in npis:
                    del person["npi"]
                npis.add(person.get("npi", ""))
        made["patient"]["birthDate"] = f"{1930 + self.choices.below(80)}-02-28"
        for entry in made["facility"].get("accreditations", ()):
            _in_order(entry, "validFrom", "validTo")
        for consent in made.get("consents", ()):
            _in_order(consent, "signedAt", "expires")
            _in_order(consent, "signedAt", "revokedAt")

    def enrollment(self, made: JsonObject) -> None:
        """Dates in order, series of a few sessions, and sessions that lie on them."""
        _in_order(made, "admitDate", "expectedEnd")
        _in_order(made, "admitDate", "dischargeDate")
        made.get("statusHistory", []).sort(key=lambda entry: to_datetime(entry["at"]))
        for coverage in made.get("coverage", ()):
            _in_order(coverage.get("period", {}), "start", "end")
        for auth in made.get("benefitsVerification", {}).get("auths", ()):
            _in_order(auth, "from", "to")
        for goal in made.get("goals", ()):
            self.goal(goal)
        made["schedule"] = [
            schedule for schedule in made.get("schedule", ()) if self.series(schedule)
        ]
        if self.choices.present():
            made["sessions"] = self.sessions(made["schedule"])

    def series(self, schedule: JsonObject) -> bool:
        """Give a schedule a few days; False where no such series is possible."""
        schedule["from"] = self.choices.of((*values.DAYS, "2026-02-16", "2027-01-04"))
        if schedule["startLocal"] == schedule["endLocal"]:
            schedule["endLocal"] = "10:45"
        schedule.pop("until", None)
        schedule["count"] = 1 + self.choices.below(5)
        first = date.fromisoformat(schedule["from"])
        # a rule that does not reach that day would end otherwise than by count
        if self.choices.chance(2):
            del schedule["count"]
            schedule["until"] = (first + timedelta(days=self.choices.below(6))).isoformat()
            schedule["rDates"] = [schedule["from"]]
        for name, days in (("rDates", (30, 31)), ("exDates", (1, 2))):
            if name in schedule:
                shifted = {(first + timedelta(days=d)).isoformat() for d in days}
                schedule[name] = sorted(
                    shifted | set(schedule[name][:1] if name == "rDates" else ())
                )
        try:
            occurrences(schedule)
        except InvalidSeries:
            return False
        return True

    def sessions(self, schedules: list[JsonObject]) -> list[JsonObject]:
        """What happened on some of the days."""
        field = SCHEMAS["enrollment"].fields["sessions"]
        made = []
        for schedule in schedules:
            for occurrence in occurrences(schedule):
                if len(made) < 4 and self.choices.chance(2):
                    session = self.members(
                        field.item.schema.fields, skip=("scheduleId", "occurrenceDate")
                    )
                    session["scheduleId"] = schedule["id"]
                    session["occurrenceDate"] = occurrence.date
                    _in_order(session, "actualStart", "actualEnd", strictly=True)
                    made.append(session)
        return made

    def aftercare_plan(self, made: JsonObject) -> None:
        """Dates in order, appointments that R4 can hold."""
        fields = SCHEMAS["aftercare-plan"].fields
        if self.choices.present():
            self.put(made, "enrollmentId", fields["enrollmentId"])
        _in_order(made, "planningStartedAt", "finalizedAt")
        _in_order(made.get("safetyPlan", {}), "reviewedAt", "nextReview")
        for goal in made.get("goals", ()):
            self.goal(goal)
        for appointment in made.get("followUpAppointments", ()):
            self.appointment(appointment, "durationMin")

    def referral(self, made: JsonObject) -> None:
        """Dates in order, an appointment that R4 can hold."""
        _in_order(made.get("requestedWindow", {}), "from", "to")
        if "appointment" in made:
            self.appointment(made["appointment"], "duration")

    def goal(self, goal: JsonObject) -> None:
        """A due date that does not lie before the start."""
        target = goal.get("target", {})
        if "due" in target and target["due"] < goal.get("startedAt", ""):
            del target["due"]

    def appointment(self, made: JsonObject, minutes: str) -> None:
        """A start with zone and length, or a status that needs no start."""
        if "startLocal" not in made:
            made["status"] = self.choices.of(UNTIMED)
            return
        made.setdefault("tz", self.choices.of(values.ZONES))
        made[minutes] = 1 + self.choices.below(240)
        to_instant(datetime.fromisoformat(made["startLocal"]), made["tz"])


def _in_order(made: JsonObject, first: str, second: str, *, strictly: bool = False) -> None:
    if first not in made or second not in made:
        return
    if is_after(made[first], made[second]) or (strictly and made[first] == made[second]):
        if len(made[first]) == len(made[second]) and made[first] != made[second]:
            made[first], made[second] = made[second], made[first]
        else:
            del made[second]
    if strictly and second in made and not is_after(made[second], made[first]):
        del made[second]
