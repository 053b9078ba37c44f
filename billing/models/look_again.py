"""The trigger that asks for an account to be looked at again for warnings.

A warning can become owed without a posting: terms with more credits lift a threshold, a person
joins or switches mails on. Triggers note it, so that whoever changes such a row need not know.
They only insert: a transaction that changes terms never waits for a look that is under way.
"""

import pgtrigger


def look_again(
    operation: pgtrigger.Operation,
    *,
    accounts: str,
    look_at: str = "NULL::timestamptz",
) -> pgtrigger.Trigger:
    """Return a trigger that adds a `CreditLook` for each account that a changed row concerns.

    ``accounts`` is SQL that selects the ids of these accounts, ``look_at`` is when to look (null:
    at once). Both may name the row, as ``changed``.
    """
    return pgtrigger.Trigger(
        name="look_again",
        when=pgtrigger.After,
        operation=operation,
        declare=[("changed", "RECORD")],
        func=f"""
            changed := COALESCE(NEW, OLD);
            INSERT INTO billing_creditlook (account_id, look_at)
            SELECT concerned.id, {look_at} FROM ({accounts}) AS concerned (id);
            RETURN NULL;
        """,
    )
