"""Whole columns: protected and revealed under a keyring of their own, whatever carries them."""
