"""For which purpose a client asks: its default, or another of its own that the assertion names.

The extension `hl7-b2b` names it; an emergency also needs the person who asks, and why.
Source: HL7 UDAP Security 1.1, B2B Authorization Extension Object; design.md section 9
"""

from dataclasses import dataclass

from fhirbridge.access.clients import Client
from fhirbridge.access.refusals import TokenRefused
from fhirbridge.disclosure.purposes import EMERGENCIES, OID, SYSTEM
from fhirbridge.jsontypes import Json, JsonObject

EXTENSION = "hl7-b2b"
MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class Purpose:
    """A code of v3-ActReason; in an emergency, why and who."""

    code: str
    reason: str = ""
    actor: str = ""


def purpose_of(client: Client, extensions: JsonObject) -> Purpose:
    """The purpose that holds for a token.

    Raises TokenRefused `invalid_grant` if it is none of the client's, or incomplete.
    """
    extension = extensions.get(EXTENSION, {})
    if not isinstance(extension, dict):
        raise _refused("it must be an object")
    code = _code(extension.get("purpose_of_use")) or client.purposes[0]
    if code not in client.purposes:
        raise _refused(f"the purposes of this client are {', '.join(client.purposes)}")
    if code not in EMERGENCIES:
        return Purpose(code)
    reason, person = _text(extension, "reason"), _text(extension, "subject_name")
    if not reason or not person:
        raise _refused(f"{code} needs 'subject_name', the person who asks, and 'reason'")
    organization = _text(extension, "organization_name")
    if not organization and client.recipient is not None:
        organization = client.recipient.name
    return Purpose(code, reason, f"{person}, {organization}" if organization else person)


def _code(given: Json) -> str:
    """The one code that is named, "" if none is: `TREAT`, or with its system before a `#`."""
    listed = given if isinstance(given, list) else [given]
    if given is None or listed == []:
        return ""
    text = listed[0]
    if len(listed) > 1 or not isinstance(text, str):
        raise _refused("'purpose_of_use' must hold one code; ask for a token for each purpose")
    system, mark, code = text.replace("|", "#").rpartition("#")
    if mark and system not in (OID, SYSTEM):
        raise _refused(f"'purpose_of_use' takes codes of {SYSTEM}")
    return code


def _text(extension: JsonObject, name: str) -> str:
    value = extension.get(name, "")
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise _refused(f"'{name}' must be a text of up to {MAX_TEXT} characters")
    return value.strip()


def _refused(what: str) -> TokenRefused:
    return TokenRefused("invalid_grant", f"The extension '{EXTENSION}' was refused: {what}.")
