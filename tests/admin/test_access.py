"""Who gets into the admin."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.factories import PASSWORD


def test_staff_see_the_admin(client: Client, operator: User) -> None:
    client.force_login(operator)
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize("persona", ["owner", "admin", "member", "outsider"])
def test_customers_are_sent_to_the_staff_sign_in(
    client: Client, persona: str, request: pytest.FixtureRequest
) -> None:
    client.force_login(request.getfixturevalue(persona))
    response = client.get("/admin/")
    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


def test_an_operator_signs_in_by_e_mail_and_password(client: Client, operator: User) -> None:
    client.post("/accounts/login/", {"login": operator.email, "password": PASSWORD})
    assert client.get("/admin/").status_code == 200
