"""Who gets into the admin."""

import pytest
from django.contrib import admin
from django.test import Client

from billing.models import User
from dashboard.operations.permissions import StaffPermissions
from tests.factories import PASSWORD


def test_staff_see_the_admin(client: Client, operator: User) -> None:
    client.force_login(operator)
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize("persona", ["owner", "admin", "member", "outsider"])
def test_customers_are_told_that_these_pages_are_not_theirs(
    client: Client, persona: str, request: pytest.FixtureRequest
) -> None:
    user = request.getfixturevalue(persona)
    client.force_login(user)
    response = client.get("/admin/billing/account/", follow=True)
    assert response.status_code == 403
    assert "These pages are for operators" in response.content.decode()
    assert user.email in response.content.decode()


def test_an_operator_signs_in_by_e_mail_and_password(client: Client, operator: User) -> None:
    client.post("/accounts/login/", {"login": operator.email, "password": PASSWORD})
    assert client.get("/admin/").status_code == 200


def test_only_one_class_answers_who_may_do_what() -> None:
    for model_admin in admin.site._registry.values():
        pages = [type(model_admin), *model_admin.inlines]
        for each in pages:
            assert issubclass(each, StaffPermissions)
            ours = [base for base in each.__mro__ if base.__module__.startswith("dashboard")]
            answering = {
                base for base in ours for name in vars(base) if name.endswith("_permission")
            }
            assert answering == {StaffPermissions}
