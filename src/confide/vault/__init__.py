"""The one door to clear values."""
