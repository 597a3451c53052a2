"""What a partner does not get, or gets less safely, on the rung that fits it: in sentences."""

from collections import Counter
from collections.abc import Iterable

from fhirbridge.partners.abilities import Abilities
from fhirbridge.partners.planned import PlannedEntry, Rung, SendPlan


def _counted(entries: Iterable[PlannedEntry]) -> str:
    counts = Counter(entry.resource_type for entry in entries)
    return ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))


def losses(made: SendPlan, abilities: Abilities) -> Iterable[str]:
    """The losses of a plan, and how it is made up for them."""
    if not abilities.known:
        yield "The partner's capabilities are not known; a transaction is tried."
    if made.rung is Rung.PAPER:
        yield (
            "The partner can hold neither plan nor document: nothing is sent; the packet is "
            "printed with a handoff code, and the answer is entered by hand."
        )
        return
    if made.rung is Rung.DOCUMENT:
        left = [one for one in made.dropped if one.resource_type not in ("Patient", "Task")]
        yield (
            f"The partner takes documents only: {_counted(left)} travel inside one document to "
            "read, not as data to work with."
        )
        if not any(one.resource_type == "Task" for one in made.entries):
            yield "The partner takes no Task: its answer comes by phone or fax, under the code."
        return
    if made.rung is Rung.BATCH:
        yield (
            f"The partner takes no transactions: {len(made.waves)} batches are sent, so that for "
            "a moment a part is there without the rest."
        )
    elif made.rung is not Rung.TRANSACTION:
        yield (
            f"The partner takes neither transactions nor batches: {len(made.entries)} resources "
            "are created one by one, so that for a moment a part is there without the rest."
        )
    creates = [entry for entry in made.entries if entry.action == "create"]
    blind = [entry for entry in creates if not (entry.conditional and entry.search)]
    if blind:
        asked = [e for e in blind if e.search and abilities.can_find(e.resource_type)]
        if asked:
            yield (
                f"No conditional create for {_counted(asked)}: the partner is asked before each "
                "one; another sender at the same instant could make a second copy."
            )
        unasked = [e for e in blind if e not in asked]
        if unasked:
            yield (
                f"Neither conditional create nor look-up for {_counted(unasked)}: what the "
                "partner holds already from elsewhere is made once more."
            )
    lost = [
        e
        for e in creates
        if not e.search or not (e.conditional or abilities.can_find(e.resource_type))
    ]
    if lost and made.rung is not Rung.TRANSACTION:
        yield (
            f"{_counted(lost)} cannot be looked up at the partner: after a lost answer a person "
            "has to decide."
        )
    if made.matches:
        yield (
            f"{_counted(made.matches)} cannot be created at the partner; what it already has "
            "under the same identifier is used."
        )
    if made.dropped:
        yield (
            f"{_counted(made.dropped)} cannot be stored at the partner; links become identifiers."
        )
    updates = [entry for entry in made.entries if entry.action == "update" and entry.differs]
    if updates:
        yield f"{_counted(updates)} at the partner are replaced by the newer version."
    older = [entry for entry in made.kept if entry.differs and entry.resource_type != "Task"]
    if older:
        yield f"{_counted(older)} at the partner may be older and are left as they are there."
    deferring = [entry for entry in made.entries if entry.deferred]
    if deferring and not made.relinks:
        yield (
            f"Links that form a ring are kept in one direction only, because the partner offers "
            f"no update of {_counted(deferring)}."
        )
