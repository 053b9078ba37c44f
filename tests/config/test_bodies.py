"""What a request may bring along, and what is answered to one that brings something else."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("charset", ["latin-1", "utf-16", "utf-7", '"cp1252"', "no-such-thing"])
@pytest.mark.parametrize("kind", [FORM, "multipart/form-data; boundary=x"])
def test_a_form_in_another_character_set_is_refused_with_words(
    client: Client, kind: str, charset: str
) -> None:
    answer = client.generic("POST", "/accounts/login/", b"a=b", f"{kind}; charset={charset}")
    assert answer.status_code == 415
    assert "Forms are read as UTF-8 only." in answer.content.decode()


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"'])
def test_a_form_that_says_it_is_utf_8_is_read(client: Client, charset: str) -> None:
    answer = client.generic("POST", "/accounts/login/", b"a=b", f"{FORM}; charset={charset}")
    assert answer.status_code == 200


def test_a_form_that_is_too_large_is_refused_before_it_is_read(client: Client) -> None:
    answer = client.generic(
        "POST", "/accounts/login/", b"a=b", FORM, headers={"content-length": str(200_000_000)}
    )
    assert answer.status_code == 413
    assert "At most 1,048,576 bytes" in answer.content.decode()


def test_a_file_is_kept_nowhere_that_does_not_take_files(client: Client) -> None:
    file = SimpleUploadedFile("calls.csv", b"x" * 100_000)
    answer = client.post("/accounts/login/", {"login": "a@example.com", "file": file})
    assert answer.status_code == 200
    assert not answer.wsgi_request.FILES
