"""Whom receipts name: the seller of the settings, and the company that a Superadmin enters."""

import pytest
from django.db import InternalError, transaction

from billing.models import Account, Activity, ActivityKind, Receipt
from tests.dashboard.top_up.test_top_up import words
from tests.dashboard.top_up.test_top_up_status import begin, paid

pytestmark = pytest.mark.usefixtures("now")

PAGE = "/a/acme/settings/company/"
COMPANY = {
    "company_name": " Acme  Voice Private Limited ",
    "company_address": "1 High Street\r\n\r\n 411001 Pune \r\nIndia",
    "tax_number": "27AAACA1234A1Z5",
}
NAMED = (
    "Buyer Acme Voice Private Limited 1 High Street 411001 Pune India "
    "Tax number 27AAACA1234A1Z5 Account Acme Voice"
)


@pytest.fixture
def payer(client, owner):
    client.force_login(owner)
    return client


@pytest.fixture(autouse=True)
def _seller(settings):
    settings.SELLER_NAME = "Call Credits Ltd"
    settings.SELLER_ADDRESS = "2 Market Square | 560001 Bengaluru"
    settings.SELLER_TAX_NUMBER = "29AAACC1234A1Z5"


def receipt_of(client, payment):
    return words(client.get(f"/a/acme/billing/top-ups/{payment.top_up.public_id}/receipt/"))


def test_a_receipt_names_seller_and_buyer(payer, account, owner):
    response = payer.post(PAGE, COMPANY, follow=True)
    assert "Receipts name the company like this from now on." in words(response)
    said = receipt_of(payer, paid(begin(account, owner)))
    assert (
        "Seller Call Credits Ltd 2 Market Square 560001 Bengaluru Tax number 29AAACC1234A1Z5"
    ) in said
    assert NAMED in said


def test_who_entered_no_company_is_named_as_the_account(payer, account, owner, settings):
    settings.SELLER_NAME = settings.SELLER_ADDRESS = settings.SELLER_TAX_NUMBER = ""
    said = receipt_of(payer, paid(begin(account, owner)))
    assert "Buyer Acme Voice Paid on" in said
    assert "Seller" not in said


def test_what_a_receipt_said_stays(payer, account, owner, settings):
    payer.post(PAGE, COMPANY)
    payment = paid(begin(account, owner))
    before = receipt_of(payer, payment)
    payer.post(PAGE, {"company_name": "Another", "company_address": "", "tax_number": ""})
    settings.SELLER_NAME = "Somebody else"
    assert receipt_of(payer, payment) == before


def test_the_database_lets_nobody_change_what_a_receipt_said(account, owner):
    receipts = Receipt.objects.filter(payment=paid(begin(account, owner)))
    with pytest.raises(InternalError, match="Cannot update or delete"), transaction.atomic():
        receipts.update(buyer_name="Forged")
    with pytest.raises(InternalError, match="Cannot update or delete"), transaction.atomic():
        receipts.delete()


def test_the_review_says_for_whom_the_receipt_will_be(payer, account):
    payer.post(PAGE, COMPANY)
    review = words(payer.get("/a/acme/billing/top-up/?choice=own&credits=500"))
    assert "Receipt for Acme Voice Private Limited 1 High Street" in review


def test_only_what_was_entered_is_stored_and_noted(payer, account):
    stale = Account.objects.get(pk=account.pk)
    Account.objects.filter(pk=account.pk).update(name="Acme Telephony")
    payer.post(PAGE, COMPANY)
    account.refresh_from_db()
    assert (account.name, stale.name) == ("Acme Telephony", "Acme Voice")
    noted = Activity.objects.get(kind=ActivityKind.ACCOUNT_CHANGED)
    assert [name for name, *_ in noted.changes] == list(COMPANY)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("company_name", "x" * 201, "at most 200 characters"),
        ("company_address", "line\n" * 9, "at most 8 lines"),
        ("company_address", "1 High\x07 Street", "control character"),
        ("tax_number", "12\n34", "control character or a line break"),
    ],
)
def test_what_no_receipt_can_show_is_refused_beside_its_field(payer, account, field, value, said):
    response = payer.post(PAGE, COMPANY | {field: value})
    assert response.status_code == 422
    assert said in response.context["form"].errors[field][0]
    account.refresh_from_db()
    assert account.company_name == ""
