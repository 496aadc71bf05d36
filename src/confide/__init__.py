"""Confide: patient records that a stolen password or a stolen database does not give away."""
