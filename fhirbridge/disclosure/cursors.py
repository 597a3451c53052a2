"""Marks of pages for others than the custodian: sealed, as they hold numbers of the whole store.

How far apart two of these numbers are would tell how much was written that nobody may see.
"""

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from fhirbridge.errors import InvalidContent, Issue

_BLOCK = 64  # marks are of a few lengths only: a length tells of the size of numbers


def seal(secret: bytes, mark: str) -> str:
    """The mark for a link; "" for "". `secret` has 32 bytes."""
    if not mark:
        return ""
    plain = mark.encode()
    padded = plain + b" " * (-len(plain) % _BLOCK)
    return base64.urlsafe_b64encode(AESSIV(secret).encrypt(padded, None)).decode().rstrip("=")


def unseal(secret: bytes, sealed: str, *, parameter: str) -> str:
    """The mark in a link. Raises InvalidContent for what was not sealed here."""
    if not sealed:
        return ""
    try:
        data = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        return AESSIV(secret).decrypt(data, None).decode().rstrip(" ")
    except (binascii.Error, ValueError, InvalidTag) as exc:
        text = f"'{parameter}' is not one that this server gave out."
        raise InvalidContent(Issue("invalid", text)) from exc
