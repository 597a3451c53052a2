"""What a caller may see, in the form that becomes part of a search."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grant:
    """Rows of these patients in these classes of content; of these resources only, if given.

    A row about several patients needs all of them in one grant.
    """

    patient_keys: tuple[int, ...]
    content_classes: tuple[str, ...]
    resource_keys: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Limits of a search: `grants` None means no limit; directories are in every scope."""

    grants: tuple[Grant, ...] | None = None

    @property
    def is_limited(self) -> bool:
        """True unless everything may be seen."""
        return self.grants is not None


EVERYTHING = Scope()
