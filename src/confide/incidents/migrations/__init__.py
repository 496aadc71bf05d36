"""Migrations of incidents."""
