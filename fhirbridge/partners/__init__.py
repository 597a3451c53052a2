"""Outgoing HTTP to partners: what can be sent where, how it went, and nothing about storage."""
