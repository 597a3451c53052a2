"""The names that `mapping.yaml` defines: systems, extensions, slices; and constants with them."""

from collections.abc import Iterator

from fhirbridge.jsontypes import Json
from fhirbridge.mapping.codec import Codec
from fhirbridge.mapping.codecs import make
from fhirbridge.mapping.model import PRESENT, MappingFault, Pack, Rule
from fhirbridge.mapping.paths import Segment, parse
from fhirbridge.mapping.template import ArrayNode


class Names:
    """Looks names up for the rules of one resource type; unknown ones are faults."""

    def __init__(self, pack: Pack, resource_type: str) -> None:
        self._pack = pack
        self._type = resource_type

    def constants(
        self, segment: Segment, rule: Rule, array: ArrayNode
    ) -> Iterator[tuple[str, Json]]:
        selector = segment.selector
        if selector is not None:
            yield selector[0], self.resolve(selector[0], selector[1], rule)
        elif segment.bracket:
            slices = self._pack.slices.get(self._type, {})
            dotted = array.path.partition(".")[2]
            found = slices.get(f"{dotted}[{segment.bracket}]")
            if found is not None:
                for path, wanted in found.items():
                    last = parse(path)[-1].name
                    yield (
                        path,
                        self.resolve(last, wanted, rule) if isinstance(wanted, str) else wanted,
                    )
            elif segment.name in ("extension", "modifierExtension"):
                yield "url", self.resolve("url", segment.bracket, rule)
            else:
                message = f"mapping.yaml defines no slice {dotted}[{segment.bracket}]."
                raise MappingFault.at(rule.place, rule.name, message)

    def expand(self, segments: tuple[Segment, ...], rule: Rule) -> tuple[Segment, ...]:
        """Replace short names in selectors, so that equal places compare equal."""
        return tuple(
            Segment(s.name, f"{s.selector[0]}={self.resolve(s.selector[0], s.selector[1], rule)}")
            if s.selector
            else s
            for s in segments
        )

    def parse(self, rule: Rule) -> tuple[Segment, ...]:
        """The FHIR path of a rule. Raises MappingFault for one that is not written well."""
        try:
            segments = parse(rule.fhir)
        except ValueError as exc:
            raise MappingFault.at(rule.place, rule.name, f"{exc}.") from exc
        return self.expand(segments, rule)

    def codec(self, rule: Rule) -> Codec | None:
        """The codec that a rule names. Raises MappingFault if there is none or it cannot serve."""
        if not rule.codec:
            return None
        prefixes = {**self._pack.systems, **self._pack.extensions}
        try:
            codec = make(rule.codec.replace("{base}", self._pack.base), self._pack.tables, prefixes)
        except ValueError as exc:
            raise MappingFault.at(rule.place, rule.name, f"{exc}.") from exc
        if codec.decode is None and not rule.copy and rule.direction != "encode":
            message = f"codec {codec.name} only writes; the rule needs copy or one-way: encode."
            raise MappingFault.at(rule.place, rule.name, message)
        return codec

    def resolve(self, element: str, value: str, rule: Rule) -> str:
        if value == PRESENT:
            return value
        names = {"system": self._pack.systems, "url": self._pack.extensions}.get(element)
        if names is None:
            return value.replace("{base}", self._pack.base)
        if value in names:
            return names[value]
        if ":" not in value:
            kind = "system" if element == "system" else "extension"
            message = f"mapping.yaml defines no {kind} named {value}."
            raise MappingFault.at(rule.place, rule.name, message)
        return value.replace("{base}", self._pack.base)

    def constant(self, rule: Rule, segments: tuple[Segment, ...]) -> Json:
        if not isinstance(rule.const, str):
            return rule.const
        last = segments[-1].name if segments else ""
        names = {"system": self._pack.systems, "url": self._pack.extensions}.get(last, {})
        return names.get(rule.const, rule.const.replace("{base}", self._pack.base))
