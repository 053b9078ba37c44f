"""Marks statements that the server plans once for each connection, not each time.

For those that every call or page asks and an index answers: planning them takes longer than that.
What keeps the plans is the connection, by a backend that knows the mark; to any other it is a
comment.
"""

MARK = "/* plan kept */ "


def kept(sql: str) -> str:
    """Mark ``sql``, all of whose parameters (%s) say or show their types.

    It must be one of few, as each takes room in the server.
    """
    return MARK + sql
