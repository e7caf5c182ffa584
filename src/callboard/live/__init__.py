"""Watching tasks as they happen."""
