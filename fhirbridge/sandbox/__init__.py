"""Can a FHIR server take our handoffs? Try it with synthetic data, compare, clean up."""
