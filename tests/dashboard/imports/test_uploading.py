"""Files on their way in: in parts, as a whole, too large, of somebody else."""

import hashlib
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from billing.models import Account, User
from calls.imports import uploads
from calls.models import FileImport, ImportState
from dashboard.imports import uploading
from tests.dashboard.imports.conftest import own_csv

NEW = "/a/acme/calls/imports/new/"
BEGIN = "/a/acme/calls/imports/begin/"


def begin(client: Client, size: int, name: str = "calls.csv") -> dict[str, Any]:
    response = client.post(BEGIN, {"name": name, "size": size})
    assert response.status_code == 201
    begun: dict[str, Any] = response.json()
    return begun


def put(client: Client, address: str, content: bytes, sha256: str | None = None) -> Any:
    return client.put(
        address,
        content,
        content_type="application/octet-stream",
        headers={
            "X-Part-SHA256": hashlib.sha256(content).hexdigest() if sha256 is None else sha256
        },
    )


def finish(client: Client, begun: dict[str, Any], parts: list[bytes], sha256: str = "") -> Any:
    told = {"parts": len(parts), "size": sum(map(len, parts)), "sha256": sha256}
    return client.post(begun["finish"], told)


def stored() -> FileImport:
    return FileImport.objects.get()


# ── In parts ──────────────────────────────────────────────────────────────────────────────────
def test_a_file_arrives_in_parts_in_any_order(manager: Client) -> None:
    parts = [b"a" * uploads.PART_BYTES, b"b" * 10]
    begun = begin(manager, sum(map(len, parts)))
    for number in (1, 0):
        assert put(manager, f"{begun['parts']}{number}/", parts[number]).status_code == 204
    hashes = [hashlib.sha256(part).hexdigest() for part in parts]
    assert finish(manager, begun, parts, uploads.hash_of_parts(hashes)).status_code == 204
    assert stored().state == ImportState.EXAMINING


def test_the_same_part_may_come_again(manager: Client) -> None:
    begun = begin(manager, 3)
    assert put(manager, f"{begun['parts']}0/", b"abc").status_code == 204
    assert put(manager, f"{begun['parts']}0/", b"abc").status_code == 204
    assert stored().parts.count() == 1


def test_an_upload_tells_which_parts_are_there(manager: Client) -> None:
    begun = begin(manager, uploads.PART_BYTES + 3)
    assert begun["have"] == {}
    put(manager, f"{begun['parts']}1/", b"abc")
    again = manager.get(begun["parts"])
    assert again.json() == {**begun, "have": {"1": hashlib.sha256(b"abc").hexdigest()}}
    assert again["Cache-Control"] == "no-store"


def test_a_part_that_arrives_damaged_is_refused(manager: Client) -> None:
    begun = begin(manager, 3)
    response = put(manager, f"{begun['parts']}0/", b"abc", hashlib.sha256(b"abd").hexdigest())
    assert response.status_code == 422
    assert "damaged" in response.json()["problem"]
    assert stored().parts.count() == 0


def test_a_browser_that_can_not_hash_uploads_all_the_same(manager: Client) -> None:
    begun = begin(manager, 3)
    assert put(manager, f"{begun['parts']}0/", b"abc", "").status_code == 204
    assert finish(manager, begun, [b"abc"]).status_code == 204
    assert stored().state == ImportState.EXAMINING


def test_a_part_that_is_too_large_is_refused_before_it_is_read(manager: Client) -> None:
    begun = begin(manager, uploads.PART_BYTES * 2)
    response = put(manager, f"{begun['parts']}0/", b"a" * (uploads.PART_BYTES + 1))
    assert response.status_code == 413
    assert stored().parts.count() == 0


def test_an_upload_does_not_end_before_all_parts_are_there(manager: Client) -> None:
    begun = begin(manager, uploads.PART_BYTES + 3)
    put(manager, f"{begun['parts']}1/", b"abc")
    response = manager.post(
        begun["finish"], {"parts": 2, "size": uploads.PART_BYTES + 3, "sha256": "0" * 64}
    )
    assert response.status_code == 422
    assert "did not arrive" in response.json()["problem"]
    assert stored().state == ImportState.UPLOADING


@pytest.mark.parametrize("size", ["", "-1", "0", "x", "1e3", "9" * 30])
def test_a_file_without_a_sensible_size_is_refused(manager: Client, size: str) -> None:
    response = manager.post(BEGIN, {"name": "calls.csv", "size": size})
    assert response.status_code == 422
    assert response.json()["problem"]
    assert not FileImport.objects.exists()


