"""`fhirbridge work`: a delivery process; as many as wanted may run."""

import signal
import threading
from types import FrameType

import click

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.bridge import Bridge
from fhirbridge.fhir import wire
from fhirbridge.handoffs.alarms import clocks_of
from fhirbridge.handoffs.deliver import Attempted
from fhirbridge.handoffs.follow import Followed
from fhirbridge.handoffs.worker import Crew, drain, work
from fhirbridge.jsontypes import JsonObject


@click.command("work")
@click.option("--once", is_flag=True, help="Deliver and follow what is due now, then end.")
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Attempts under way at once in this process.",
)
@click.option(
    "--per-partner",
    type=click.IntRange(1, 16),
    default=1,
    show_default=True,
    help="Attempts under way at once for one partner, over all processes.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each event.")
def command(once: bool, threads: int, per_partner: int, as_json: bool) -> None:
    """Deliver what is queued and look at the partners' Tasks, until stopped.

    On SIGTERM or Ctrl-C the attempts under way finish and nothing new is begun.
    """
    bridge = bridges.build(config.load())
    crew = Crew(threads, per_partner)
    said = _Said(as_json)
    try:
        look_for_faults(bridge)
        if once:
            drain(bridge, crew=crew, heard=said)
            return
        stop = threading.Event()

        def on_signal(_signal: int, _frame: FrameType | None) -> None:
            stop.set()

        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)
        work(bridge, stop, crew=crew, heard=said)
    finally:
        bridge.close()


def look_for_faults(bridge: Bridge) -> None:
    """Raise Misconfigured for a mapping pack, consent policy or clocks that cannot be read."""
    _ = bridge.mappings, bridge.policy, clocks_of(bridge)


class _Said:
    """Tells each event: JSON lines on stdout, or words on stderr. Ids and codes only."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._lock = threading.Lock()

    def __call__(self, event: Attempted | Followed) -> None:
        with self._lock:
            if self._as_json:
                click.echo(wire.dump(_json(event)))
            elif not isinstance(event, Followed) or event.result not in ("same", "stale"):
                click.echo(_words(event), err=True)


def _words(event: Attempted | Followed) -> str:
    if isinstance(event, Followed):
        return f"handoff {event.handoff_id}: task {event.result}, {event.state.value}"
    ending = event.ending
    error = f", {ending.error_class}" if ending.error_class else ""
    return (
        f"delivery {event.outbox_id} to {event.partner}, try {event.attempt}: "
        f"{ending.verdict}{error}, now {ending.state.value}"
    )


def _json(event: Attempted | Followed) -> JsonObject:
    if isinstance(event, Followed):
        return {
            "event": "followed",
            "handoff": event.handoff_id,
            "result": event.result,
            "referral": event.state.value,
        }
    return {
        "event": "attempted",
        "outbox": event.outbox_id,
        "handoff": event.handoff_id,
        "partner": event.partner,
        "attempt": event.attempt,
        "verdict": event.ending.verdict,
        "errorClass": event.ending.error_class,
        "state": event.ending.state.value,
        "recorded": event.recorded,
    }
