"""Settings: one frozen object, read once from `fhirbridge.toml` and the environment.

Every setting `name` is `FHIRBRIDGE_NAME` in the environment, which wins over the file.
A name that is not listed here is refused, so that a typing error never goes unnoticed.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fhirbridge.errors import Issue, Misconfigured

DEFAULT_BASE = "https://fhirbridge.example/fhir"

PREFIX = "FHIRBRIDGE_"
CONFIG_VARIABLE = "FHIRBRIDGE_CONFIG"  # path of the settings file, default ./fhirbridge.toml
TEST_PREFIX = "FHIRBRIDGE_TEST_"  # read by the test suite only

Auth = Literal["smart", "none"]
Audit = Literal["clients", "all"]
UsCore = Literal["6.1.0", "7.0.0", "8.0.1", "9.0.0", "none"]

_AUTHS: tuple[Auth, ...] = get_args(Auth)
_AUDITS: tuple[Audit, ...] = get_args(Audit)
_USCORE: tuple[UsCore, ...] = get_args(UsCore)
_TRUE = frozenset({"on", "true", "yes", "1"})
_FALSE = frozenset({"off", "false", "no", "0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings with their defaults. Times are in seconds, sizes in bytes."""

    database_url: str = "sqlite:///fhirbridge.db"
    mappings: Path | None = None  # a site's own pack, laid over ours
    clocks: Path | None = None  # a site's own reminders and escalations, in place of ours
    auth: Auth = "smart"
    timezone: str = "UTC"  # for dates without a zone, at index and at query time
    base: str = DEFAULT_BASE  # `{base}` of our identifiers, code systems and extensions
    public_url: str | None = None  # what callers see as our FHIR base
    proxies: int = 0  # servers of ours in front, each adding to X-Forwarded-For
    referential_integrity: bool = True
    uscore_version: UsCore = "6.1.0"  # in which we claim US Core profiles, or none
    custodian: str = "default"
    part2: bool = True  # a program under 42 CFR Part 2, or unknown
    state: str = ""  # whose rules about minors hold, as the consent policy names it
    consent_policy: Path | None = None  # a site's own, laid over ours
    audit: Audit = "clients"  # whose requests are audited besides every disclosure
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 2
    max_body_bytes: int = 10_000_000
    max_bundle_entries: int = 5_000

    @property
    def zone(self) -> ZoneInfo:
        """The configured zone."""
        return ZoneInfo(self.timezone)

    @property
    def own_base(self) -> str:
        """The URL of our FHIR base: references that start with it are local."""
        return self.public_url or f"http://{self.host}:{self.port}/fhir"

    def shown(self) -> dict[str, str]:
        """Name and value of every setting, the password in a database URL masked."""
        values = {field.name: str(getattr(self, field.name)) for field in fields(self)}
        values["database_url"] = re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", values["database_url"])
        return values


def load(environ: Mapping[str, str] | None = None, *, directory: Path | None = None) -> Settings:
    """Read the settings file and the environment.

    Raises Misconfigured with every fault at once: unknown names, wrong types, unknown zones.
    """
    environ = os.environ if environ is None else environ
    given = _from_file(environ, directory or Path())
    for variable, text in environ.items():
        if variable.startswith(TEST_PREFIX) or variable == CONFIG_VARIABLE:
            continue
        if variable.startswith(PREFIX):
            given[variable.removeprefix(PREFIX).lower()] = text
    return from_mapping(given)


def from_mapping(given: Mapping[str, object]) -> Settings:
    """Settings from names and values; texts are converted to the type of the setting."""
    types = {field.name: field.type for field in fields(Settings)}
    faults: list[Issue] = []
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in types:
            known = ", ".join(sorted(types))
            faults.append(_fault(f"There is no setting '{name}'. Settings are: {known}."))
            continue
        try:
            values[name] = _convert(name, types[name], value)
        except ValueError as exc:
            faults.append(_fault(f"Setting '{name}': {exc}"))
    if faults:
        raise Misconfigured(*faults)
    return Settings(**values)


def _from_file(environ: Mapping[str, str], directory: Path) -> dict[str, object]:
    named = environ.get(CONFIG_VARIABLE)
    path = Path(named) if named else directory / "fhirbridge.toml"
    if not path.is_file():
        if named:
            raise Misconfigured(_fault(f"{CONFIG_VARIABLE} names {path}, which does not exist."))
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise Misconfigured(_fault(f"{path} is not valid TOML: {exc}.")) from exc


def _convert(name: str, kind: object, value: object) -> object:
    if kind is bool:
        return _boolean(value)
    if kind is int:
        return _positive(value)
    if not isinstance(value, str) or not value:
        raise ValueError("it must be a text that is not empty.")
    if name == "clocks":
        return Path(value)
    if name == "auth" and value not in _AUTHS:
        raise ValueError(f"'{value}' is not one of {', '.join(_AUTHS)}.")
    if name == "uscore_version" and value not in _USCORE:
        raise ValueError(f"'{value}' is not one of {', '.join(_USCORE)}.")
    if name == "audit" and value not in _AUDITS:
        raise ValueError(f"'{value}' is not one of {', '.join(_AUDITS)}.")
    if name == "timezone":
        _check_zone(value)
    if name in ("base", "public_url"):
        if not re.fullmatch(r"https?://\S+", value):
            raise ValueError("it must be an http or https URL.")
        return value.rstrip("/")
    return Path(value) if name in ("mappings", "consent_policy") else value


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError("it must be on or off.")


def _positive(value: object) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,18}", str(value)):
        raise ValueError("it must be a whole number, zero or more.")
    return int(str(value))


def _check_zone(value: str) -> None:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ValueError(f"'{value}' is not a time zone name, e.g. America/Denver.") from exc


def _fault(text: str) -> Issue:
    return Issue("exception", text)
