"""How many rows of a page can be downloaded, and where: at once, or by a file made first."""

from dataclasses import dataclass

from django.urls import reverse
from django.utils.http import content_disposition_header

from billing.models import Account
from calls.usage.export import STREAMED_ROWS_MAX, Selection


@dataclass(frozen=True, slots=True)
class Download:
    """What the button below a page says and does: ``url`` is read, or posted to where a file
    is to be made."""

    rows: int
    url: str
    is_made_first: bool


def download_of(
    selection: Selection,
    *,
    rows: int,
    public_import_id: str = "",
    call_id: str = "",
    as_of: str = "",
) -> Download:
    """The download of ``rows``; by its address exactly these days, also after midnight.

    ``as_of``: the state that the page shows, so that the file has no row that came later.
    """
    is_made_first = rows > STREAMED_ROWS_MAX and not call_id
    filters = selection.filters
    query = {
        "period": "custom",
        "from": selection.period.first_day.isoformat(),
        "to": selection.period.last_day.isoformat(),
        "usage_type": filters.usage_type,
        "kind": filters.kind,
        "agent": filters.agent,
        "call_id": call_id,
        "import": public_import_id,
        "seq": str(selection.last_seq) if is_made_first else "",
        "as_of": "" if is_made_first else as_of,
    }
    name = "dashboard:export_new" if is_made_first else "dashboard:export"
    url = reverse(
        name,
        args=[selection.account.slug],
        query={key: value for key, value in query.items() if value},
    )
    return Download(rows=rows, url=url, is_made_first=is_made_first)


def disposition(*, account: Account, first_day: object, last_day: object) -> str:
    """The header that makes a browser store a file under this name."""
    name = f"call-usage-{account.slug}-{first_day}-to-{last_day}.csv"
    return content_disposition_header(True, name) or "attachment"
