"""`fhirbridge demo [--check]`: the whole loop on this machine, with synthetic people."""

import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import click

from fhirbridge.demo.stage import Stage, stage
from fhirbridge.demo.story import StoryBroken, tell


@click.command("demo")
@click.option("--check", is_flag=True, help="Tell the story, exit 0 if every step holds, else 1.")
def command(check: bool) -> int:
    """Send a discharge plan from a provider's bridge to a flaky EHR and back, offline.

    Takes about half a minute. Afterwards both servers stay up to be looked at, until Ctrl-C.
    """
    stop = threading.Event()

    def on_signal(_signal: int, _frame: FrameType | None) -> None:
        stop.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, on_signal)
    try:
        with stage() as up:
            tell(up, click.echo)
            if check:
                click.echo("All of it holds.")
                return 0
            signal.signal(signal.SIGINT, lambda *_: stop.set())
            signal.signal(signal.SIGTERM, lambda *_: stop.set())
            _invite(up)
            stop.wait()
    except StoryBroken as broken:
        click.echo(str(broken), err=True)
        return 1
    return 0


def _invite(up: Stage) -> None:
    """Where to look and what to try, while the servers stay up."""
    program = sys.argv[0] if Path(sys.argv[0]).name == "fhirbridge" else "fhirbridge"
    command = f"FHIRBRIDGE_DATABASE_URL={up.environment['FHIRBRIDGE_DATABASE_URL']} {program}"
    click.echo("")
    click.echo("Both servers stay up. Look around in another terminal:")
    click.echo(f"  curl -s '{up.provider_url}/CarePlan?_count=1'")
    click.echo(f"  curl -s '{up.ehr_url}/Task?status=accepted'")
    click.echo(f"  {command} handoff list")
    click.echo(f"  {command} audit breach --since 2026-01-01")
    click.echo(f"or in a browser: {up.provider_url.removesuffix('/fhir')}/api/docs")
    click.echo("Ctrl-C ends the demo and removes its databases.")
