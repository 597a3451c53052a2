"""What those do who are responsible for a custodian's records: consents and audit."""
