"""Servers and processes on this machine: what `callboard stack` and the tests start, watch and stop."""
