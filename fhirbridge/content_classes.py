"""The classes of content: what a consent speaks of, and what mapping files call their rules.

Source: 42 CFR 2.13(a), 2.31(a)(3); mappings/README.md
"""

from typing import Literal, TypeAlias, get_args

ContentClass: TypeAlias = Literal[
    "identity",
    "diagnosis",
    "medications",
    "labs",
    "treatment-plan",
    "appointments",
    "progress",
    "billing",
    "notes",
]
CLASSES: tuple[ContentClass, ...] = get_args(ContentClass)
