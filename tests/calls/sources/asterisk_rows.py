"""Rows as Asterisk writes them, in any order of columns: calls that never took place."""

VALUES = {
    "accountcode": "acme",
    "src": "1001",
    "dst": "15550100",
    "dcontext": "from-internal",
    "clid": '"Desk, first" <1001>',
    "channel": "PJSIP/1001-00000001",
    "dstchannel": "PJSIP/trunk-00000002",
    "lastapp": "Dial",
    "lastdata": "PJSIP/15550100@trunk,30,^&T",
    "start": "2026-11-20 10:00:00",
    "calldate": "2026-11-20 10:00:00",
    "answer": "2026-11-20 10:00:07",
    "end": "2026-11-20 10:01:12",
    "duration": "72",
    "billsec": "65",
    "disposition": "ANSWERED",
    "amaflags": "DOCUMENTATION",
    "uniqueid": "1795168800.1",
    "userfield": "vip",
    "peeraccount": "",
    "linkedid": "1795168799.0",
    "sequence": "17",
}


def row_of(order, **changes):
    """The values of one call in an ``order`` of columns; empty where a column is not told."""
    return [{**VALUES, **changes}.get(name, "") for name in order]
