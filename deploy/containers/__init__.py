"""Runs Callboard in containers: what `make up`, `down`, `scale-workers` and their like do.

Only Python's standard library: a host that runs containers needs nothing of Callboard installed.
"""
