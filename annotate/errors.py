"""What an action raises when it will not do what was asked; the middleware turns it into an answer."""


class Refused(Exception):
    """The request is understood and will not be done; the message says why and what to do."""

    status = 409


class Invalid(Refused):
    """What was sent is wrong; the message names the field or the line."""

    status = 422
