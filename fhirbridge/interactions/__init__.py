"""The FHIR interactions, one module each, free of any web framework."""
