"""Every official example through the API: stored and read back, by JSON and by XML.

    python -m benchmarks.examples

What is valid R4 must come back equal, digits and date texts included; that the same resource sent
as XML makes no new version shows that XML loses nothing on its way in.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from flask.testing import FlaskClient

from benchmarks.timing import commit, machine
from fhirbridge import bridge as bridges
from fhirbridge.config import Settings
from fhirbridge.fhir import wire, xml
from fhirbridge.fhir.validation import check
from fhirbridge.jsontypes import Resource
from fhirbridge.web.app import create_app
from tests import official_examples

# Two of the examples are above the default.
MAX_BYTES = 100_000_000
_JSON = {"Content-Type": "application/fhir+json"}
_XML = {"Content-Type": "application/fhir+xml", "Accept": "application/fhir+xml"}


@dataclass(slots=True)
class Tally:
    """How many were stored or refused, and what went wrong, one line for each."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def send(client: FlaskClient, examples: Iterable[tuple[str, bytes]], tally: Tally) -> None:
    """Send each example to a server without referential integrity, and compare."""
    for name, content in examples:
        resource = wire.parse(content, max_bytes=len(content))
        fault = _fault(client, resource, tally)
        if fault:
            tally.faults.append(f"{name}: {fault}")


def _fault(client: FlaskClient, resource: Resource, tally: Tally) -> str:
    errors = [issue for issue in check(resource) if issue.is_error]
    reference = f"{resource['resourceType']}/{resource.get('id', '')}"
    url = f"/fhir/{reference}"
    stored = client.put(url, data=wire.dump(resource), headers=_JSON)
    if stored.status_code not in (200, 201):
        is_request = resource.get("type") in ("batch", "transaction") and not errors
        tally.counts["requests, refused" if is_request else "invalid, refused"] += 1
        return "" if errors or is_request else f"valid, but {stored.status_code} as JSON"
    tally.counts["stored"] += 1
    if errors:
        return "not valid, but stored"
    if _canonical(wire.parse(client.get(url).data, max_bytes=MAX_BYTES)) != _canonical(resource):
        return "JSON comes back changed"
    version = client.get(url).headers["ETag"]
    again = client.put(url, data=xml.dump(resource), headers=_XML)
    if again.status_code != 200 or again.headers["ETag"] != version:
        return f"{again.status_code} as XML, or changed by it"
    read = xml.parse(client.get(url, headers=_XML).data, max_bytes=MAX_BYTES)
    return "" if _canonical(read) == _canonical(resource) else "XML comes back changed"


def _canonical(resource: Resource) -> bytes:
    """The text that two equal resources share; without what the server says itself."""
    own = ("versionId", "lastUpdated")
    meta = {key: value for key, value in resource.get("meta", {}).items() if key not in own}
    rest = {key: value for key, value in resource.items() if key != "meta"}
    return wire.canonical({**rest, "meta": meta} if meta else rest)


def main() -> int:
    """Send all examples of the package."""
    started = time.perf_counter()
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        bridge = bridges.build(
            Settings(
                auth="none",
                database_url=f"sqlite:///{folder}/examples.db",
                referential_integrity=False,
                max_body_bytes=MAX_BYTES,
            )
        )
        send(
            create_app(bridge).test_client(),
            official_examples.read(official_examples.archive()),
            tally,
        )
        bridge.close()
    for fault in tally.faults:
        print(fault)
    print(dict(tally.counts), f"{len(tally.faults)} faults, {time.perf_counter() - started:.0f} s")
    print(f"commit {commit()}, {machine()}")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
