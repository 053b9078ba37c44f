"""Asking a platform's API: with time-outs, without following it elsewhere, never more than needed.

What goes wrong is one of three things: the key is not accepted, the platform asks to wait, or it
could not be asked.
"""

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

import requests

from billing import clock
from calls.notations.json_text import DECODER

CONNECT_SECONDS_MAX: Final = 5
READ_SECONDS_MAX: Final = 30
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
WAIT_SECONDS: Final = 60  # where a platform asks to wait and does not say how long
WAIT_SECONDS_MAX: Final = 6 * 60 * 60


class AskingError(Exception):
    """The platform could not be asked: the message says why, in a sentence."""


class KeyRefusedError(AskingError):
    """It does not accept the key."""


class AskedToWaitError(AskingError):
    """It was asked too often: not again before ``seconds`` have passed."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"It asks us to wait {seconds} s.")
        self.seconds = seconds


class NoEndError(AskingError):
    """Its list neither ends nor goes on: what comes after is not known."""

    def __init__(self) -> None:
        super().__init__("Its list of calls breaks off: it does not say where the next part is.")


class Asker:
    """Asks the API at ``base``, whose requests share a connection."""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # no password of a file, no proxy that nobody set here

    def close(self) -> None:
        """Give the connection up."""
        self._session.close()

    def get(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Any:
        """Return the JSON at ``path``, its numbers as they were written. Raises AskingError."""
        return self._ask("GET", path, params=query, headers=headers, auth=auth)

    def post(self, path: str, *, json: Any, headers: Mapping[str, str] | None = None) -> Any:
        """Return the answer to ``json``. Raises AskingError."""
        return self._ask("POST", path, json=json, headers=headers)

    def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            with self._session.request(
                method,
                f"{self.base}{path}",
                timeout=(CONNECT_SECONDS_MAX, READ_SECONDS_MAX),
                allow_redirects=False,
                stream=True,
                **arguments,
            ) as answer:
                _check(answer)
                body = b""
                for piece in answer.iter_content(64 * 1024):
                    body += piece
                    if len(body) > ANSWER_BYTES_MAX:
                        raise AskingError("Its answer is too large.")
        except requests.Timeout:
            raise AskingError("It did not answer in time.") from None
        except UnicodeError:
            raise AskingError(
                "It could not be asked: something in its key or address can’t be sent."
            ) from None
        except requests.RequestException as error:
            raise AskingError(f"It could not be reached ({type(error).__name__}).") from None
        try:
            return DECODER.decode(body.decode("utf-8"))
        except (ValueError, RecursionError):
            raise AskingError("Its answer is no JSON.") from None


def _check(answer: requests.Response) -> None:
    status = answer.status_code
    if status in (401, 403):
        raise KeyRefusedError(f"It does not accept the key (it answered {status}).")
    if status in (429, 503) and (status == 429 or "Retry-After" in answer.headers):
        raise AskedToWaitError(_seconds(answer.headers.get("Retry-After", "")))
    if status != 200:
        raise AskingError(f"It answered {status}.")


def _seconds(retry_after: str) -> int:
    """How long to wait, by a header that gives seconds or a date."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit() and len(text) < 9:
        return min(max(int(text), 1), WAIT_SECONDS_MAX)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return WAIT_SECONDS
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    seconds = (at - clock.now()).total_seconds()
    return min(max(int(seconds) + 1, 1), WAIT_SECONDS_MAX)
