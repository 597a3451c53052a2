"""Under which name we are asked, and from which address.

Without FHIRBRIDGE_PUBLIC_URL the header Host says what our base is, but only a name of this machine
is believed: a foreign name that is made to lead here (DNS rebinding) opens nothing to a web page,
and makes no reference of another server one of ours.
"""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from fhirbridge.config import Settings
from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.partners.http import is_loopback
from fhirbridge.web.exchange import HttpRequest


def base_of(asked: HttpRequest, settings: Settings, prefix: str) -> str:
    """The FHIR base as the caller sees it. Raises InvalidContent for a name that is not ours."""
    if settings.public_url:
        return settings.public_url
    check(asked, settings)
    return asked.host_url + prefix


def check(asked: HttpRequest, settings: Settings) -> None:
    """Raise InvalidContent if the caller asks for a server of another name.

    With a public URL the header means nothing: proxies write into it what they like.
    """
    host = asked.environ.get("HTTP_HOST")
    if settings.public_url or host is None or _is_ours(host, settings.host):
        return
    raise InvalidContent(
        Issue(
            "security",
            "The header Host must name this machine; a server that is known under another name"
            " needs FHIRBRIDGE_PUBLIC_URL.",
        )
    )


@lru_cache(maxsize=256)
def _is_ours(host: str, own: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return is_loopback(name) or name == own.lower()


def peer(asked: HttpRequest, proxies: int) -> str:
    """The network address of the caller; of IPv6 the half that a provider gives to one customer.

    Each of `proxies` servers of ours in front of us adds to X-Forwarded-For whom it was asked by;
    what stands before their entries is the caller's own say and counts for nothing.
    """
    entries = asked.environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if proxies else []
    address: str = asked.environ.get("REMOTE_ADDR", "")
    if len(entries) >= proxies > 0:
        address = entries[-proxies].strip()
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
