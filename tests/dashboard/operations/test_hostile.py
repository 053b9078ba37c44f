"""Whatever is sent to an operator's page, the answer is a page with a sentence, never a 500."""

import json
import threading
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.messages import get_messages
from django.db import connection, connections, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import Account, Membership, PaymentEvent, Role, User
from dashboard.operations.hostile import MEANWHILE
from tests.dashboard.operations.conftest import call_of
from tests.factories import UserFactory

DIGITS = "9" * 5_000
HOSTILE = [
    *(DIGITS, f"-{DIGITS}", "9" * 19, "-1", "0", "1.5", "", " ", "x" * 3_000, "%", "'", '"', "\\"),
    *("\x00", "\ufeff", "٣", "None", "null", "[]", "{}", "2026-99-99", "9999-12-31", "[" * 900),
    *("a,b,c", "__", "pk", "../../etc/passwd", "<script>", "1e400", "NaN", "True", "\U0001f600"),
]
PARAMETERS = ["p", "o", "q", "all", "e", "_facets", "_popup", "_to_field", "_changelist_filters"]
LOOKUPS = ["id__exact", "pk__in", "id__isnull", "id__regex", "account__id__exact", "nothing", "__"]
MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.fixture
def page_of(staff: Client, customer: Account, owner: User) -> Client:
    """The browser of an operator who has something to look at."""
    call_of(customer, "call-1")
    return staff


def of(model: Any, page: str, *arguments: Any) -> str:
    options = model._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_{page}", args=arguments)


def filter_parameters(browser: Client, model: Any) -> set[str]:
    """What the filters of the list of ``model`` take from its address."""
    changes = browser.get(of(model, "changelist")).context["cl"]
    return {str(name) for spec in changes.filter_specs for name in spec.expected_parameters()}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_lists_answer_whatever_their_address_asks_for(page_of: Client, model: Any) -> None:
    own = sorted(filter_parameters(page_of, model))
    # Each parameter with each value takes minutes. A filter of ours gets each twelfth one, what all
    # lists have in common one, another one for each model.
    asked = [
        *((name, HOSTILE[number::12]) for number, name in enumerate(own)),
        *(
            (name, [HOSTILE[(number * 7 + MODELS.index(model)) % len(HOSTILE)]])
            for number, name in enumerate((*PARAMETERS, *LOOKUPS))
        ),
    ]
    for name, values in asked:
        for value in (DIGITS, "\x00", *values) if name in own else values:
            # What PostgreSQL refuses ends the transaction, which only a test has around requests.
            with transaction.atomic():
                answer = page_of.get(of(model, "changelist"), {name: value})
                transaction.set_rollback(True)
            assert answer.status_code in {200, 302, 400}, (name, value[:20])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
@pytest.mark.parametrize("page", ["change", "delete", "history"])
def test_pages_of_records_that_there_cannot_be(page_of: Client, model: Any, page: str) -> None:
    for value in filter(str.strip, HOSTILE[len(page) % 3 :: 3]):
        answer = page_of.get(of(model, page, value))
        # 200: "٣" is a 3.
        assert answer.status_code in {200, 302, 400, 403, 404}, value[:20]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_forms_that_an_address_fills_with_nonsense(page_of: Client, model: Any) -> None:
    fields = [field.name for field in model._meta.fields]
    form = [*fields, "plan", "owner", "starts_at", "memberships-INITIAL_FORMS"]
    for value in (DIGITS, "\x00", "x" * 3_000, "9" * 19):
        asked = dict.fromkeys(form, value)
        assert page_of.get(of(model, "add"), asked).status_code in {200, 302, 400, 403}
        assert page_of.post(of(model, "add"), asked).status_code in {200, 302, 400, 403}


def test_an_explained_address_says_so_in_a_sentence(page_of: Client) -> None:
    address = of(Account, "changelist")
    answer = page_of.get(address, {"plan": DIGITS})
    assert answer["Location"] == address
    (said,) = get_messages(answer.wsgi_request)
    assert "asks for something that there can’t be" in str(said)


