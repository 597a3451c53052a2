"""Why something may leave or stays, in codes for machines and words for people.

`detail` names a class of content, a purpose, a role, missing elements or the recipient that asks;
never what stands in a patient's record.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fhirbridge.jsontypes import JsonObject


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason; `consent` and `provision` say where it stands, as far as it stands somewhere."""

    code: str
    text: str
    change: str
    consent: str = ""
    provision: str = ""
    detail: str = ""

    @property
    def sentence(self) -> str:
        """What it means and what would change it, for people."""
        return f"{self.text} What would change it: {self.change[:1].lower()}{self.change[1:]}"

    def to_json(self) -> JsonObject:
        """The reason for programs; what does not apply is left out."""
        shown = {
            "code": self.code,
            "text": self.text,
            "change": self.change,
            "consent": self.consent,
            "provision": self.provision,
            "detail": self.detail,
        }
        return {name: value for name, value in shown.items() if value}


# code -> what it means, and what would change it
REASONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "consent": ("The patient's consent permits it.", "Revoking the consent."),
        "directory": ("It is about no patient.", "Nothing."),
        "not-part2": (
            "The program is not under 42 CFR Part 2, and HIPAA permits this purpose.",
            "A restriction that the patient asks for.",
        ),
        "emergency": (
            "A medical emergency (42 CFR 2.51); it is recorded and will be reviewed.",
            "Nothing at this moment.",
        ),
        "no-consent": ("The patient has signed no consent.", "A complete, signed consent."),
        "purpose-never": (
            "Nothing is disclosed for this purpose; it needs a court order or its own procedure.",
            "Nothing that this program can do.",
        ),
        "purpose-on-premises": (
            "Auditors see records on the premises (42 CFR 2.53); they get no copies.",
            "Nothing that this program can do.",
        ),
        "denied": ("The patient's restriction forbids it.", "Withdrawing the restriction."),
        "denied-unclear": (
            "A restriction may be meant for it and cannot be read surely, so it is respected.",
            "A restriction in terms that are known.",
        ),
        "consent-kind": (
            "A document of this kind discloses nothing.",
            "A consent to release information.",
        ),
        "counseling-notes": (
            "SUD counseling notes need a consent of their own, and that one covers nothing else.",
            "A separate consent for counseling notes.",
        ),
        "consent-status": ("The consent is not active.", "An active consent."),
        "consent-revoked": ("The consent was revoked or has ended.", "A new consent."),
        "consent-not-yet": ("The consent was signed later than that.", "Waiting for its date."),
        "consent-expired": ("The consent has expired.", "A new consent."),
        "consent-not-attested": (
            "The consent came from elsewhere; until it is attested it may only restrict.",
            "Attestation by a privacy officer who has seen the signed form.",
        ),
        "consent-unreadable": (
            "The consent has another scope, a failed verification, or a date that is none.",
            "A corrected consent.",
        ),
        "consent-incomplete": (
            "The consent lacks elements that 42 CFR 2.31 asks for.",
            "A consent with all of them, or attestation that the signed form has them.",
        ),
        "other-consent": (
            "A consent is shown to those whom it permits something.",
            "Nothing.",
        ),
        "no-permit": ("The consent permits nothing.", "A consent that names recipients."),
        "not-covered-period": ("The consent's period does not cover it.", "A new consent."),
        "not-covered-actor": (
            "The consent does not name this recipient.",
            "A consent that names the recipient, or a class that it belongs to.",
        ),
        "not-covered-purpose": (
            "The consent is for other purposes.",
            "A consent for this purpose.",
        ),
        "not-covered-action": (
            "The consent is about other actions.",
            "A consent to disclose.",
        ),
        "not-covered-class": (
            "The consent does not describe this kind of information.",
            "A consent whose description includes it.",
        ),
        "not-covered-code": ("The consent is about other codes.", "A consent that includes it."),
        "not-covered-securityLabel": (
            "It is more sensitive than the consent permits.",
            "A consent that includes its labels.",
        ),
        "not-covered-data": ("The consent is about other records.", "A consent that includes it."),
        "not-covered-dataPeriod": (
            "The consent is about records of another time.",
            "A consent that includes its time.",
        ),
        "minor-signature": (
            "The patient is a minor, and a signature is missing.",
            "A consent signed by the one who is named.",
        ),
        "emergency-recipient": (
            "In an emergency only medical personnel may be told.",
            "A recipient that is registered as a treating provider.",
        ),
        "emergency-reason": (
            "An emergency needs a reason.",
            "A reason, which is the nature of the emergency.",
        ),
        "emergency-actor": (
            "An emergency needs the name and affiliation of the person who asks.",
            "A named actor.",
        ),
    }
)


def reason(code: str, *, consent: str = "", provision: str = "", detail: str = "") -> Reason:
    """The reason with this code, in its words."""
    text, change = REASONS[code]
    return Reason(code, text, change, consent, provision, detail)
