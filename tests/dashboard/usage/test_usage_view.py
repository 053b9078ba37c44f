"""The page's view: what it takes from the address, whatever stands there, and what it answers."""

import csv
import json
import re
from datetime import timedelta
from io import StringIO
from urllib.parse import quote

import pytest
from django.test import Client

from billing.models import Account, Plan, User
from calls.charging import record_calls
from calls.models import FileImport
from tests.dashboard.bulk import insert_calls
from tests.dashboard.conftest import NOW, call, goodwill, post, top_up

pytestmark = pytest.mark.usefixtures("now")

USAGE = "/a/acme/billing/usage/"
CHANGES = USAGE + "changes/"


@pytest.fixture
def visitor(client: Client, member: User) -> Client:
    client.force_login(member)
    return client


@pytest.mark.parametrize(
    "query",
    [
        "period=custom&from=1900-01-01&to=1900-02-01",
        "period=custom&from=0001-01-01&to=9999-12-31",
        "period=custom&from=2026-11-23&to=2026-11-01",
        "period=custom&from=&to=",
        "period=custom&from=%00&to=%00",
        "period=%00",
        "period=this_cycle",
        "page=" + "9" * 5_000,
        "page=-1",
        "page=%00",
        "page=%D9%A3",
        "call_id=" + "x" * 5_000,
        "call_id=%25",
        "call_id=_",
        "call_id=%00",
        "call_id=%FF",
        "call_id=%F0%9F%93%9E",
        "agent=" + "x" * 5_000,
        "agent=a%00b",
        "kind=nonsense&usage_type=nonsense",
        "kind=%00",
        "import=nonsense",
        "import=%00",
        "import=6f1c5f0e-0000-4000-8000-000000000000",
        "kind=top_up&usage_type=inbound&agent=Asha",
        "period=last_7_days&period=today",
        "unknown=1&%00=%00",
    ],
)
@pytest.mark.parametrize("address", [USAGE, CHANGES, USAGE + "export.csv"])
def test_no_query_breaks_a_page(
    visitor: Client, account: Account, address: str, query: str
) -> None:
    post(call(account, "a", 1, NOW))
    response = visitor.get(f"{address}?{query}", follow=True)
    assert response.status_code == 200
    assert b"".join(response) != b""


@pytest.mark.parametrize(
    ("asked", "real"),
    [
        ("kind=call&page=99999&agent=", "?kind=call&agent=&page=2"),
        ("page=0", "?"),
        ("page=two&call_id=a%2Fb", "?call_id=a%2Fb"),
        ("page=02", "?page=2"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_the_address_of_a_page_that_does_not_exist_becomes_that_of_the_nearest(
    visitor: Client, account: Account, asked: str, real: str, headers: dict[str, str]
) -> None:
    post(*(call(account, f"a/b{number}", 1, NOW) for number in range(11)))
    response = visitor.get(f"{USAGE}?{asked}", headers=headers)
    assert (response.status_code, response["Location"]) == (302, USAGE + real)
    assert visitor.get(response["Location"], headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("period=custom&from=yesterday&to=2026-11-23", "from"),
        ("period=custom&from=2026-11-23&to=2026-11-01", "to"),
        ("period=nonsense", "period"),
        ("period=this_cycle", "period"),
        ("kind=nonsense", "kind"),
        ("call_id=%00", "call_id"),
        ("call_id=" + "x" * 201, "call_id"),
        ("agent=" + "x" * 101, "agent"),
    ],
)
def test_what_can_not_be_read_has_one_message_beside_its_field(
    visitor: Client, query: str, field: str
) -> None:
    errors = visitor.get(f"{USAGE}?{query}").context["filters"].errors
    assert {name: len(messages) for name, messages in errors.items()} == {field: 1}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("kind=xyz", "The kind of row “xyz” does not exist, so all rows are shown."),
        ("usage_type=xyz", "The usage type “xyz” does not exist, so all types are shown."),
        ("period=xyz", "The period “xyz” does not exist, so the last 7 days are shown."),
        ("kind=" + "x" * 999, f"The kind of row “{'x' * 40}” does not exist, so all rows"),
        ("agent=" + "x" * 101, "has at most 100 characters, so all agents are shown."),
        ("call_id=" + "x" * 201, "has at most 200 characters, so none is searched for."),
        (
            "from=xyz&to=2026-11-23",
            "The first day “xyz” is not a date like 2026-11-23, so the last 7 days are shown.",
        ),
    ],
)
def test_what_can_not_be_read_is_named_with_what_is_shown_instead(
    visitor: Client, account: Account, query: str, message: str
) -> None:
    post(goodwill(account, 1))
    page = visitor.get(f"{USAGE}?{query}").text
    assert page.count(message) == 1
    assert "Select a valid choice" not in page