def test_a_fault_of_our_own_is_not_explained_away(
    page_of: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise ValueError("a fault of ours")

    monkeypatch.setattr(admin.site._registry[Account], "get_list_display", fails)
    with pytest.raises(ValueError, match="a fault of ours"):
        page_of.get(of(Account, "changelist"))


# ── Pages older than what they show ───────────────────────────────────────────────────────────
def members_form(account: Account, *memberships: Membership, **changes: Any) -> dict[str, Any]:
    form = {
        "name": account.name,
        "slug": account.slug,
        "time_zone": account.time_zone,
        "currency": account.currency,
        "memberships-TOTAL_FORMS": len(memberships),
        "memberships-INITIAL_FORMS": len(memberships),
    }
    for number, one in enumerate(memberships):
        form |= {
            f"memberships-{number}-id": one.pk,
            f"memberships-{number}-account": account.pk,
            f"memberships-{number}-user": one.user_id,
            f"memberships-{number}-role": one.role,
        }
    return form | changes


def test_a_member_deleted_twice_from_a_stale_page(
    page_of: Client, account: Account, owner: User
) -> None:
    other = Membership.objects.create(account=account, user=UserFactory(), role=Role.MEMBER)
    form = members_form(account, owner.memberships.get(), other, **{"memberships-1-DELETE": "on"})
    page_of.post(of(Account, "change", account.pk), form)
    assert not Membership.objects.filter(pk=other.pk).exists()
    page = page_of.post(of(Account, "change", account.pk), form, follow=True)
    assert MEANWHILE in page.content.decode()


@pytest.mark.parametrize("count", [DIGITS, "-1", "x", "999"])
def test_a_count_of_rows_that_there_are_not(
    page_of: Client, account: Account, owner: User, count: str
) -> None:
    form = members_form(account, owner.memberships.get())
    form["memberships-INITIAL_FORMS"] = form["memberships-TOTAL_FORMS"] = count
    answer = page_of.post(of(Account, "change", account.pk), form)
    assert answer.status_code in {200, 302}
    assert owner.memberships.count() == 1


@pytest.mark.django_db(transaction=True)
def test_four_saves_of_the_same_person_at_once(operator: User, default_plans: None) -> None:
    account = Account.objects.create(name="Acme", slug="acme")
    person = UserFactory()
    form = {
        "email": person.email,
        "first_name": "Asha",
        "is_active": "on",
        "memberships-TOTAL_FORMS": 1,
        "memberships-INITIAL_FORMS": 0,
        "memberships-0-account": account.pk,
        "memberships-0-role": "superadmin",
    }
    browsers = [Client() for _ in range(4)]
    for browser in browsers:
        browser.force_login(operator)
    start, answers = threading.Barrier(len(browsers)), []

    def save(number: int, browser: Client) -> None:
        start.wait()
        sent = {**form, "email": f"moved{number}@example.com"}
        answers.append(browser.post(of(User, "change", person.pk), sent).status_code)
        connections.close_all()

    threads = [threading.Thread(target=save, args=one) for one in enumerate(browsers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {200, 302}
    assert len(answers) == len(browsers)
    assert person.memberships.count() == 1


# ── Documents ─────────────────────────────────────────────────────────────────────────────────
def test_an_event_nested_900_deep_is_shown(staff: Client) -> None:
    event = PaymentEvent.objects.create(
        gateway="sandbox", event_id="deep", event_type="x", payload={}, received_at=timezone.now()
    )
    document = f'{{"deep": {"[" * 900}{"]" * 900}}}'
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE billing_paymentevent SET payload = %s WHERE id = %s", [document, event.pk]
        )
    assert staff.get(of(PaymentEvent, "changelist")).status_code == 200
    page = staff.get(of(PaymentEvent, "change", event.pk)).content.decode()
    assert "too long to be shown" in page


def test_an_event_is_shown_as_it_came(staff: Client) -> None:
    payload = {"id": "evt_1", "amount": 5}
    event = PaymentEvent.objects.create(
        gateway="sandbox", event_id="1", event_type="x", payload=payload, received_at=timezone.now()
    )
    page = staff.get(of(PaymentEvent, "change", event.pk))
    assert json.dumps("evt_1").replace('"', "&quot;") in page.content.decode()
