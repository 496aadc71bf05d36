"""A breach: which duties it makes, and until when."""