def test_bad_dates_show_the_default_period(visitor: Client) -> None:
    context = visitor.get(f"{USAGE}?period=custom&from=2026-13-01&to=2026-11-01").context
    assert context["period"].words == "17–23 November 2026, Asia/Kolkata"


def test_bad_dates_stay_in_the_form_to_be_corrected(visitor: Client) -> None:
    form = visitor.get(f"{USAGE}?period=custom&from=2026-13-01&to=2026-11-01").context["filters"]
    assert (form["from"].value(), form["to"].value()) == ("2026-13-01", "2026-11-01")


def test_the_form_shows_the_days_of_the_period(visitor: Client) -> None:
    form = visitor.get(USAGE).context["filters"]
    assert (form["period"].value(), form["from"].value(), form["to"].value()) == (
        "last_7_days",
        "2026-11-17",
        "2026-11-23",
    )


def test_today_is_the_accounts_day_and_not_the_servers(
    client: Client, outsider: User, other_account: Account
) -> None:
    other_account.time_zone = "Pacific/Kiritimati"  # where it is the 24th already
    other_account.save()
    client.force_login(outsider)
    period = client.get("/a/other/billing/usage/?period=today").context["period"]
    assert period.words == "24 November 2026, Pacific/Kiritimati"


def test_this_cycle_is_the_plans(visitor: Client, professional: Plan) -> None:
    context = visitor.get(f"{USAGE}?period=this_cycle").context
    assert context["period"].words == "4–23 November 2026, Asia/Kolkata"


def test_this_cycle_is_the_same_in_the_export(visitor: Client, professional: Plan) -> None:
    response = visitor.get(f"{USAGE}export.csv?period=this_cycle")
    assert "2026-11-04-to-2026-11-23" in response["Content-Disposition"]


