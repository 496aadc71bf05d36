"""The mathematics: FF1, sealing, key derivation. No I/O, no clock, no field names."""
