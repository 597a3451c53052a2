"""Rules of consents: the written elements that 42 CFR Part 2 asks for.

An incomplete consent travels and permits nothing; the decision is made when something leaves.
Source: 42 CFR 2.31(a), 2.31(b), 2.33; domain.md section 3.
"""

from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.blanks import Path
from fhirbridge.native.rules.findings import (
    Findings,
    entries,
    is_after,
    member,
    require_order,
    texts,
)

# field -> what it is in 42 CFR 2.31(a)
_ELEMENTS = {
    "signer": "who signed",
    "signedAt": "the date of signature",
    "recipients": "the recipients",
    "purpose": "the purpose",
    "infoScope": "the description of the information",
}
_STATEMENTS = {
    "rightToRevoke": "the right to revoke",
    "hipaaRedisclosure": "redisclosure under HIPAA",
    "lossOfProtection": "the possible loss of protection",
    "refusalConsequences": "the consequences of refusing to sign",
}
_ALONE = ("sud-counseling-notes", "legal-proceedings")


def check(document: JsonObject, findings: Findings) -> None:
    """Check every consent of a document."""
    for index, consent in entries(document, "consents"):
        path: Path = ("consents", index)
        require_order(findings, consent, path, first="signedAt", second="expires")
        require_order(findings, consent, path, first="signedAt", second="revokedAt")
        if consent.get("status") == "active":
            _check_elements(consent, path, findings)
            _check_end(consent, document.get("updatedAt"), path, findings)
        if consent.get("status") == "revoked" and "revokedAt" not in consent:
            findings.warn(
                (*path, "revokedAt"), "A revoked consent has no `revokedAt`.", "consent-revoked"
            )
        _check_combination(consent, path, findings)
    types = {consent.get("type") for _, consent in entries(document, "consents")}
    if document.get("sudCounselingNotesRef") and "sud-counseling-notes" not in types:
        findings.inform(
            ("sudCounselingNotesRef",),
            "Counseling notes never leave without a consent of their own.",
            "consent-counseling-notes",
        )


def _check_elements(consent: JsonObject, path: Path, findings: Findings) -> None:
    for name, meaning in _ELEMENTS.items():
        if name not in consent:
            findings.warn(
                (*path, name),
                f"The consent lacks {meaning}; it permits nothing.",
                f"consent-{name}",
            )
    if "expires" not in consent and "expiresEvent" not in consent:
        findings.warn(
            (*path, "expires"),
            "The consent lacks its expiry: a date (`expires`) or an event (`expiresEvent`).",
            "consent-expires",
        )
    statements = member(consent, "statements")
    for name, meaning in _STATEMENTS.items():
        if statements.get(name) is not True:
            findings.warn(
                (*path, "statements", name),
                f"The consent lacks the statement about {meaning}.",
                f"consent-{name}",
            )


def _check_end(consent: JsonObject, updated_at: str | None, path: Path, findings: Findings) -> None:
    if "revokedAt" in consent:
        findings.warn((*path, "status"), "An active consent has a `revokedAt`.", "consent-revoked")
    expires = consent.get("expires")
    if updated_at and expires and is_after(updated_at, expires):
        findings.warn((*path, "expires"), "The consent has expired.", "consent-expired")


def _check_combination(consent: JsonObject, path: Path, findings: Findings) -> None:
    purposes = texts(consent, "purpose")
    alone = consent.get("type") in _ALONE or "HLEGAL" in purposes
    if alone and len(purposes) > 1:
        findings.warn(
            (*path, "purpose"),
            "A consent for counseling notes or for proceedings stands alone; it has more purposes.",
            "consent-combined",
        )
