"""Handoffs: a document on its way to a partner, delivered once, followed until it is closed."""
