"""The official R4 examples (CC0): fetched by name with npm, checked, and kept in a user cache.

They are in no checkout. Where npm or the network is missing, the 200 committed ones in
`official_sample.ndjson` remain; `python -m tests.official_examples` writes that file anew.
Source: npm package hl7.fhir.r4.examples 4.0.1
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from fhirbridge.fhir import wire

PACKAGE = "hl7.fhir.r4.examples@4.0.1"
FILE_NAME = "hl7.fhir.r4.examples-4.0.1.tgz"
SHA512 = (
    "0d705d21939e41a48a220094ef0e87382eecc3fe81cf29668a92e4056e1ffffa"
    "53f8173de31fbc2c89b04ddbda35384f2683b3a41cefc40ccdaa37aedd7ff32f"
)
EXAMPLE_COUNT = 5306
SAMPLE = Path(__file__).parent / "official_sample.ndjson"
_SAMPLE_SIZE = 200
_LARGEST_IN_SAMPLE = 12_000
_DOMAIN_TYPES = (
    "CarePlan Appointment ServiceRequest Task Consent Goal CareTeam Patient Condition Encounter "
    "EpisodeOfCare Composition Bundle MedicationRequest Provenance Observation Communication "
    "Practitioner Organization DocumentReference QuestionnaireResponse"
)


class Unavailable(Exception):
    """The package cannot be had on this machine; the text says why."""


def archive() -> Path:
    """The package as a file whose hash is right. Raises Unavailable."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fhirbridge"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / FILE_NAME
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one of the parallel test processes fetches
        if not _is_whole(target):
            _fetch(folder, target)
    return target


def _is_whole(path: Path) -> bool:
    if not path.exists():
        return False
    return hashlib.sha512(path.read_bytes()).hexdigest() == SHA512


def _fetch(folder: Path, target: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("npm is not installed, so the official examples cannot be fetched")
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        command = [npm, "pack", PACKAGE, "--silent", "--pack-destination", temporary]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=180, cwd=temporary)
        except (subprocess.SubprocessError, OSError) as exc:
            raise Unavailable(f"npm could not fetch the official examples: {exc}") from exc
        fetched = Path(temporary) / FILE_NAME
        if not _is_whole(fetched):
            raise Unavailable("the fetched package is not the one whose hash is pinned")
        os.replace(fetched, target)


def read(path: Path, *, part: int = 0, parts: int = 1) -> Iterator[tuple[str, bytes]]:
    """File name and content of every example in the package, or of one part of them."""
    with tarfile.open(path) as package:
        for index, member in enumerate(package):
            name = Path(member.name).name
            if index % parts != part or not member.isfile() or not name.endswith(".json"):
                continue
            if name in ("package.json", ".index.json"):
                continue
            handle = package.extractfile(member)
            yield name, handle.read() if handle else b""


@cache
def sample() -> dict[str, bytes]:
    """The committed examples: file name -> JSON text with its digits."""
    lines = [wire.parse(line) for line in SAMPLE.read_bytes().splitlines()]
    return {line["name"]: wire.dump(line["resource"]) for line in lines}


def write_sample() -> None:
    """Choose the smallest example of each type, then small ones of the types we use most."""
    sizes: dict[str, list[tuple[int, str]]] = {}
    contents: dict[str, bytes] = {}
    for name, content in read(archive()):
        if len(content) <= _LARGEST_IN_SAMPLE:
            resource = wire.parse(content)
            contents[name] = wire.dump({"name": name, "resource": resource})
            listed = sizes.setdefault(resource["resourceType"], [])
            listed.append((len(contents[name]), name))
    chosen = [min(listed)[1] for listed in sizes.values()]
    queues = {kind: sorted(sizes.get(kind, []))[1:] for kind in _DOMAIN_TYPES.split()}
    while len(chosen) < _SAMPLE_SIZE:
        for queue in queues.values():
            with contextlib.suppress(IndexError):
                chosen.append(queue.pop(0)[1])
    SAMPLE.write_bytes(b"".join(contents[n] + b"\n" for n in sorted(chosen[:_SAMPLE_SIZE])))


if __name__ == "__main__":
    write_sample()
