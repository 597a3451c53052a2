"""`python -m fhirbridge` is the command `fhirbridge`."""

from fhirbridge.cli.main import run

if __name__ == "__main__":
    run()
