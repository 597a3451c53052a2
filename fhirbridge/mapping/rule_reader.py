"""Read entries and rules from YAML; every word of the language is checked where it stands."""

from dataclasses import replace
from typing import cast

from fhirbridge.content_classes import CLASSES
from fhirbridge.jsontypes import Json
from fhirbridge.mapping.model import Entry, MappingFault, Place, Rule, RuleForm, Scope
from fhirbridge.mapping.selections import SELECTIONS
from fhirbridge.mapping.yaml_source import Located

_FORMS: tuple[RuleForm, ...] = ("const", "link", "each", "native")
_RULE_KEYS = frozenset(
    [
        "native",
        "const",
        "link",
        "each",
        "fhir",
        "codec",
        "copy",
        "one-way",
        "reason",
        "carry",
        "narrow",
        "absent",
        "if",
        "class",
        "required",
        "stamp",
        "key",
        "where",
        "rules",
    ]
)
_ENTRY_KEYS = frozenset(
    [
        "type",
        "of",
        "key",
        "scope",
        "identity",
        "file",
        "identifier",
        "find",
        "expand",
        "class",
        "where",
        "if",
        "home",
    ]
)
TOP_KEYS = frozenset(
    [
        "pack",
        "version",
        "document",
        "systems",
        "extensions",
        "slices",
        "excused",
        "resources",
        "use",
    ]
)


def read_entry(name: str, raw: Json, place: Place) -> Entry:
    """One entry of mapping.yaml, without its rules. Raises MappingFault."""
    if not isinstance(raw, Located):
        raise MappingFault.at(place, name, "an entry is a mapping with type, of and key.")
    known_keys(raw, _ENTRY_KEYS, place, name)
    for needed in ("type", "of", "key", "class"):
        if not raw.get(needed):
            raise MappingFault.at(place, name, f"an entry needs {needed}.")
    _check_where(raw.get("where"), place, name)
    key = raw["key"]
    scope = cast(Scope, raw.get("scope", "record"))
    if scope not in ("source", "record", "enrollment", "global"):
        raise MappingFault.at(place, name, "scope is source, record, enrollment or global.")
    _check_class(raw["class"], place, name)
    shared = scope in ("source", "global")
    return Entry(
        name=name,
        type=str(raw["type"]),
        of=str(raw["of"]),
        key=tuple(str(part) for part in key) if isinstance(key, list) else (str(key),),
        scope=scope,
        identity=str(raw.get("identity") or (raw["type"] if shared else name)),
        content_class=str(raw["class"]),
        place=place,
        find=raw.get("find"),
        expand=str(raw.get("expand") or ""),
        identifier=str(raw.get("identifier") or "own"),
        file=str(raw.get("file") or ""),
        where=str(raw.get("where") or ""),
        condition=str(raw.get("if") or ""),
        home=str(raw.get("home") or ""),
    )


def with_rules(entry: Entry, rules: tuple[Rule, ...]) -> Entry:
    """The entry with its rules, each with its content class and the selection around it."""
    found = tuple(_placed(rule, entry.content_class, entry.where) for rule in rules)
    return replace(entry, rules=found)


def _placed(rule: Rule, content_class: str, within: str) -> Rule:
    own = rule.content_class or content_class
    inner = rule.where or within
    nested = tuple(_placed(child, own, inner) for child in rule.rules)
    return replace(rule, content_class=own, within=inner, rules=nested)


def read_rules(source: Located, file: str, layer: str) -> list[Rule]:
    """The rules of one file. Raises MappingFault."""
    place = Place(file, 1, layer)
    known_keys(source, frozenset({"rules", "class"}), place, "")
    raw = source.get("rules")
    if not isinstance(raw, Located):
        raise MappingFault.at(place, "", "the file needs `rules:`, a mapping of names to rules.")
    return [_rule(name, value, Place(file, raw.lines[name], layer)) for name, value in raw.items()]


def _rule(name: str, raw: Json, place: Place) -> Rule:
    if not isinstance(raw, Located):
        raise MappingFault.at(place, name, "a rule is a mapping.")
    known_keys(raw, _RULE_KEYS, place, name)
    forms = [form for form in _FORMS if form in raw]
    if len(forms) != 1:
        raise MappingFault.at(place, name, "a rule has exactly one of native, const, link, each.")
    if "fhir" not in raw:
        raise MappingFault.at(place, name, "a rule needs fhir, the path it writes.")
    one_way = raw.get("one-way")
    if one_way not in (None, "encode", "decode"):
        raise MappingFault.at(place, name, "one-way is encode or decode.")
    if one_way and not raw.get("reason"):
        raise MappingFault.at(place, name, "a one-way rule needs a reason.")
    if raw.get("class"):
        _check_class(raw["class"], place, name)
    if raw.get("stamp", "created") not in ("created", "changed"):
        raise MappingFault.at(place, name, "stamp is created or changed.")
    if raw.get("stamp") and not raw.get("copy"):
        raise MappingFault.at(place, name, "a stamp is a copy: it needs copy: true.")
    _check_where(raw.get("where"), place, name)
    nested = raw.get("rules")
    if raw.get("where") and forms != ["each"]:
        raise MappingFault.at(place, name, "where belongs to each, or to an entry.")
    if forms == ["each"]:
        if not isinstance(nested, Located):
            raise MappingFault.at(place, name, "each needs nested rules.")
        if not raw.get("key"):
            raise MappingFault.at(place, name, "each needs key: a field, `.` or `ordered`.")
    children = (
        tuple(
            _rule(child, value, Place(place.file, nested.lines[child], place.layer))
            for child, value in nested.items()
        )
        if isinstance(nested, Located)
        else ()
    )
    for child in children:
        if child.stamp:
            message = "a stamp is about the whole resource and cannot stand inside each."
            raise MappingFault.at(child.place, child.name, message)
    return Rule(
        name=name,
        form=forms[0],
        fhir=str(raw["fhir"]),
        place=place,
        native=str(raw.get("native") or ""),
        const=raw.get("const"),
        link=str(raw.get("link") or ""),
        each=str(raw.get("each") or ""),
        codec=str(raw.get("codec") or ""),
        copy=bool(raw.get("copy")),
        direction=one_way or "both",
        reason=str(raw.get("reason") or ""),
        carry=str(raw.get("carry") or ""),
        narrow=tuple(str(raw.get("narrow") or "").split()),
        absent=str(raw.get("absent") or ""),
        condition=str(raw.get("if") or ""),
        content_class=str(raw.get("class") or ""),
        required=bool(raw.get("required")),
        stamp=raw.get("stamp") or "",
        key=str(raw.get("key") or ""),
        where=str(raw.get("where") or ""),
        rules=children,
    )


def _check_class(value: Json, place: Place, name: str) -> None:
    if value not in CLASSES:
        known = ", ".join(CLASSES)
        raise MappingFault.at(place, name, f"class is one of {known}.")


def _check_where(value: Json, place: Place, name: str) -> None:
    if value and value not in SELECTIONS:
        known = ", ".join(SELECTIONS)
        raise MappingFault.at(place, name, f"there is no selection {value}; known: {known}.")


def known_keys(raw: Located, known: frozenset[str], place: Place, name: str) -> None:
    """Refuse words that the language does not have. Raises MappingFault."""
    for key in raw:
        if key not in known:
            line = raw.lines.get(key, place.line)
            where = Place(place.file, line, place.layer)
            raise MappingFault.at(where, name, f"`{key}` is not a word of the mapping language.")
