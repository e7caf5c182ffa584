"""Callboard on AWS: what both kinds of installation are built of. `__main__.py` puts them together.

Pure modules decide (`plan`, `addresses`, `openings`, `user_data`), the others make Pulumi resources of it.
"""
