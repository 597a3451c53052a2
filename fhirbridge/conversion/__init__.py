"""The heart: native document <-> FHIR Bundle, both ways, pure."""
