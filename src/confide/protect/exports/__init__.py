"""What may leave the house: policies, the keys of one export, and the resources as they go out."""
