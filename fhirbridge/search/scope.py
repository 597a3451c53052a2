"""What a caller may see, in the form that becomes part of a search."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """Limits of a search: keys of patients and classes of content; None means no limit."""

    patient_keys: tuple[int, ...] | None = None
    content_classes: tuple[str, ...] | None = None


EVERYTHING = Scope()