def test_a_search_that_finds_too_many_has_no_figures_and_says_so(
    visitor: Client, account: Account
) -> None:
    insert_calls(account, 1_001, last_at=NOW, days=6)
    page = visitor.get(f"{USAGE}?call_id=call-")
    assert page.text.count("Too many calls begin with “call-”.") == 1
    assert page.text.count("not counted</span></dd>") == 2
    assert 'id="usage-chart"' not in page.text
    assert "0 credits used" not in page.text
    answer = visitor.get(f"{USAGE}export.csv?call_id=call-")
    assert (answer.status_code, answer["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert "Too many calls begin like this." in answer.text


def test_htmx_gets_only_the_part_that_changes(visitor: Client) -> None:
    whole = visitor.get(USAGE)
    part = visitor.get(USAGE, headers={"HX-Request": "true"})
    assert "<html" in whole.text
    assert "<html" not in part.text
    assert part.templates[0].name == "dashboard/usage/content.html"


def test_history_gets_the_whole_page(visitor: Client) -> None:
    headers = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    assert "<html" in visitor.get(USAGE, headers=headers).text


def test_caches_keep_page_and_part_apart(visitor: Client) -> None:
    assert "HX-Request" in visitor.get(USAGE)["Vary"]


def test_the_graphs_data_is_what_the_script_expects(visitor: Client, account: Account) -> None:
    post(
        top_up(account, 500, NOW),
        call(account, "a", 3, NOW),
        call(account, "b", 2, NOW, usage_type="inbound"),
    )
    chart = visitor.get(USAGE).context["chart"]
    assert json.loads(json.dumps(chart)) == chart
    assert (chart["granularity"], len(chart["days"])) == ("day", 7)
    assert chart["usage_types"] == [
        ["outbound", "Outbound"],
        ["inbound", "Inbound"],
        ["translation", "Translation"],
    ]
    assert chart["days"][-1] == {
        "start": "2026-11-23",
        "end": "2026-11-23",
        "label": "Mon 23 Nov 2026",
        "short": "23 Nov",
        "weekend": False,
        "calls": 2,
        "credits_used": 5,
        "by_type": {"outbound": 3, "inbound": 2, "translation": 0},
        "credits_added": 500,
        "credits_removed": 0,
        "billed_minutes": 2.5,
        "unfinished": True,
        "times_usual": None,
    }


@pytest.mark.parametrize(
    ("query", "granularity", "label", "short"),
    [
        ("from=2026-07-01&to=2026-11-23", "week", "29 Jun – 5 Jul 2026", "29 Jun"),
        ("from=2023-11-01&to=2026-11-23", "month", "November 2023", "Nov 2023"),
        ("from=2025-12-31&to=2026-01-02", "day", "Wed 31 Dec 2025", "31 Dec 2025"),
    ],
)
def test_bars_are_labelled_by_what_they_stand_for(
    visitor: Client, query: str, granularity: str, label: str, short: str
) -> None:
    chart = visitor.get(f"{USAGE}?{query}").context["chart"]
    first = chart["days"][0]
    assert chart["granularity"] == granularity
    if granularity == "week":  # the first week is cut by the period
        assert (first["label"], first["short"]) == ("1 Jul – 5 Jul 2026", "1 Jul")
    else:
        assert (first["label"], first["short"]) == (label, short)


def test_weekends_are_marked(visitor: Client) -> None:
    days = visitor.get(USAGE).context["chart"]["days"]
    assert [day["weekend"] for day in days] == [False] * 4 + [True, True, False]


# ── Changes ───────────────────────────────────────────────────────────────────────────────────
def test_changes_count_the_rows_booked_since(visitor: Client, account: Account) -> None:
    post(top_up(account, 100, NOW))
    seq = visitor.get(USAGE).context["usage"].last_seq
    post(call(account, "a", 3, NOW), call(account, "b", 4, NOW))
    assert visitor.get(f"{CHANGES}?since={seq}").json() == {"rows": 2, "balance": "93", "seq": 3}


def test_changes_count_only_what_the_page_would_show(visitor: Client, account: Account) -> None:
    post(
        call(account, "a", 1, NOW, usage_type="inbound"),
        call(account, "b", 1, NOW),
        call(account, "long ago", 1, NOW - timedelta(days=30), usage_type="inbound"),
    )
    found = visitor.get(f"{CHANGES}?since=0&usage_type=inbound").json()
    assert (found["rows"], found["seq"]) == (1, 3)


@pytest.mark.parametrize("since", ["", "x", "-1", "²", "9" * 40, "1%00"])
def test_without_a_readable_since_nothing_is_new(
    visitor: Client, account: Account, since: str
) -> None:
    post(call(account, "a", 1, NOW))
    assert visitor.get(f"{CHANGES}?since={quote(since, safe='%')}").json()["rows"] == 0


def test_changes_of_a_new_account_are_none(visitor: Client) -> None:
    assert visitor.get(f"{CHANGES}?since=0").json() == {"rows": 0, "balance": "0", "seq": 0}


def test_changes_are_not_kept_by_caches(visitor: Client) -> None:
    assert visitor.get(CHANGES)["Cache-Control"] == "no-store"


def test_the_answer_is_a_file_with_a_name(client: Client, member: User, account: Account) -> None:
    client.force_login(member)
    response = client.get("/a/acme/billing/usage/export.csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == (
        'attachment; filename="call-usage-acme-2026-11-17-to-2026-11-23.csv"'
    )
    assert response.streaming
    assert b"".join(response).startswith(b"\xef\xbb\xbf")


def test_a_period_without_calls_links_to_the_days_that_have_them(
    visitor: Client, account: Account
) -> None:
    post(call(account, "a", 1, NOW - timedelta(days=400)))
    page = visitor.get(USAGE).content.decode()
    assert "Your calls are from 19 Oct 2025 to 19 Oct 2025." in page
    link = "?period=custom&amp;from=2025-10-19&amp;to=2025-10-19"
    assert f'href="{link}"' in page
    there = visitor.get(USAGE + link.replace("&amp;", "&"))
    assert there.context["usage"].totals.total_calls == 1
    assert "Your calls are from" not in there.content.decode()


def test_where_the_calls_are_is_told_even_if_no_period_can_show_all_of_them(
    visitor: Client, account: Account
) -> None:
    post(
        call(account, "a", 1, NOW - timedelta(days=16 * 365)),
        call(account, "b", 1, NOW - timedelta(days=400)),
    )
    page = visitor.get(USAGE).content.decode()
    assert "Your calls are from 27 Nov 2010 to 19 Oct 2025." in page
    assert "?period=custom&amp;from=2015-10-20&amp;to=2025-10-19" in page
    assert "Show the latest of them" in page


# ── The calls of one import ───────────────────────────────────────────────────────────────────
@pytest.fixture
def imported(account: Account) -> FileImport:
    """An import with one call, beside a call of something else."""
    post(call(account, "of-a-source", 2, NOW))
    found = FileImport.objects.create(
        account=account, file_name="november.csv", created_at=NOW, moved_at=NOW
    )
    record_calls(records=[call(account, "of-the-import", 3, NOW)], now=NOW, import_id=found.pk)
    return found


def test_the_page_of_one_import_has_its_calls_alone_and_a_way_back(
    visitor: Client, imported: FileImport
) -> None:
    response = visitor.get(f"{USAGE}?import={imported.public_id}")
    page = response.content.decode()
    assert [row.call_id for row in response.context["usage"].rows] == ["of-the-import"]
    assert response.context["usage"].totals.credits_used == 3
    assert "Calls of one import." in page
    assert "november.csv" in page
    assert '<a class="button button-quiet" href="?">Show all calls</a>' in page
    assert response.context["filters"].narrowed_to == ["Import: november.csv"]


def test_the_forms_of_the_page_keep_the_import(visitor: Client, imported: FileImport) -> None:
    page = visitor.get(f"{USAGE}?import={imported.public_id}").content.decode()
    kept = f'<input type="hidden" name="import" value="{imported.public_id}">'
    assert page.count(kept) == 2


def test_the_file_of_one_import_has_its_calls_alone(visitor: Client, imported: FileImport) -> None:
    response = visitor.get(f"{USAGE}export.csv?import={imported.public_id}")
    text = response.getvalue().decode()
    assert "of-the-import" in text
    assert "of-a-source" not in text


def test_an_import_that_is_not_there_is_said_and_all_calls_are_shown(
    visitor: Client, imported: FileImport
) -> None:
    imported.delete()
    for asked in (imported.public_id, "nonsense"):
        response = visitor.get(f"{USAGE}?import={asked}")
        assert "This import does not exist" in response.content.decode()
        assert response.context["usage"].totals.total_calls == 2


def test_an_import_of_another_account_is_not_there(
    visitor: Client, imported: FileImport, other_account: Account
) -> None:
    FileImport.objects.filter(pk=imported.pk).update(account=other_account)
    response = visitor.get(f"{USAGE}?import={imported.public_id}")
    assert "This import does not exist" in response.content.decode()
    assert "november.csv" not in response.content.decode()


def test_agents_stand_in_place_of_the_log_sorted_and_as_a_file(
    visitor: Client, account: Account
) -> None:
    post(
        *(
            call(account, f"c{n}", 1 + n, NOW - timedelta(hours=n), agent=f"=Agent {n:02}")
            for n in range(12)
        )
    )
    page = visitor.get("/a/acme/billing/usage/?view=agents").text
    table = page.partition('id="log"')[2].partition("</table>")[0]
    assert table.index("=Agent 11<") < table.index("=Agent 02<")
    assert "=Agent 01<" not in table
    second = visitor.get("/a/acme/billing/usage/?view=agents&page=2&sort=agent").text
    assert "Agents 11 to 12 of 12" in second
    beyond = visitor.get("/a/acme/billing/usage/?view=agents&page=9")
    assert beyond.headers["Location"].endswith("page=2")
    file = visitor.get("/a/acme/billing/usage/export.csv?view=agents&sort=calls")
    lines = file.content.decode("utf-8-sig").splitlines()
    assert lines[0] == "Agent,Calls,Minutes,Credits Used,Credits a Call,Trend,Share"
    assert lines[1].startswith("'=Agent 00,1,")
    assert len(lines) == 13


def test_calls_without_an_agent_are_filtered_like_those_of_any_other(
    visitor: Client, account: Account
) -> None:
    post(
        top_up(account, 90, NOW),
        call(account, "unnamed", 1, NOW),
        *(call(account, name, 1, NOW, agent=name) for name in ("none", "No agent named")),
    )
    table = visitor.get(f"{USAGE}?view=agents&sort=agent").text
    link = re.search(r'href="(\?agent=[^"]+)"[^>]*>No agent named</a>', table)
    assert link is not None
    page = visitor.get(f"{USAGE}{link[1]}")
    assert [row.call_id for row in page.context["usage"].rows] == ["unnamed"]
    assert "Filters: No agent named</button>" in page.text
    assert '<option value=" none" selected>No agent named</option>' in page.text
    assert '<input type="hidden" name="agent" value=" none">' in page.text
    file = visitor.get(f"{USAGE}export.csv{link[1]}").getvalue().decode("utf-8-sig")
    assert [row["Call ID"] for row in csv.DictReader(StringIO(file))] == ["unnamed"]
    named = visitor.get(f"{USAGE}?agent=+No+agent+named")
    assert [row.call_id for row in named.context["usage"].rows] == ["No agent named"]


def test_whoever_has_more_agents_than_the_menu_lists_is_told_where_the_others_are(
    visitor: Client, account: Account
) -> None:
    names = [f"Agent {number:03}" for number in range(501)]
    post(*(call(account, name, 1, NOW, agent=name) for name in names))
    page = visitor.get(f"{USAGE}?agent=Agent+500").text
    assert '<option value="Agent 500" selected>Agent 500</option>' in page
    assert "<option disabled>For more agents, use “Show by agent”</option>" in page
    last = visitor.get(f"{USAGE}?view=agents&sort=agent&page=51").text
    assert "Agents 501 to 501 of 501" in last
    assert 'href="?agent=Agent+500"' in last


def test_paging_keeps_to_the_state_that_it_began_with(visitor: Client, account: Account) -> None:
    post(*(call(account, f"c{n:02}", 1, NOW - timedelta(hours=n)) for n in range(25)))
    page = visitor.get("/a/acme/billing/usage/").text
    link = re.search(r'id="page-next" rel="next" href="([^"]+)"', page)
    assert link is not None
    following = "/a/acme/billing/usage/" + link[1].replace("&amp;", "&")
    post(*(call(account, f"new{n}", 1, NOW) for n in range(3)))
    second = visitor.get(following).text
    assert "11–20 of 25" in second
    assert "3 new rows – show" in second
    assert "c10" in second
    download = re.search(r'href="([^"]+export.csv[^"]+)"', page)
    assert download is not None
    file = visitor.get(download[1].replace("&amp;", "&"))
    assert len(file.getvalue().decode().splitlines()) == 1 + 25  # as the link said
    assert "11–20 of 28" in visitor.get("/a/acme/billing/usage/?page=2").text


@pytest.mark.parametrize(
    "as_of", ["", "x", "-1", "99999999999-1", "1-99999999999", "1" * 5000, "٣-٣"]
)
def test_a_state_that_never_was_is_the_newest(
    visitor: Client, account: Account, as_of: str
) -> None:
    post(call(account, "c", 1, NOW))
    page = visitor.get("/a/acme/billing/usage/", {"as_of": as_of})
    assert page.status_code == 200
    assert "1–1 of 1" in page.text


def test_an_account_without_calls_says_how_calls_get_here_to_those_who_may_bring_them(
    client: Client, account: Account, admin: User, member: User
) -> None:
    client.force_login(admin)
    page = client.get(USAGE).text
    main = page.partition("No calls yet")[2].partition('<h2 id="next-steps"')[0]
    assert 'href="/a/acme/calls/sources/">Connect a source<' in main
    assert 'href="/a/acme/calls/imports/new/">Import calls<' in main
    client.force_login(member)
    page = client.get(USAGE).text
    assert "No calls yet" in page
    assert "Connect a source" not in page


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("period=last_7_days", "so far ▼down 50 % on 10–16 November 2026"),
        ("period=custom&from=2026-11-16&to=2026-11-22", "▼down 50 % on 9–15 November 2026"),
    ],
)
def test_a_comparison_says_when_the_period_is_not_over(
    visitor: Client, account: Account, query: str, said: str
) -> None:
    post(
        call(account, "now", 1, NOW - timedelta(days=1)),
        *(call(account, f"before-{number}", 1, NOW - timedelta(days=9)) for number in range(2)),
    )
    tiles = re.sub(r"<[^>]+>", "", visitor.get(f"{USAGE}?{query}").content.decode())
    assert tiles.count(said) == 2
    assert ("so far" in tiles) is said.startswith("so far")
