"""The codec of a status reason: what was said last about something that several people move."""

from collections.abc import Mapping

from fhirbridge.jsontypes import Json
from fhirbridge.mapping import paths
from fhirbridge.mapping.codec import Codec, Maker, simple
from fhirbridge.mapping.model import CodeTable


def _latest_reason(
    arguments: tuple[str, ...], _t: Mapping[str, CodeTable], _p: Mapping[str, str]
) -> Codec:
    """The text at a path of the document, else the field of the last item of a list."""
    if len(arguments) != 3:
        raise ValueError("latest-reason needs a path, a list and a field of its items")
    path, listed, field = arguments

    def encode(document: Json) -> Json:
        said = paths.read(document, path)
        items = paths.read(document, listed)
        return paths.read(items[-1], field) if said is None and items else said

    return simple("latest-reason", encode, None, types=frozenset({"string", "markdown"}))


MAKERS: Mapping[str, Maker] = {"latest-reason": _latest_reason}
