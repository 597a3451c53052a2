"""`TokenRefused`: why a token is not given, in the words of OAuth 2.0.

Source: RFC 6749 section 5.2, RFC 7009 section 2.2.1
"""

from typing import ClassVar, Literal

from fhirbridge.errors import BridgeError, Issue

OAuthError = Literal[
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "invalid_scope",
    "unsupported_grant_type",
    "temporarily_unavailable",
]


class TokenRefused(BridgeError):
    """A refusal of the token or revocation endpoint; `error` is its code."""

    status: ClassVar[int] = 400

    def __init__(self, error: OAuthError, description: str) -> None:
        super().__init__(Issue("security", description))
        self.error = error

    @property
    def description(self) -> str:
        """One sentence for the developer of the client."""
        return self.issues[0].diagnostics

    @property
    def http_status(self) -> int:
        return 401 if self.error == "invalid_client" else self.status
