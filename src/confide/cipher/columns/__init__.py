"""The parts of FF1 over columns, from the arrays that come to the blocks that AES reads."""
