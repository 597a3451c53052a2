"""Values of single data types in the words of a reader, as plain text.

A code is never shown where a text or display says what it means; systems are not shown at all.
Source: R4 datatypes.html
"""

import re
from functools import lru_cache

from fhirbridge.jsontypes import Json

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD_CODE = re.compile(r"[a-z]+(?:[-_ ][a-z0-9]+)*")


@lru_cache(4096)
def label(name: str) -> str:
    """An element name or code as words: `lifecycleStatus` -> `Lifecycle status`."""
    words = _HUMP.sub(" ", name).replace("-", " ").replace("_", " ").lower()
    return words[:1].upper() + words[1:]


def plain_text(value: Json) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(getattr(value, "text", value))


def code_text(value: Json) -> str:
    """A code of R4 itself: `in-progress` -> `in progress`."""
    text = str(value)
    return text.replace("-", " ") if _WORD_CODE.fullmatch(text) else text


def canonical_text(value: Json) -> str:
    return label(str(value).partition("|")[0].rpartition("/")[2])


def coding_text(coding: Json) -> str:
    return str(coding.get("display") or code_text(coding.get("code", "")))


def concept_text(concept: Json) -> str:
    """Its text, else the first display, else the first code that is a word, else any code."""
    if concept.get("text"):
        return str(concept["text"])
    codings = concept.get("coding", ())
    for coding in codings:
        if coding.get("display"):
            return str(coding["display"])
    codes = [str(coding["code"]) for coding in codings if coding.get("code")]
    word = next((code for code in codes if _WORD_CODE.fullmatch(code)), None)
    return code_text(word or (codes[0] if codes else ""))


def quantity_text(quantity: Json) -> str:
    number = plain_text(quantity["value"]) if "value" in quantity else ""
    unit = str(quantity.get("unit") or quantity.get("code") or "")
    return " ".join(part for part in (str(quantity.get("comparator", "")), number, unit) if part)


def money_text(money: Json) -> str:
    return " ".join(plain_text(money[name]) for name in ("value", "currency") if name in money)


def range_text(value: Json) -> str:
    low, high = (quantity_text(value.get(name, {})) for name in ("low", "high"))
    if low and high:
        return f"{low} to {high}"
    return f"at least {low}" if low else f"at most {high}" if high else ""


def ratio_text(value: Json) -> str:
    both = [quantity_text(value.get(name, {})) for name in ("numerator", "denominator")]
    return " per ".join(part for part in both if part)


def human_name_text(name: Json) -> str:
    parts = [*name.get("prefix", ()), *name.get("given", ()), name.get("family")]
    words = [str(part) for part in (*parts, *name.get("suffix", ())) if part]
    use = name.get("use")
    said = str(name.get("text") or " ".join(words))
    return f"{said} ({use})" if said and use not in (None, "official", "usual") else said


def address_text(address: Json) -> str:
    if address.get("text"):
        return str(address["text"])
    region = " ".join(str(address[n]) for n in ("state", "postalCode") if address.get(n))
    parts = [*address.get("line", ()), address.get("city"), region, address.get("country")]
    return ", ".join(str(part) for part in parts if part)


def contact_point_text(point: Json) -> str:
    kinds = [str(point[name]) for name in ("use", "system") if point.get(name)]
    value = str(point.get("value", ""))
    return f"{value} ({' '.join(kinds)})" if kinds and value else value


def attachment_text(attachment: Json) -> str:
    return str(attachment.get("title") or attachment.get("contentType") or "")


def identifier_text(identifier: Json) -> str:
    """The value of an identifier that says of what kind it is; others mean nothing to people."""
    kind, value = concept_text(identifier.get("type", {})), str(identifier.get("value", ""))
    return f"{value} ({kind})" if kind and value else ""


def category_text(concept: Json) -> str:
    """A category in words; a bare number says nothing beside them."""
    text = concept_text(concept)
    return "" if text.isdigit() else text
