"""What lines of the log look like, and what none may hold: links that whoever reads them could use,
and pages of tracebacks."""

import logging
import re

from billing import security_log
from billing.outage import is_outage
from billing.texts import storable

RESET_LINK = re.compile(r"(/password/reset/key/)[^/\s\"']+")


class Line(logging.Formatter):
    """Time, level, logger and message; of the log `security` the JSON alone, which has them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        if record.name == security_log.NAME:
            return record.getMessage()
        return super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Leave no way to begin a line that looks like another one; tracebacks follow it."""
        record.message = storable("\\n".join(record.message.splitlines()))
        return super().formatMessage(record)


class InOneLine(logging.Filter):
    """Takes the traceback from what anybody can cause thousands of times: requests that Django
    refuses, and those that come while the database is away."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Shorten the line; let all lines pass."""
        error = record.exc_info[1] if record.exc_info else None
        has_no_code = getattr(getattr(error, "__cause__", None), "pgcode", "") is None
        is_away = record.name == "django.request" and is_outage(error) and has_no_code
        if is_away or record.name.startswith("django.security"):
            why = " ".join(str(error).split()) if is_away else ""
            record.msg, record.args = f"{record.getMessage()} {why}".strip(), ()
            record.exc_info = record.exc_text = None
        return True


class MaskLinks(logging.Filter):
    """Takes the tokens out of addresses at which people choose a password."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the line; let all lines pass."""
        said = record.getMessage()
        masked = RESET_LINK.sub(r"\1…", said)
        if masked != said:
            record.msg, record.args = masked, ()
        return True
