"""Imports of all accounts, as operators see them."""

from django.test import Client
from django.urls import reverse

from billing.models import Account
from tests.dashboard.imports.conftest import imported, own_csv

LIST = reverse("admin:calls_fileimport_changelist")


def test_operators_see_the_imports_of_all_accounts(staff: Client, customer: Account) -> None:
    file_import = imported(customer, own_csv("c1"))
    page = staff.get(LIST).text
    assert "calls.csv" in page
    assert "Imported. 1 call recorded" in page
    own = reverse("dashboard:import_page", args=[customer.slug, file_import.public_id])
    assert f'href="{own}"' in page
    assert staff.get(own).status_code == 200


def test_an_import_is_only_read_in_the_admin(staff: Client, customer: Account) -> None:
    file_import = imported(customer, own_csv("c1"))
    address = reverse("admin:calls_fileimport_change", args=[file_import.pk])
    assert "1 call recorded" in staff.get(address).text
    assert staff.post(address, {"file_name": "x"}).status_code == 403
    assert staff.get(reverse("admin:calls_fileimport_add")).status_code == 403


def test_the_page_of_an_account_leads_to_its_imports(staff: Client, customer: Account) -> None:
    page = staff.get(reverse("admin:billing_account_change", args=[customer.pk])).text
    assert f'href="{reverse("dashboard:imports", args=[customer.slug])}"' in page
