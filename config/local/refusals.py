"""Why a command of the stack did not do its work."""


class Stopped(Exception):
    """Somebody asked us to stop (Ctrl-C, SIGTERM, the terminal closed)."""


class Refused(Exception):
    """The command cannot do its work; the message says why and what helps."""
