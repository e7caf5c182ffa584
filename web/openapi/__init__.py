"""The description of the API: `GET /api/openapi.json` and the page `/docs` are made of it.

Routes and roles come from web/access.py, bodies from the structs that read them, parameters of tasks from
the registry. What answers look like is said in shapes*.py and held against real ones by tests.
"""
