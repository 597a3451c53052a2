"""Who may see what of a patient, and why: labels, provisions and the decision. Pure rules."""
