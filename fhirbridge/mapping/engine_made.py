"""What the engine itself adds to a resource, beside what the rules of a pack say: text and claims.

Generated narrative says what the elements say, and a claim to a US Core profile says that they
satisfy it. Both are made anew whenever a resource is, so they are no statement of a document, and
decode does not list them. A narrative of any other status, and any other claim, is somebody's.
Source: R4 narrative.html (status generated), resource.html#Meta (profile)
"""

from fhirbridge.fhir.narrative import is_generated
from fhirbridge.fhir.validation.profiles import is_known
from fhirbridge.jsontypes import Resource


def bare(resource: Resource) -> Resource:
    """The resource without generated text and without claims to US Core. The argument stays."""
    dropped = is_generated(resource.get("text"))
    kept = {name: item for name, item in resource.items() if not (dropped and name == "text")}
    meta = kept.get("meta")
    claims = meta.get("profile") if isinstance(meta, dict) else None
    if not isinstance(meta, dict) or not isinstance(claims, list):
        return kept
    foreign = [url for url in claims if not (isinstance(url, str) and is_known(url))]
    if foreign != claims:
        rest = {name: item for name, item in meta.items() if name != "profile"}
        kept["meta"] = {**rest, "profile": foreign} if foreign else rest
        if not kept["meta"]:
            del kept["meta"]
    return kept
