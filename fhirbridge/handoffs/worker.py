"""The delivery process: threads that deliver what is due and look at Tasks whose turn it is.

As many processes as wanted run side by side; leases keep them apart. When it is asked to stop,
attempts under way finish and nothing new is begun.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fhirbridge import telemetry
from fhirbridge.bridge import Bridge
from fhirbridge.errors import InvalidContent
from fhirbridge.handoffs.alarms import ring_next
from fhirbridge.handoffs.deliver import Attempted, attempt
from fhirbridge.handoffs.expiry import expire
from fhirbridge.handoffs.feed import read_feed, skip_next
from fhirbridge.handoffs.follow import CLOSED, Followed, follow_next
from fhirbridge.handoffs.subscribe import renew_next
from fhirbridge.handoffs.withdrawing import tell_next
from fhirbridge.storage import handoffs, outbox

_IDLE_SECONDS = 1.0  # other processes enqueue without telling us
_SKIPPED_SECONDS = 0.2
_AFTER_FAULT_SECONDS = 5.0

# Of the code and of what it reads. Those of the database are over by themselves.
_FAULTS = (
    *(LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError),
    InvalidContent,
)

Heard = Callable[[Attempted | Followed], None]


@dataclass(frozen=True, slots=True)
class Crew:
    """How a delivery process works: so many threads, so many attempts at once per partner.

    Every second thread keeps to partners that answer, so that those that are down or slow never
    take all of them.
    """

    threads: int = 4
    per_partner: int = 1


def _say_nothing(_event: Attempted | Followed) -> None:
    return None


def drain(bridge: Bridge, *, crew: Crew | None = None, heard: Heard = _say_nothing) -> int:
    """Deliver and follow all that is due now, in this thread; returns the number of attempts."""
    owner = bridge.new_id()
    per_partner = (crew or Crew()).per_partner
    count = 0
    while attempted := attempt(bridge, owner, per_partner=per_partner):
        heard(attempted)
        count += 1
    began = bridge.now()  # a Task that is looked at often must not keep us for ever
    while any((_attend(bridge), _look(bridge, heard, due_by=began))):
        pass
    return count


def _look(bridge: Bridge, heard: Heard, *, due_by: datetime | None = None) -> bool:
    """Look at the Task whose turn it is, tell of a withdrawal, renew what partners tell us.

    False if nothing is due.
    """
    followed = follow_next(bridge, due_by=due_by)
    if followed is not None:
        heard(followed)
    return any((followed, tell_next(bridge), renew_next(bridge)))


def _attend(bridge: Bridge) -> bool:
    """Take in what partners wrote here, let a clock ring, end what is too old: all without asking
    anybody, so that nobody who is slow to answer delays it. False if there was nothing to do."""
    return any([step(bridge) for step in (_take_in, ring_next, expire)])


def _take_in(bridge: Bridge) -> bool:
    """Take in what partners wrote; what a fault of ours makes impossible is set aside alone."""
    try:
        return read_feed(bridge) is not None
    except _FAULTS as exc:
        telemetry.unexpected(exc, "Taking in what partners wrote")
    try:
        return read_feed(bridge, at_most=1) is not None
    except _FAULTS:
        return skip_next(bridge)


def work(
    bridge: Bridge, stop: threading.Event, *, crew: Crew | None = None, heard: Heard = _say_nothing
) -> None:
    """Deliver until `stop` is set; returns when the attempts under way have finished."""
    crew = crew or Crew()
    threads = [
        threading.Thread(
            target=_deliver_until,
            args=(bridge, stop, crew, heard, number % 2 == 1),
            name=f"deliver-{number}",
        )
        for number in range(crew.threads)
    ]
    threads.append(
        threading.Thread(target=_follow_until, args=(bridge, stop, heard), name="follow")
    )
    threads.append(threading.Thread(target=_attend_until, args=(bridge, stop), name="attend"))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _deliver_until(
    bridge: Bridge, stop: threading.Event, crew: Crew, heard: Heard, healthy_only: bool
) -> None:
    owner = bridge.new_id()
    while not stop.is_set():
        try:
            attempted = attempt(
                bridge, owner, per_partner=crew.per_partner, healthy_only=healthy_only
            )
        except Exception as exc:  # one broken row or a busy database must not end the process
            telemetry.unexpected(exc, "The delivery process")
            stop.wait(_AFTER_FAULT_SECONDS)
            continue
        if attempted is None:
            stop.wait(_idle_seconds(bridge, _next_delivery_at(bridge)))
        else:
            heard(attempted)


def _follow_until(bridge: Bridge, stop: threading.Event, heard: Heard) -> None:
    while not stop.is_set():
        try:
            is_busy = _look(bridge, heard)
        except Exception as exc:  # as above
            telemetry.unexpected(exc, "Following")
            stop.wait(_AFTER_FAULT_SECONDS)
            continue
        if not is_busy:
            stop.wait(_idle_seconds(bridge, _next_look_at(bridge)))


def _attend_until(bridge: Bridge, stop: threading.Event) -> None:
    while not stop.is_set():
        is_busy, has_failed = False, False
        for step in (_take_in, ring_next, expire):
            try:
                is_busy = bool(step(bridge)) or is_busy
            except Exception as exc:  # as above; it does not keep us from the others
                telemetry.unexpected(exc, "Attending to handoffs")
                has_failed = True
        if has_failed:
            stop.wait(_AFTER_FAULT_SECONDS)
        elif not is_busy:
            stop.wait(_IDLE_SECONDS)


def _next_delivery_at(bridge: Bridge) -> datetime | None:
    with bridge.database.read() as session:
        return outbox.next_due_at(session, bridge.custodian.id)


def _next_look_at(bridge: Bridge) -> datetime | None:
    with bridge.database.read() as session:
        return handoffs.follow_due_at(session, bridge.custodian.id, CLOSED)


def _idle_seconds(bridge: Bridge, due_at: datetime | None) -> float:
    """How long to rest: until something is due, at most a second.

    What is due and was not given to us waits for somebody else: no need to ask all the time.
    """
    if due_at is None:
        return _IDLE_SECONDS
    seconds = (due_at - bridge.now()).total_seconds()
    return min(seconds, _IDLE_SECONDS) if seconds > 0 else _SKIPPED_SECONDS
