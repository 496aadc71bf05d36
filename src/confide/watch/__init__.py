"""Watches what the journal tells, and acts on what looks wrong."""
