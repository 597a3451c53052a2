"""The mapping language: YAML rules that run in both directions.

Language: `mappings/README.md`. Order of work: `loader` reads files into `model`, `template` lays
the rules of one resource out as a tree, `encoder` and `decoder` compile and walk that tree, `check`
holds it against the native shapes and the FHIR definitions, `compiler` and `assembly` put a whole
document together.
"""
