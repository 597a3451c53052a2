"""fhirbridge: IOP enrollments, aftercare plans and referrals to FHIR R4 and back."""

__version__ = "0.1.0"
