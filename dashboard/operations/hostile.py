"""Answers with a sentence where an operator's page can't be made as it was asked for.

Addresses and forms can hold anything, pages can be older than what they show, and several people
may save at once. Whatever comes of that, nothing is stored by halves and the operator is told.
"""

import logging
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import FieldError, ObjectDoesNotExist
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect

from billing.outage import is_outage
from billing.refusals import Refusal

UNREADABLE = "The address or the form asks for something that there can’t be. Nothing was changed."
MEANWHILE = (
    "Somebody else changed this at the same moment. Nothing of yours was saved: look at it as it "
    "is now, and save again if it is still needed."
)
# What Python and PostgreSQL say about values that no field can hold.
UNREADABLE_ERRORS = (DataError, FieldError, OverflowError, RecursionError, TypeError, ValueError)
# Deadlock, serialization failure, a lock that was not given in time.
RACES = {"40P01", "40001", "55P03"}

logger = logging.getLogger(__name__)


class StalePage(Refusal):
    """The page was loaded before somebody else changed what it shows."""


def answer_or_explain(
    request: HttpRequest, view: Callable[..., Any], *arguments: Any
) -> HttpResponseBase:
    """Return what ``view`` answers, or lead to the page as it is, with the reason."""
    try:
        answer: Any = view(request, *arguments)
        if hasattr(answer, "render"):
            answer.render()  # here, where what fails is explained
        shown: HttpResponseBase = answer
        return shown
    except Refusal as refusal:
        return _explained(request, refusal.message)
    except IntegrityError:
        logger.warning("An operator's form met another change", exc_info=True)
        return _explained(request, MEANWHILE)
    except (OperationalError, InterfaceError) as error:
        if getattr(error.__cause__, "pgcode", None) not in RACES:
            raise  # the database is away: a page of its own says so
        logger.warning("An operator's form met another change", exc_info=True)
        return _explained(request, MEANWHILE)
    except UNREADABLE_ERRORS:
        if request.method == "GET" and not request.GET:
            raise  # nothing was asked for that could be at fault
        logger.exception("An operator's page can't be made as it was asked for")
        return _explained(request, UNREADABLE)
    except (DatabaseError, ObjectDoesNotExist) as error:  # a row that is no longer there
        if is_outage(error):
            raise
        logger.warning("An operator's form met another change", exc_info=True)
        return _explained(request, MEANWHILE)


def _explained(request: HttpRequest, why: str) -> HttpResponseBase:
    messages.error(request, why)
    return redirect(request.path)
