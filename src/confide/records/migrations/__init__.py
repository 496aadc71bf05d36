"""Migrations of the charts."""
