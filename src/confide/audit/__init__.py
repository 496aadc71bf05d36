"""It happened, and cannot un-happen."""
