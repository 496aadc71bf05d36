"""Synthetic practices, through the public API only."""
