"""Native documents: their marshmallow schemas, their rules, and how they are loaded.

The only package that imports marshmallow. Source: design.md section 5, domain.md section 4.
"""
