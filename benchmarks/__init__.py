"""Measures Callboard and what people would pick instead, on private servers of this machine."""
