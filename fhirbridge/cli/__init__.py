"""The command `fhirbridge`: one module per command, exit codes in `main`."""
