"""Why a referral is declined or could not be done: codes with words. Closed, ours."""

REASONS: dict[str, str] = {
    "no-capacity": "No place is free.",
    "out-of-scope": "This service is not offered here.",
    "level-of-care": "Another level of care is needed.",
    "coverage": "The coverage is not accepted.",
    "out-of-area": "The client lives outside the service area.",
    "not-reached": "The client could not be reached.",
    "client-declined": "The client does not want it.",
    "incomplete": "What was asked for was not sent.",
    "duplicate": "The same was asked for before.",
    "moved-on": "The client is cared for elsewhere.",
    "other": "Another reason, which was told in person.",
}
