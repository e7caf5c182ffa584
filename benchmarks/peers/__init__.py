"""The other side of every comparison, configured as its own documentation advises."""