def test_a_file_that_is_too_large_is_refused_by_its_size(manager: Client, settings: Any) -> None:
    settings.IMPORT_BYTES_MAX = 100
    response = manager.post(BEGIN, {"name": "calls.csv", "size": 101})
    assert response.status_code == 422
    assert "larger" in response.json()["problem"]


def test_a_stopped_upload_leaves_nothing(manager: Client) -> None:
    begun = begin(manager, 3)
    put(manager, f"{begun['parts']}0/", b"abc")
    assert manager.post(begun["stop"]).status_code == 204
    assert stored().parts.count() == 0
    assert stored().file_deleted_at is not None


def test_an_upload_that_has_ended_does_not_go_on(manager: Client) -> None:
    begun = begin(manager, 3)
    put(manager, f"{begun['parts']}0/", b"abc")
    finish(manager, begun, [b"abc"])
    assert manager.get(begun["parts"]).status_code == 409


def test_parts_without_a_token_are_refused(customer: Account, admin: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin)
    assert client.post(BEGIN, {"name": "calls.csv", "size": 3}).status_code == 403
    file_import = uploads.begin(
        account=customer, by=admin, file_name="calls.csv", size=3, now=customer.created_at
    )
    address = reverse("dashboard:import_part", args=["acme", file_import.public_id, 0])
    assert put(client, address, b"abc").status_code == 403


@pytest.mark.parametrize("public_id", [uuid4()])
def test_no_parts_go_to_an_import_of_another_account(
    client: Client, outsider: User, customer: Account, public_id: UUID
) -> None:
    file_import = uploads.begin(
        account=customer, by=None, file_name="calls.csv", size=3, now=customer.created_at
    )
    client.force_login(outsider)
    for slug in ("acme", "other"):
        address = reverse("dashboard:import_part", args=[slug, file_import.public_id, 0])
        assert put(client, address, b"abc").status_code == 404


# ── As a whole, without JavaScript ────────────────────────────────────────────────────────────
def form(content: bytes, name: str = "calls.csv") -> dict[str, Any]:
    return {"file": SimpleUploadedFile(name, content, content_type="text/csv")}


def test_a_plain_form_takes_a_whole_file(manager: Client, admin: User) -> None:
    content = own_csv("c1")
    response = manager.post(NEW, form(content))
    assert response["Location"] == f"/a/acme/calls/imports/{stored().public_id}/"
    assert (stored().size, stored().started_by, stored().file_name) == (
        len(content),
        admin,
        "calls.csv",
    )


def test_a_file_from_a_form_never_touches_the_disk(
    manager: Client, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = "/nowhere"
    manager.post(NEW, form(own_csv("c1") + b"x" * 3_000_000))
    assert stored().size > 3_000_000


def test_a_form_that_is_too_large_is_refused_before_it_is_read(
    manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "FORM_BYTES_MAX", 1_000)
    response = manager.post(NEW, form(b"x" * (1_000 + uploading.FORM_REST_BYTES_MAX)))
    assert response.status_code == 413
    assert "Without JavaScript" in response.context["problem"]
    assert not FileImport.objects.exists()


def test_a_form_without_a_file_says_so_beside_it(manager: Client) -> None:
    response = manager.post(NEW)
    assert response.status_code == 422
    assert response.context["file_problem"] == uploading.NO_FILE


def test_an_empty_file_is_refused_beside_it(manager: Client) -> None:
    response = manager.post(NEW, form(b""))
    assert response.status_code == 422
    assert "empty" in response.context["file_problem"]
    assert not FileImport.objects.exists()


def test_a_form_without_a_token_is_refused_and_one_with_it_is_not(
    customer: Account, admin: User
) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin)
    assert client.post(NEW, form(own_csv("c1"))).status_code == 403
    client.get(NEW)
    token = client.cookies["csrftoken"].value
    response = client.post(NEW, {**form(own_csv("c1")), "csrfmiddlewaretoken": token})
    assert response.status_code == 302


def test_an_account_without_a_plan_is_told_what_to_do(
    client: Client, account: Account, owner: User
) -> None:
    client.force_login(owner)
    response = client.post(BEGIN, {"name": "calls.csv", "size": 3})
    assert response.status_code == 422
    assert "plan" in response.json()["problem"]
