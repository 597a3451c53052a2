"""Seeded synthetic people with their documents, for the demo and for trying things out.

The same seed gives the same person in all three documents, so the plan continues the enrollment
and the referral serves the plan. Nobody here is real: telephone numbers are 555-01xx, hosts are
example domains. Seed 0 is a mother of two who finishes six weeks of morning groups.
"""

from fhirbridge.synthetic.enrollments import enrollment
from fhirbridge.synthetic.people import TODAY
from fhirbridge.synthetic.plans import aftercare_plan
from fhirbridge.synthetic.referrals import referral

__all__ = ["TODAY", "aftercare_plan", "enrollment", "referral"]
