"""Who switches which mails on and off, and when an account is warned."""

import pytest
from django.urls import reverse

from billing.models import CreditThreshold, CreditWatch, Membership
from billing.notices import warnings
from billing.notices.levels import CreditState, credit_state, level_of, low_level
from tests.dashboard.conftest import NOW, call, post, top_up
from tests.dashboard.top_up.test_top_up import words

pytestmark = pytest.mark.usefixtures("now")

PAGE = "/a/acme/settings/notifications/"


@pytest.fixture
def owners(client, owner):
    client.force_login(owner)
    return client


def kept(account):
    return {
        (threshold.percent_of_plan, threshold.credits)
        for threshold in CreditThreshold.objects.filter(account=account)
    }


def add(client, number, unit):
    return client.post(PAGE, {"form": "add", "number": number, "unit": unit})


# ── Mails ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("role", ["owner", "admin", "member"])
def test_everyone_switches_the_mails_for_themselves(client, request, role, outsider):
    person = request.getfixturevalue(role)
    client.force_login(person)
    client.post(PAGE, {"form": "mails"})
    assert Membership.objects.get(user=person).wants_credit_mails is False
    assert Membership.objects.get(user=outsider).wants_credit_mails is True
    client.post(PAGE, {"form": "mails", "wants_credit_mails": "on"})
    assert Membership.objects.get(user=person).wants_credit_mails is True


def test_what_was_saved_is_said(owners):
    response = owners.post(PAGE, {"form": "mails"}, follow=True)
    assert "Mails about credits are off." in words(response)


def test_who_gets_none_by_their_role_is_told_so(client, member):
    client.force_login(member)
    assert "You are Member, so you get none now" in words(client.get(PAGE))


def test_every_page_leads_to_the_preferences(client, member):
    client.force_login(member)
    assert f'href="{PAGE}"' in client.get(reverse("dashboard:home", args=["acme"])).content.decode()


# ── Warnings ──────────────────────────────────────────────────────────────────────────────────
def test_an_account_begins_with_a_fifth_of_the_plan_and_nothing_left(owners, professional):
    text = words(owners.get(PAGE))
    assert "Below 20 % of the plan’s credits now 299 credits or fewer" in text
    assert "No credits left" in text


def test_a_share_is_added(owners, account):
    add(owners, "50", "percent")
    assert kept(account) == {(20, None), (50, None), (None, 0)}


def test_a_number_is_added(owners, account):
    add(owners, "250", "credits")
    assert kept(account) == {(20, None), (None, 250), (None, 0)}


def test_one_is_removed(owners, account):
    owners.post(PAGE, {"form": "remove", "percent": "20", "credits": ""})
    assert kept(account) == {(None, 0)}


def test_removing_all_leaves_none(owners, account):
    owners.post(PAGE, {"form": "remove", "percent": "20", "credits": ""})
    owners.post(PAGE, {"form": "remove", "percent": "", "credits": "0"})
    assert "None: no mail is sent" in words(owners.get(PAGE))
    warnings.watch(account=account, now=NOW) if account.entries.exists() else None
    assert kept(account) == set()


@pytest.mark.parametrize("sent", [{"percent": "7"}, {"percent": "x", "credits": "y"}, {}])
def test_removing_what_is_not_there_changes_nothing(owners, account, sent):
    owners.post(PAGE, {"form": "remove", **sent})
    assert kept(account) == {(20, None), (None, 0)}


@pytest.mark.parametrize(
    ("number", "unit", "message"),
    [
        ("", "credits", "Enter a number."),
        ("x", "credits", "Enter a whole number."),
        ("1.5", "credits", "Enter a whole number."),
        ("-1", "credits", "greater than or equal to 0"),
        ("10000001", "credits", "less than or equal to 10000000"),
        ("0", "percent", "Enter a share from 1 to 100 %."),
        ("101", "percent", "Enter a share from 1 to 100 %."),
        ("20", "percent", "You are warned at this one already."),
        ("5", "months", "not one of the available choices"),
    ],
)
def test_what_is_no_threshold_is_said_beside_the_field(owners, account, number, unit, message):
    response = add(owners, number, unit)
    assert response.status_code == 422
    assert message in words(response)
    assert kept(account) <= {(20, None), (None, 0)}


