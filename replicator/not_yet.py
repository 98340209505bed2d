"""The exceptions that mean: later."""


class NotYetError(Exception):
    """It cannot be done now; the text says why, and it will be tried again."""


class NobodyHasItError(NotYetError):
    """Every peer was asked for this content and has said that it is not there: waiting alone will not bring it."""
