"""Who may do what: roles, keys, sessions, limits and the audit trail.

Pure parts are in files of their own (roles, secret, limits); what asks Redis goes through the Calls of
`store/`.
"""
