"""The one gate through which a resource leaves (42 CFR Part 2)."""
