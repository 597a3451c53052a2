"""Packs compiled for use: encode a document, decode resources, explain each element.

`load(document_kind, ...)` gives a `Mapping`; it is built once at start and used for all requests.
"""

from collections.abc import Iterable
from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID, uuid5

from fhirbridge.errors import Issue
from fhirbridge.fhir.definitions import definitions
from fhirbridge.jsontypes import Json, JsonObject, NativeNode, Resource
from fhirbridge.mapping import paths
from fhirbridge.mapping.builder import Builder
from fhirbridge.mapping.encoder import Encoded, compile_encoder
from fhirbridge.mapping.expanders import EXPANDERS
from fhirbridge.mapping.instances import Instance, instances_of
from fhirbridge.mapping.lineage import Explanation, Origins, untrace, written
from fhirbridge.mapping.model import Entry, Pack
from fhirbridge.mapping.paths import Segment
from fhirbridge.mapping.source import Traced
from fhirbridge.mapping.template import ArrayNode, Child, Leaf, ObjectNode, Template


@dataclass(slots=True)
class Context:
    """What codecs may ask while one document is encoded."""

    document: JsonObject
    by_key: MappingABC[str, MappingABC[str, str]]
    issues: list[Issue] = field(default_factory=list)
    key_prefix: str = ""

    def reference_to(self, entries: tuple[str, ...], key: str) -> str | None:
        """The reference of the resource with that native key."""
        for entry in entries:
            found = self.by_key.get(entry, {}).get(key)
            if found is not None:
                return found
        return None


@dataclass(frozen=True, slots=True)
class EncodedResource:
    """One resource made from a document."""

    instance: Instance
    resource: Resource
    explanations: tuple[Explanation, ...] = ()
    written: tuple[tuple[int, Json], ...] = ()  # (leaf number, value), when raw


@dataclass(frozen=True, slots=True)
class EncodedDocument:
    """All resources of a document, in the order of mapping.yaml, and what was found."""

    resources: tuple[EncodedResource, ...]
    issues: tuple[Issue, ...]


@dataclass(frozen=True, slots=True)
class Compiled:
    """One entry ready to run."""

    entry: Entry
    template: Template
    encode: Encoded
    traced: Encoded
    origins: Origins


@dataclass(frozen=True, slots=True)
class Plan:
    """The resources to be of one document: instances by entry, and how each is referred to."""

    document: JsonObject
    instances: MappingABC[str, list[Instance]]
    references: MappingABC[str, object]
    by_key: MappingABC[str, MappingABC[str, str]]

    def context(self) -> Context:
        """What codecs may ask, with no issues yet."""
        return Context(self.document, self.by_key)

    def encode(self, item: Compiled) -> EncodedDocument:
        """The resources of one entry alone, by a template that may not be the mapping's own."""
        context, made = self.context(), []
        for instance in self.instances[item.entry.name]:
            context.key_prefix = instance.prefix
            native, index = instance.native, instance.index
            resource = item.encode(native, self.document, self.references, context, index)
            made.append(EncodedResource(instance, resource))
        return EncodedDocument(tuple(made), tuple(dict.fromkeys(context.issues)))


@dataclass(frozen=True, slots=True)
class Mapping:
    """A document's mapping, compiled. `shape` is the native shape, for keyed lists on decode."""

    pack: Pack
    shape: NativeNode
    compiled: MappingABC[str, Compiled]

    def plan(self, document: JsonObject, namespace: UUID) -> "Plan":
        """Which resources a document becomes, and how they name each other."""
        instances = {
            name: instances_of(item.entry, document, namespace)
            for name, item in self.compiled.items()
        }
        instances = _distinct(instances, namespace)
        references = {
            name: _references(self.pack.entries[name], found, document)
            for name, found in instances.items()
        }
        keys = {n: {i.native_key: i.reference for i in found} for n, found in instances.items()}
        return Plan(document, instances, references, keys)

    def encode(
        self, document: JsonObject, namespace: UUID, *, trace: bool = False, raw: bool = False
    ) -> EncodedDocument:
        """Document -> resources. The document is a loaded one; values are not checked again.

        `trace` explains every element; with `raw` there is only what each leaf wrote.
        """
        plan = self.plan(document, namespace)
        context = plan.context()
        instances, references = plan.instances, plan.references
        made: list[EncodedResource] = []
        for name, several in instances.items():
            item = self.compiled[name]
            run = item.traced if trace else item.encode
            for instance in several:
                context.key_prefix = instance.prefix
                resource = run(instance.native, document, references, context, instance.index)
                if not trace:
                    resource["id"] = instance.resource_id
                    made.append(EncodedResource(instance, resource))
                elif raw:
                    found: list[tuple[int, Json]] = []
                    written(resource, found)
                    made.append(EncodedResource(instance, {}, (), tuple(found)))
                else:
                    made.append(self._explained(item, instance, resource, document))
        return EncodedDocument(tuple(made), tuple(dict.fromkeys(context.issues)))

    def _explained(
        self, item: Compiled, instance: Instance, raw: Resource, document: JsonObject
    ) -> EncodedResource:
        entry = item.entry
        label = f"{entry.type}/{instance.resource_id}"
        found: list[tuple[str, Traced]] = []
        plain: Resource = untrace(raw, entry.type, found)
        plain["id"] = instance.resource_id
        own = partial(
            Explanation,
            label,
            place=str(entry.place),
            layer=entry.place.layer,
            content_class=entry.content_class,
        )
        explanations = [
            own(path=f"{entry.type}.resourceType", rule=entry.name),
            own(path=f"{entry.type}.id", rule=entry.name, codec="identity"),
        ]
        session = _session(instance, document) if entry.expand else None
        explanations += item.origins.explain(label, found, document, session=session)
        return EncodedResource(instance, plain, tuple(explanations))