def test_ten_warnings_are_enough(owners, account):
    for number in range(1, 9):
        add(owners, str(number), "credits")
    response = add(owners, "9", "credits")
    assert "10 are enough. Remove one first." in words(response)
    assert len(kept(account)) == 10


def test_another_accounts_warnings_stay_as_they_are(owners, other_account):
    add(owners, "250", "credits")
    assert kept(other_account) == set()


def test_a_warning_that_is_added_above_the_balance_is_due_at_once(
    owners, account, owner, professional
):
    post(call(account, "a", 1_000, NOW))
    assert warnings.watch(account=account, now=NOW) == []
    add(owners, "500", "credits")
    assert account.pk in warnings.to_watch(now=NOW)
    assert len(warnings.watch(account=account, now=NOW)) == 1


def test_editing_hides_no_warning_that_nobody_has_looked_for(owners, account, owner, professional):
    post(call(account, "a", 1_400, NOW))
    add(owners, "50", "credits")
    assert len(warnings.watch(account=account, now=NOW)) == 1


def test_the_page_says_that_mails_are_limited_a_day(owners, settings):
    settings.MAILS_PER_DAY_MAX = 3
    text = words(owners.get(reverse("dashboard:notifications", args=["acme"])))
    assert "At most 3 mails within 24 hours" in text


# ── The banner follows the highest one ────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("credits", "low_at", "state"),
    [
        (-1, None, CreditState.NEGATIVE),
        (0, None, CreditState.ZERO),
        (1, None, CreditState.OK),
        (300, 299, CreditState.OK),
        (299, 299, CreditState.LOW),
    ],
)
def test_the_state_of_a_balance(credits, low_at, state):
    assert credit_state(credits=credits, low_at=low_at) == state


@pytest.mark.parametrize(
    ("percent", "credits", "per_cycle", "level"),
    [
        (20, None, 1_500, 299),
        (20, None, 7, 1),
        (100, None, 100, 99),
        (20, None, 0, None),
        (20, None, None, None),
        (None, 250, 1_500, 250),
        (None, 0, None, 0),
    ],
)
def test_the_level_of_a_threshold(percent, credits, per_cycle, level):
    threshold = CreditThreshold(percent_of_plan=percent, credits=credits)
    assert level_of(threshold, credits_per_cycle=per_cycle) == level


def test_the_highest_level_counts():
    thresholds = [CreditThreshold(credits=250), CreditThreshold(percent_of_plan=10)]
    assert low_level(thresholds, credits_per_cycle=1_500) == 250
    assert low_level(thresholds, credits_per_cycle=5_000) == 499
    assert low_level([], credits_per_cycle=5_000) is None


def test_the_banner_follows_the_highest_warning(owners, account, professional):
    post(call(account, "a", 1_000, NOW))
    home = reverse("dashboard:home", args=["acme"])
    assert owners.get(home).context["frame"].credit_state == CreditState.OK
    add(owners, "500", "credits")
    assert owners.get(home).context["frame"].credit_state == CreditState.LOW
    assert "Credits are running low." in words(owners.get(home))


def test_without_warnings_only_used_up_is_said(owners, account, professional):
    CreditWatch.objects.create(account=account)
    post(call(account, "a", 1_499, NOW))
    home = reverse("dashboard:home", args=["acme"])
    assert owners.get(home).context["frame"].credit_state == CreditState.OK
    post(call(account, "b", 1, NOW))
    assert owners.get(home).context["frame"].credit_state == CreditState.ZERO


def test_the_thresholds_cost_no_query_of_their_own(owners, account, django_assert_num_queries):
    post(top_up(account, 100, NOW))
    owners.get(PAGE)
    with django_assert_num_queries(4):
        owners.get(reverse("dashboard:troubleshooting", args=["acme"]))
    add(owners, "5", "credits")
    with django_assert_num_queries(4):
        owners.get(reverse("dashboard:troubleshooting", args=["acme"]))
