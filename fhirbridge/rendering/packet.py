"""The packet of a handoff as one HTML page: what the Bundle says in words, and how to answer.

Self-contained, without scripts or outside addresses; it prints on paper as it stands.
"""

import re
from collections.abc import Iterable
from html import escape

from fhirbridge.fhir import bundles
from fhirbridge.jsontypes import Resource

_STYLE = (
    "body{font:11pt/1.4 sans-serif;max-width:45em;margin:2em auto;padding:0 1em}"
    "h1{font-size:16pt}h2{font-size:12pt;margin-top:1.5em;border-bottom:1px solid #888}"
    ".code{font:bold 14pt monospace;border:2px solid;padding:.3em .6em;display:inline-block}"
    ".notice{border:1px solid;padding:.6em;margin-top:2em}.answer{list-style:none;padding:0}"
    ".answer li{margin:.9em 0}"
    "@media print{body{margin:0}h2{break-after:avoid}}"
)
# who and what first, then the rest in the order of the Bundle
_ORDER = (
    "Patient",
    "ServiceRequest",
    "CarePlan",
    "Goal",
    "Appointment",
    "MedicationRequest",
    "Condition",
    "CareTeam",
)
# what is for machines, or said by another resource in words
_LEFT_OUT = frozenset(
    {"Provenance", "Task", "Composition", "DocumentReference", "Binary"}
    | {"Endpoint", "PractitionerRole"}
)
_ANSWERS = (
    "We accept.",
    "First visit on ______________ at __________",
    "We decline, because ________________________________",
    "Before we decide, we need ________________________________",
    "The client came on ______________",
)


def packet_html(
    bundle: Resource, *, code: str, sender: Resource, recipient: str = "", notice: str = ""
) -> str:
    """The page. `code` is what an answer by phone or fax refers to; `notice` goes under it.

    `sender` is the Organization whose telephone is called, `recipient` whom it is for.
    """
    name = str(sender.get("name") or "")
    phones = [str(one.get("value")) for one in sender.get("telecom") or () if one.get("value")]
    resources = [
        one for one in bundles.resources_of(bundle) if one["resourceType"] not in _LEFT_OUT
    ]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f"<title>Care packet</title><style>{_STYLE}</style></head><body>",
        "<h1>Care packet</h1>",
        f"<p>To {escape(recipient)}.</p>" if recipient else "",
        f"<p>From {escape(', '.join((name, *phones)))}.</p>" if name else "",
        "<p>To answer by phone or fax, name this code: ",
        f'<span class="code">{escape(code)}</span></p>',
    ]
    for resource_type, group in _grouped(resources):
        parts.append(f"<h2>{escape(_words(resource_type))}</h2>")
        parts += [_div(one) for one in group]
    parts.append(f"<h2>Answer, under the code {escape(code)}</h2>")
    parts.append('<ul class="answer">')
    parts += [f"<li>&#9744; {escape(each)}</li>" for each in _ANSWERS]
    parts.append("</ul><p>Name and date: ________________________________</p>")
    if notice:
        parts.append(f'<div class="notice">{escape(notice)}</div>')
    parts.append("</body></html>")
    return "".join(parts)


def _grouped(resources: Iterable[Resource]) -> list[tuple[str, list[Resource]]]:
    groups: dict[str, list[Resource]] = {}
    for resource in resources:
        groups.setdefault(str(resource["resourceType"]), []).append(resource)
    known = [name for name in _ORDER if name in groups]
    return [(name, groups[name]) for name in (*known, *(n for n in groups if n not in known))]


def _words(resource_type: str) -> str:
    """`ServiceRequest` -> `Service request`."""
    return re.sub(r"(?<=[a-z])([A-Z])", r" \1", resource_type).capitalize()


def _div(resource: Resource) -> str:
    div = (resource.get("text") or {}).get("div")
    if isinstance(div, str) and div.startswith("<div"):
        return div
    return f"<p>{escape(str(resource['resourceType']))}</p>"
