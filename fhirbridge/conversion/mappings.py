"""The mappings of all documents, compiled once: native shapes meet packs here."""

from collections.abc import Mapping as MappingABC
from functools import cache
from pathlib import Path

from fhirbridge.errors import Issue
from fhirbridge.mapping.check import check, checked
from fhirbridge.mapping.compiler import Mapping, compile_pack
from fhirbridge.mapping.loader import layers, read_pack
from fhirbridge.mapping.model import MappingFault, Pack
from fhirbridge.native.documents import KINDS, Kind, shape

Mappings = MappingABC[Kind, Mapping]


def read_packs(*, base: str, site: Path | None = None) -> dict[Kind, Pack]:
    """Read the packs of all documents. Raises MappingFault for the first unreadable file."""
    stack = layers(site)
    return {kind: read_pack(kind, stack, base=base) for kind in KINDS}


def faults(packs: MappingABC[Kind, Pack]) -> list[Issue]:
    """All faults of all packs."""
    return [issue for kind, pack in packs.items() for issue in check(pack, shape(kind))]


def load_mapping(kind: Kind, *, base: str, site: Path | None = None) -> Mapping:
    """Read, check and compile the pack of one document. Raises MappingFault with every fault."""
    return _compile({kind: read_pack(kind, layers(site), base=base)})[kind]


def load_mappings(*, base: str, site: Path | None = None) -> Mappings:
    """Read, check and compile all packs. Raises MappingFault with every fault."""
    return _compile(read_packs(base=base, site=site))


def _compile(packs: MappingABC[Kind, Pack]) -> dict[Kind, Mapping]:
    results = {kind: checked(pack, shape(kind)) for kind, pack in packs.items()}
    found = [issue for _, issues in results.values() for issue in issues]
    if found:
        raise MappingFault(*found)
    return {kind: compile_pack(pack, shape(kind), results[kind][0]) for kind, pack in packs.items()}


@cache
def compiled(base: str, site: Path | None) -> Mappings:
    """The same, kept for the life of the process: a mapping is compiled once."""
    return load_mappings(base=base, site=site)
