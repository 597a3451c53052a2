"""`Policy`: what a program decides for all disclosures, as data with a version.

Notice texts and the rules about minors differ by law and change; a site lays its own file over
ours. Nothing here is legal advice.
Source: 42 CFR 2.14 (minors), 2.32 (notice); domain.md section 3
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

from fhirbridge.errors import Issue, Misconfigured

# What a receiver is told about what was withheld.
Manifest: TypeAlias = Literal["nothing", "count", "section"]

_NAMES = frozenset({"version", "notice", "manifest", "minors"})


@dataclass(frozen=True, slots=True)
class Notice:
    """The two statements of 42 CFR 2.32, the version of their text and where it was found."""

    version: str
    long: str
    short: str
    source: str


@dataclass(frozen=True, slots=True)
class MinorRule:
    """Who signs for a patient below `majority`, in years.

    From `alone_from` on the minor's signature is enough, and the only one that counts; below, a
    parent signs, and with `with_parent` the minor as well. `source` is the law that says so, as
    it was read on the day `as_of`.
    """

    source: str
    as_of: str
    majority: int = 18
    alone_from: int | None = None
    with_parent: bool = True

    def __post_init__(self) -> None:
        """Raise ValueError for a rule that nobody could check."""
        if not self.source.strip():
            raise ValueError("source")
        date.fromisoformat(self.as_of)

    def needed(self, birth_date: date | None, on: date) -> frozenset[str]:
        """The signatures that a permit needs: of the `patient`, of a `parent`, or of both.

        Empty: for an adult nothing more is asked than the elements of every consent.
        """
        if birth_date is None:
            return frozenset()
        years = on.year - birth_date.year
        years -= (on.month, on.day) < (birth_date.month, birth_date.day)
        if years >= self.majority:
            return frozenset()
        if self.alone_from is not None and years >= self.alone_from:
            return frozenset({"patient"})
        return frozenset({"parent", "patient"} if self.with_parent else {"parent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`is_part2`: a program under 42 CFR Part 2, or unknown. `minors` by state, and `default`."""

    version: str
    notice: Notice
    manifest: Manifest
    minors: Mapping[str, MinorRule]
    is_part2: bool = True
    state: str = ""

    @property
    def minor_rule(self) -> MinorRule:
        """The rule of the program's state; the strictest one where nothing is known of it."""
        return self.minors.get(self.state) or self.minors["default"]


@cache
def load_policy(path: Path | None = None, *, is_part2: bool = True, state: str = "") -> Policy:
    """Our policy file with the one at `path` laid over it.

    Raises Misconfigured if that one cannot be read, or says what a policy does not have.
    """
    ours = json.loads(files("fhirbridge.consent").joinpath("policy.json").read_bytes())
    theirs = _read(path) if path else {}
    unknown = theirs.keys() - _NAMES
    if unknown:
        raise _fault(f"has names that a policy does not have: {', '.join(sorted(unknown))}.")
    data = {**ours, **theirs}
    try:
        minors = {
            name: MinorRule(**rule)
            for name, rule in {**ours["minors"], **theirs.get("minors", {})}.items()
        }
        notice = Notice(**{**ours["notice"], **theirs.get("notice", {})})
    except (TypeError, AttributeError) as exc:
        raise _fault("has a notice or rule for minors of another form than ours.") from exc
    except ValueError as exc:
        text = "has a rule for minors without the law that is its source, or the day it was read."
        raise _fault(text) from exc
    if data["manifest"] not in get_args(Manifest):
        raise _fault(f"has a manifest that is not one of {', '.join(get_args(Manifest))}.")
    return Policy(
        version=str(data["version"]),
        notice=notice,
        manifest=data["manifest"],
        minors=MappingProxyType(minors),
        is_part2=is_part2,
        state=state,
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise _fault(f"{path} cannot be read as JSON.") from exc
    if not isinstance(data, dict):
        raise _fault(f"{path} is not a JSON object.")
    return data


def _fault(text: str) -> Misconfigured:
    return Misconfigured(Issue("exception", f"The consent policy file {text}"))
