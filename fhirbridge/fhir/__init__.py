"""The language of FHIR R4 4.0.1: JSON text, definitions, validation, references, Bundles."""
