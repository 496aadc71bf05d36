"""Notices of a breach: what they say, to whom they go, and the proof that they went."""
