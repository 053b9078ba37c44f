"""What must always be true of what is stored of calls: one function an invariant.

The same kind of functions as `calls.audit`, which owns what is true between calls and the ledger.
"""

from collections.abc import Iterator, Mapping

from billing.ledger.audit import Breach, Invariant, breaches_of
from billing.models.ledger import AGENT_LENGTH_MAX, CALL_ID_LENGTH_MAX, REMARKS_LENGTH_MAX
from billing.texts import REPLACEMENT
from calls.models import NUMBER_LENGTH_MAX


def calls_have_an_account() -> Iterator[Breach]:
    """Calls belong to an account: the database does not check that key."""
    return breaches_of(
        "account",
        """
        SELECT DISTINCT account_id, 'calls', 'belong to no account'
          FROM calls_call
         WHERE NOT EXISTS (SELECT FROM billing_account account WHERE account.id = account_id)
        """,
    )


def deleted_numbers_are_gone() -> Iterator[Breach]:
    """Of a call whose numbers were deleted nobody's report has any: `calls.numbers`."""
    return breaches_of(
        "numbers",
        """
        SELECT call.account_id, format('call %s', call.call_id),
               'says that its numbers were deleted, but there are some'
          FROM calls_call call
         WHERE call.numbers_deleted
           AND (call.from_number <> '' OR call.to_number <> ''
                OR call.has_reports AND EXISTS (
                   SELECT FROM calls_callreport report
                    WHERE report.account_id = call.account_id
                      AND report.linked_call_id = call.call_id
                      AND (report.from_number <> '' OR report.to_number <> '')))
        """,
    )


# What `billing.texts.UNSTORABLE` finds, in SQL: NUL and halves of characters PostgreSQL refuses.
_UNSTORABLE = r"[\u0001-\u001f\u007f-\u009f]"
_TEXTS_OF_CALLS = {
    "agent": AGENT_LENGTH_MAX,
    "from_number": NUMBER_LENGTH_MAX,
    "to_number": NUMBER_LENGTH_MAX,
    "remarks": REMARKS_LENGTH_MAX,
}
_TEXTS_OF_ENTRIES = {"agent": AGENT_LENGTH_MAX, "remarks": REMARKS_LENGTH_MAX}


def texts_are_such_as_are_stored() -> Iterator[Breach]:
    """No text is longer than it may be, or has a character that records lose before: rule 11."""
    return breaches_of(
        "texts",
        f"""
        SELECT account_id, format('call %s', call_id), 'has a text that is too long or has control '
               'characters: ' || concat_ws(' · ', {", ".join(_TEXTS_OF_CALLS)})
          FROM calls_call WHERE {_is_no_text(_TEXTS_OF_CALLS)}
         UNION ALL
        SELECT account_id, format('entry %s (%s)', seq, reference), 'has a text that is too long '
               'or has control characters: ' || concat_ws(' · ', {", ".join(_TEXTS_OF_ENTRIES)})
          FROM billing_ledgerentry WHERE {_is_no_text(_TEXTS_OF_ENTRIES)}
        """,
    )


def _is_no_text(length_max: Mapping[str, int]) -> str:
    """Whether one of some columns can't have been stored by us, in SQL.

    Characters are counted only where the bytes are too many: that is far quicker.
    """
    is_too_long = (
        f"(octet_length({name}) > {most} AND char_length({name}) > {most})"
        for name, most in length_max.items()
    )
    return f"{' || '.join(length_max)} ~ '{_UNSTORABLE}' OR {' OR '.join(is_too_long)}"


def call_ids_are_whole() -> Iterator[Breach]:
    """No call ID was repaired or is longer than it may be: records with such IDs are rejected.

    That one was shortened can't be seen from it; its charge names the same one. Rule 11.
    """
    return breaches_of(
        "call IDs",
        f"""
        SELECT account_id, format('call %s', call_id), 'has an ID that no record can have'
          FROM calls_call
         WHERE call_id = '' OR call_id <> btrim(call_id)
            OR call_id ~ '{_UNSTORABLE}|{REPLACEMENT}'
            OR (octet_length(call_id) > {CALL_ID_LENGTH_MAX}
                AND char_length(call_id) > {CALL_ID_LENGTH_MAX})
        """,
    )


INVARIANTS: tuple[Invariant, ...] = (
    calls_have_an_account,
    deleted_numbers_are_gone,
    texts_are_such_as_are_stored,
    call_ids_are_whole,
)