def _session(instance: Instance, document: JsonObject) -> tuple[int, ...]:
    """Where an occurrence's session stands in the document's list of them."""
    session = instance.native.get("session")
    if session is None:
        return ()
    return (next(i for i, item in enumerate(document["sessions"]) if item is session),)


def compile_pack(
    pack: Pack, shape: NativeNode, templates: MappingABC[str, Template] | None = None
) -> Mapping:
    """The functions of all entries; `templates` are those that `checked` built.

    Raises MappingFault.
    """
    built = templates or {}
    compiled = {
        name: compile_entry(pack, entry, built.get(name)) for name, entry in pack.entries.items()
    }
    return Mapping(pack, shape, compiled)


def compile_entry(pack: Pack, entry: Entry, template: Template | None = None) -> Compiled:
    """The functions of one entry, and its template unless that is given. Raises MappingFault."""
    template = template or build_template(pack, entry)
    _order(template.root, entry.type)
    return Compiled(
        entry,
        template,
        compile_encoder(template, pack.entries, traced=False),
        compile_encoder(template, pack.entries, traced=True),
        Origins(template),
    )


def _order(child: Child, type_name: str) -> None:
    """Write elements in the order of the specification, as people expect to read them."""
    if isinstance(child, ArrayNode):
        for slot in child.slots:
            _order(slot.item, type_name)
    elif isinstance(child, ObjectNode):
        known = {name: definitions().resolve(type_name, (name,)) for name in child.children}
        ranked = sorted(known, key=lambda name: (known[name].order if known[name] else 0, name))  # type: ignore[union-attr]
        child.children = {name: child.children[name] for name in ranked}
        for name, grandchild in child.children.items():
            info = known[name]
            if info is not None and not info.is_primitive:
                _order(grandchild, info.children)


def build_template(pack: Pack, entry: Entry) -> Template:
    """The template of one entry. Raises MappingFault."""
    if entry.expand:
        trail_of = EXPANDERS[entry.expand].trail
    else:
        anchor = () if entry.of == "." else tuple(entry.of.replace("[]", ".[]").split("."))

        def trail_of(steps: tuple[str, ...]) -> tuple[str, ...]:
            return (*anchor, *steps)

    template = Builder(pack, entry, trail_of).build()
    if template.key_leaf is None:
        template.key_leaf, template.key_path = _key_leaf(template)
    return template


def _key_leaf(template: Template) -> tuple[Leaf | None, tuple[Segment, ...]]:
    """The rule that writes the key into an identifier, where none uses codec `key`."""
    names = {name for part in template.entry.key for name in part.split("|")}
    for leaf in template.leaves:
        rule = leaf.rule
        if leaf.kind == "native" and rule.native in names and rule.fhir.startswith("identifier"):
            return leaf, paths.parse(rule.fhir)
    return None, ()


def _references(entry: Entry, found: Iterable[Instance], document: JsonObject) -> object:
    if not entry.list_path:
        return next((instance.reference for instance in found), None)
    anchors = paths.read(document, entry.list_path)
    count = len(anchors) if isinstance(anchors, list) else 0
    if not entry.expand:
        single: list[str | None] = [None] * count
        for instance in found:
            single[instance.index] = instance.reference
        return single
    many: list[list[str]] = [[] for _ in range(count)]
    for instance in found:
        many[instance.index].append(instance.reference)
    return many


def _distinct(instances: dict[str, list[Instance]], namespace: UUID) -> dict[str, list[Instance]]:
    """Two entries of one type may meet in one identity (a recipient that is our own facility):
    the later one gets an id of its own, so that neither overwrites the other."""
    taken: set[tuple[str, str]] = set()
    result: dict[str, list[Instance]] = {}
    for name, found in instances.items():
        kept: list[Instance] = []
        for instance in found:
            mark = (instance.entry.type, instance.resource_id)
            if mark in taken:
                own = str(_own_id(namespace, instance))
                instance = Instance(
                    instance.entry,
                    instance.native,
                    instance.index,
                    instance.key,
                    instance.prefix,
                    own,
                )
                mark = (instance.entry.type, own)
            taken.add(mark)
            kept.append(instance)
        result[name] = kept
    return result


def _own_id(namespace: UUID, instance: Instance) -> UUID:
    parts = (
        instance.entry.type,
        instance.entry.name,
        instance.prefix,
        *instance.key,
        str(instance.index),
    )
    return uuid5(namespace, "|".join(("own", *parts)))
