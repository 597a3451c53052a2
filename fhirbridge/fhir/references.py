"""References: parse, write, find and rewrite them.

Source: R4 references.html, http.html#trules (rewriting in transactions), bundle.html#references
"""

import html
import re
from collections.abc import Iterator, Mapping
from typing import Literal

from fhirbridge.fhir.definitions import ElementInfo, definitions
from fhirbridge.jsontypes import Json, JsonObject, Resource
from fhirbridge.records import record

Kind = Literal["relative", "absolute", "urn", "fragment", "conditional", "logical", "unknown"]

_ID = r"[A-Za-z0-9\-.]{1,64}"
_LITERAL = re.compile(
    rf"(?:(?P<base>https?://.+)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>{_ID})"
    rf"(?:/_history/(?P<version>{_ID}))?(?:#(?P<fragment>\S*))?"
)
_CONDITIONAL = re.compile(r"(?P<type>[A-Z][A-Za-z]+)\?(?P<query>.+)")
_LINK = re.compile(r"""(?P<head>\b(?:href|src)\s*=\s*)(?P<quote>["'])(?P<link>.*?)(?P=quote)""")
_URI_TYPES = frozenset({"uri", "url", "canonical", "oid", "uuid"})
# Here `reference` is the name of a uri, as it also is in an Expression.
_WITH_URI = frozenset({"DetectedIssue", "Immunization"})


@record()
class Reference:
    """What a reference text says. Fields that its kind does not have are empty.

    `relative`: `Patient/1`; `absolute`: any URL, with type and id where it ends like a RESTful
    one; `urn`: `urn:uuid:…` or `urn:oid:…`; `fragment`: `#id`, or `#` for the container;
    `conditional`: `Patient?identifier=…`; `logical`: only an identifier; `unknown`: none of these.
    """

    kind: Kind
    text: str
    base: str = ""
    resource_type: str = ""
    resource_id: str = ""
    version_id: str = ""
    fragment: str = ""
    query: str = ""


@record()
class FoundReference:
    """A Reference element in a resource, its FHIRPath, and the types that may stand there."""

    path: str
    reference: JsonObject
    targets: tuple[str, ...]


def parse(text: str) -> Reference:
    """Say what a `Reference.reference` means. Never raises: nonsense has kind `unknown`.

    Source: R4 references.html#literal
    """
    if text.startswith("#"):
        return Reference("fragment", text, fragment=text[1:])
    if text.startswith(("urn:uuid:", "urn:oid:")):
        return Reference("urn", text)
    literal = _LITERAL.fullmatch(text)
    if literal and literal["type"] in definitions().resource_types:
        return Reference(
            "absolute" if literal["base"] else "relative",
            text,
            base=literal["base"] or "",
            resource_type=literal["type"],
            resource_id=literal["id"],
            version_id=literal["version"] or "",
            fragment=literal["fragment"] or "",
        )
    conditional = _CONDITIONAL.fullmatch(text)
    if conditional and conditional["type"] in definitions().resource_types:
        return Reference(
            "conditional", text, resource_type=conditional["type"], query=conditional["query"]
        )
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:\S+$", text):
        return Reference("absolute", text)
    return Reference("unknown", text)


def parse_element(reference: JsonObject) -> Reference:
    """Say what a Reference element means: its literal, or `logical` if it has none."""
    text = reference.get("reference")
    if isinstance(text, str) and text:
        return parse(text)
    declared = reference.get("type")
    return Reference(
        "logical" if "identifier" in reference else "unknown",
        "",
        resource_type=declared if isinstance(declared, str) else "",
    )


def write(resource_type: str, resource_id: str, *, version_id: str = "", base: str = "") -> str:
    """The text of a literal reference: relative, or absolute when a base is given."""
    text = f"{resource_type}/{resource_id}"
    if base:
        text = f"{base.rstrip('/')}/{text}"
    return f"{text}/_history/{version_id}" if version_id else text


def is_plain(text: str) -> bool:
    """True for `Type/id` and nothing more: no base, no version."""
    found = parse(text)
    return bool(found.resource_id) and text == write(found.resource_type, found.resource_id)


def is_local(reference: Reference, base: str) -> bool:
    """True when it names a resource of the server at `base`."""
    if reference.kind == "relative":
        return True
    return bool(reference.resource_id) and reference.base.rstrip("/") == base.rstrip("/")


def walk(resource: Resource) -> Iterator[FoundReference]:
    """Every Reference element of a resource, also in contained ones, Bundle entries, extensions.

    What the definitions do not know, or has the wrong JSON type, is passed over.
    """
    resource_type = resource.get("resourceType")
    if isinstance(resource_type, str):
        yield from _walk(resource, resource_type, resource_type)


