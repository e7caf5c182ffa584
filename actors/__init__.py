"""The task types this installation runs, one file a family.

A new type is one function here, in a file of its own or beside its relatives; no other file is touched:
`callboard` finds every module of this package. Each file is meant to be copied. The API imports them all
for their schemas, so import what is heavy inside the function that uses it.
"""
