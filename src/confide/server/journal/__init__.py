"""The journal's tree over HTTP, for witnesses: checkpoint, tiles, and where cosignatures are handed in."""
