"""The HTTP side of Callboard: Falcon resources over `callboard`; no task is run here."""
