"""Data elements, keys, and how whole documents are protected. No Django."""
