"""The schemas of the two plans inside an aftercare plan: safety, and relapse prevention.

Source: domain.md section 4.2.
"""

from fhirbridge.native import vocabularies as known
from fhirbridge.native.containers import Listing, listing, part
from fhirbridge.native.dates import Date
from fhirbridge.native.fields import Boolean, Code, Id, Integer, Line, Text
from fhirbridge.native.phones import Phone

# The six steps of Stanley and Brown, in their order.
SAFETY_PLAN = part(
    "SafetyPlan",
    {
        "indicated": Boolean(required=True),
        "reason": Code(known=known.SAFETY_REASON),
        "warningSigns": Listing(Text()),
        "internalCoping": Listing(Text()),
        "distractionPeople": Listing(Text()),
        "helpers": Listing(Text()),
        "professionals": Listing(Text()),
        "meansSafety": Listing(Text()),
        "reasonForLiving": Text(),
        "crisisLines": Listing(Text()),
        "reviewedAt": Date(),
        "nextReview": Date(),
    },
)
CONTACT = part(
    "Contact",
    {
        "id": Id(required=True),
        "name": Line(required=True),
        "relationship": Code(known=known.RELATIONSHIP),
        "phone": Phone(),
        "order": Integer(minimum=1),
    },
)
RELAPSE_PREVENTION_PLAN = part(
    "RelapsePreventionPlan",
    {
        "triggers": listing(
            part(
                "Trigger",
                {
                    "id": Id(required=True),
                    "text": Text(required=True),
                    "category": Code(known=known.TRIGGER),
                    "level": Code(known=known.TRIGGER_LEVEL),
                },
            )
        ),
        "earlyWarningSigns": Listing(Text()),
        "highRiskSituations": Listing(Text()),
        "copingStrategies": listing(
            part(
                "CopingStrategy",
                {
                    "id": Id(required=True),
                    "text": Text(required=True),
                    "forTriggers": Listing(Id(ref="triggers"), key="."),
                },
            )
        ),
        "contacts": listing(CONTACT),
        "emergencyContacts": listing(CONTACT),
        "lapseProtocol": Text(),
        "returnPathway": Text(),
        "familyRole": Text(),
    },
)
