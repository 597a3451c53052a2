"""Rules across the fields of a document: one module per part, one `check` each.

Rules see what could be read, so any field may be missing and an unreadable item is None.
Errors are for identity, references, date order and what R4 cannot hold; all else is a warning.
Source: design.md section 5, domain.md section 4.
"""
