"""The one exception for what a user can mend."""


class BadInput(ValueError):
    """Says what came, what was expected and what to do, in one line.

    The command line prints it and exits with code 2; any other exception is a defect of radzoo and keeps its
    traceback.
    """
