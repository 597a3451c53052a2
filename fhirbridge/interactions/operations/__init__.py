"""The operations (`$name`), one module each. Source: R4 operations.html"""
