"""The one kind of failure that is told to the operator, as one line."""


class Trouble(Exception):
    """Something the operator can mend; its text is one line that names the thing and the way out."""