def literals(resource: Resource) -> list[str]:
    """The texts of all literal references that `walk` finds, in any order; in a tenth of its time.

    Looks at names only, so it is for resources that have passed the gate.
    """
    found: list[str] = []
    waiting: list[Json] = [resource]
    for node in waiting:  # which grows
        if type(node) is dict:
            text = node.get("reference")
            # An Expression must have a language, a Reference has none.
            if type(text) is str and "language" not in node:
                found.append(text)
            if node.get("resourceType") in _WITH_URI:
                texts = (one.reference.get("reference") for one in walk(resource))
                return [text for text in texts if isinstance(text, str)]
            node = node.values()
        for child in node:
            if type(child) is dict or type(child) is list:
                waiting.append(child)
    return found


def _walk(value: JsonObject, type_name: str, path: str) -> Iterator[FoundReference]:
    for name, child, element in _children(value, type_name):
        items = child if isinstance(child, list) else [child]
        for index, item in enumerate(items):
            if not isinstance(item, dict):
                continue
            where = f"{path}.{element.fhir_path if element else name.lstrip('_')}"
            if isinstance(child, list):
                where += f"[{index}]"
            if element is None:
                yield from _walk(item, "Element", where)
                continue
            if element.type == "Reference":
                yield FoundReference(where, item, element.targets)
            yield from _walk(item, _type_of(item, element), where)


def _children(value: JsonObject, type_name: str) -> Iterator[tuple[str, Json, ElementInfo | None]]:
    """Name, value and element of each child; None stands for the companion of a primitive."""
    known = definitions()
    if type_name not in known:
        return
    elements = known.elements(type_name)
    for name, child in value.items():
        element = elements.get(name)
        if element is not None or name.startswith("_"):
            yield name, child, element


def _type_of(value: JsonObject, element: ElementInfo) -> str:
    if element.type == "Resource":
        resource_type = value.get("resourceType")
        return resource_type if isinstance(resource_type, str) else "Resource"
    return element.children


def rewrite(resource: Resource, mapping: Mapping[str, str]) -> Resource:
    """A copy in which every reference to a key of `mapping` names its value instead.

    Reaches `Reference.reference`, all values of the types uri, url, canonical, oid and uuid, and
    the links in narratives; in contained resources, Bundle entries and extensions too. A fragment
    after the key (`urn:uuid:…#a`) stays. Unchanged parts are shared with the original.

    Source: R4 http.html#trules
    """
    resource_type = resource.get("resourceType")
    if not mapping or not isinstance(resource_type, str):
        return resource
    return _rewrite(resource, resource_type, mapping)


def _rewrite(value: JsonObject, type_name: str, mapping: Mapping[str, str]) -> JsonObject:
    changed: JsonObject = {}
    for name, child, element in _children(value, type_name):
        if not _mentions(child, mapping):
            continue
        if isinstance(child, list):
            new: Json = [_rewrite_one(item, element, mapping, type_name) for item in child]
            if all(a is b for a, b in zip(new, child, strict=True)):
                continue
        else:
            new = _rewrite_one(child, element, mapping, type_name)
            if new is child:
                continue
        changed[name] = new
    return {**value, **changed} if changed else value


def _mentions(value: Json, mapping: Mapping[str, str]) -> bool:
    """Whether some text in a value, whatever its type, may have to be rewritten."""
    if type(value) is str:
        return (
            value in mapping
            or ("#" in value and value.partition("#")[0] in mapping)
            or (value[:1] == "<" and _LINK.search(value) is not None)
        )
    if type(value) is dict:
        return any([_mentions(child, mapping) for child in value.values()])
    if type(value) is list:
        return any([_mentions(child, mapping) for child in value])
    return False


def _rewrite_one(
    value: Json, element: ElementInfo | None, mapping: Mapping[str, str], type_name: str
) -> Json:
    if isinstance(value, dict):
        inner = "Element" if element is None else _type_of(value, element)
        return _rewrite(value, inner, mapping)
    if element is None or not isinstance(value, str):
        return value
    if element.type in _URI_TYPES or (type_name == "Reference" and element.name == "reference"):
        return _mapped(value, mapping)
    if element.type == "xhtml":
        return _rewrite_links(value, mapping)
    return value


def _mapped(text: str, mapping: Mapping[str, str]) -> str:
    found = mapping.get(text)
    if found is not None:
        return found
    head, hash_sign, fragment = text.partition("#")
    if hash_sign and head in mapping:
        return f"{mapping[head]}#{fragment}"
    return text


def _rewrite_links(div: str, mapping: Mapping[str, str]) -> str:
    def replace(match: re.Match[str]) -> str:
        link = html.unescape(match["link"])
        new = _mapped(link, mapping)
        if new is link:
            return match[0]
        return f"{match['head']}{match['quote']}{html.escape(new)}{match['quote']}"

    rewritten = _LINK.sub(replace, div)
    return div if rewritten == div else rewritten
