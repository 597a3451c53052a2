"""Load native documents: refuse what cannot travel, speak of what is doubtful, normalise the rest.

Source: design.md section 5.
"""

from fhirbridge.native.shapes import KINDS, Kind, shape

__all__ = ["KINDS", "Kind", "shape"]
