"""Files on their way in: parts in any order, twice or missing; limits; and deleting them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from billing.refusals import Refusal
from calls.imports import parts, selectors, steps, uploads
from calls.models import FileImport, ImportPart, ImportState, StagedLine
from tests.calls.importing import GOOD, lines
from tests.calls.imports.engine import digest, done, parts_of, ready, tried, uploaded, worked

pytestmark = pytest.mark.django_db

CONTENT = bytes(range(256)) * 5_000  # 1.28 MB: three parts


@pytest.fixture
def upload(professional):
    return uploads.begin(
        account=professional, by=None, file_name="a.csv", size=len(CONTENT), now=timezone.now()
    )


def send(upload, number, content=None, sha256=None):
    content = parts_of(CONTENT)[number] if content is None else content
    uploads.add_part(
        file_import=upload,
        number=number,
        content=content,
        sha256=sha256 or digest(content),
        now=timezone.now(),
    )


def finish(upload, **more):
    facts = {
        "parts": len(parts_of(CONTENT)),
        "size": len(CONTENT),
        "sha256": uploads.hash_of_parts(map(digest, parts_of(CONTENT))),
        **more,
    }
    return uploads.finish(file_import=upload, now=timezone.now(), **facts)


def test_parts_in_any_order_make_the_file(upload):
    for number in (2, 0, 1):
        send(upload, number)
    assert finish(upload).state == ImportState.EXAMINING
    with parts.opened(upload) as file:
        assert file.read() == CONTENT


def test_the_same_part_again_is_fine(upload):
    send(upload, 1)
    send(upload, 1)
    assert upload.parts.count() == 1


def test_a_part_with_other_content_is_refused_by_its_number(upload):
    send(upload, 0)
    with pytest.raises(Refusal, match="Part 0 came before with other content") as refusal:
        send(upload, 0, content=parts_of(CONTENT)[0][::-1])
    assert refusal.value.field == "number"


def test_missing_parts_are_named_so_that_they_can_be_sent_again(upload):
    send(upload, 1)
    with pytest.raises(uploads.MissingPartsError, match=r"2 parts .* \(0, 2\)") as refusal:
        finish(upload)
    assert refusal.value.missing == (0, 2)
    send(upload, 0)
    send(upload, 2)
    assert finish(upload).state == ImportState.EXAMINING


def test_a_part_that_was_damaged_on_its_way_is_refused(upload):
    with pytest.raises(Refusal, match="Part 0 arrived damaged"):
        send(upload, 0, sha256=digest(b"else"))
    assert not upload.parts.exists()


@pytest.mark.parametrize("number", [-1, 3])
def test_a_part_that_there_is_not_is_refused(upload, number):
    with pytest.raises(Refusal, match="numbered from 0 to 2") as refusal:
        send(upload, number, content=b"x")
    assert refusal.value.field == "number"


@pytest.mark.parametrize(("number", "content"), [(0, b"x"), (2, parts_of(CONTENT)[0])])
def test_a_part_of_another_length_is_refused(upload, number, content):
    with pytest.raises(Refusal, match="it must have") as refusal:
        send(upload, number, content=content)
    assert refusal.value.field == "content"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"size": 1}, "size"), ({"parts": 2}, "parts"), ({"sha256": "0" * 64}, "sha256")],
)
def test_a_file_that_is_not_what_was_sent_is_refused(upload, wrong, field):
    for number in range(3):
        send(upload, number)
    with pytest.raises(Refusal) as refusal:
        finish(upload, **wrong)
    assert refusal.value.field == field


def test_an_upload_that_ends_twice_is_examined_once(upload):
    for number in range(3):
        send(upload, number)
    first, again = finish(upload), finish(upload)
    assert again.ticket == first.ticket


def test_after_its_end_no_part_is_taken(upload):
    for number in range(3):
        send(upload, number)
    finish(upload)
    with pytest.raises(Refusal, match="can’t take another part"):
        send(upload, 0)


@pytest.mark.parametrize("size", [0, -1])
def test_an_empty_file_is_refused(professional, size):
    with pytest.raises(Refusal, match="The file is empty") as refusal:
        uploads.begin(account=professional, by=None, file_name="a", size=size, now=timezone.now())
    assert refusal.value.field == "size"


def test_an_empty_file_of_a_plain_form_is_refused_and_leaves_nothing(professional):
    with pytest.raises(Refusal, match="The file is empty"):
        uploaded(professional, b"")
    assert not FileImport.objects.exists()


def test_a_file_over_the_limit_is_refused_before_it_is_sent(professional, settings):
    settings.IMPORT_BYTES_MAX = 1024 * 1024
    with pytest.raises(Refusal, match=r"larger than 1\.0 MB") as refusal:
        uploads.begin(
            account=professional, by=None, file_name="a", size=1024**2 + 1, now=timezone.now()
        )
    assert refusal.value.field == "size"


def test_a_plain_form_over_the_limit_is_refused_and_leaves_nothing(professional, settings):
    settings.IMPORT_BYTES_MAX = 10
    with pytest.raises(Refusal, match="larger than"):
        uploaded(professional, b"x" * 11)
    assert not ImportPart.objects.exists()


def test_a_file_without_a_name_is_refused(professional):
    with pytest.raises(Refusal) as refusal:
        uploads.begin(account=professional, by=None, file_name=" ", size=1, now=timezone.now())
    assert refusal.value.field == "file_name"


def test_an_account_without_a_plan_is_told_before_it_sends_anything(account):
    with pytest.raises(Refusal, match="Acme Voice can’t be charged: the account has no plan"):
        uploads.begin(account=account, by=None, file_name="a", size=1, now=timezone.now())


def test_an_account_may_have_so_many_imports_open_and_no_more(professional, base, settings):
    settings.IMPORTS_OPEN_MAX = 2
    first = ready(professional, lines(GOOD.format("c1", 10)))
    ready(professional, lines(GOOD.format("c1", 10)))
    assert selectors.open_imports_left(professional) == 0
    with pytest.raises(Refusal, match="2 imports are open already"):
        uploaded(professional, b"x")
    uploaded(base, b"x")
    uploads.delete_file(file_import=first, now=timezone.now())
    uploaded(professional, b"x")


def test_what_is_done_is_no_longer_open(professional, settings):
    settings.IMPORTS_OPEN_MAX = 1
    done(professional, lines(GOOD.format("c1", 10)))
    assert selectors.open_imports_left(professional) == 1


def test_a_file_that_was_refused_is_no_longer_open(professional, settings):
    settings.IMPORTS_OPEN_MAX = 1
    refused = worked(uploaded(professional, "Nothing but words here.\n" * 3, name="a.json"))
    assert refused.state == ImportState.REFUSED
    assert selectors.open_imports_left(professional) == 1


@pytest.mark.parametrize(
    ("some", "left"), [(["x", "y"], 1), (["x", GOOD.format("c1", 10)], 0)], ids=["none", "one"]
)
def test_a_file_of_which_nothing_would_be_recorded_takes_no_place(
    professional, settings, some, left
):
    settings.IMPORTS_OPEN_MAX = 1
    tried(professional, lines(*some))
    assert selectors.open_imports_left(professional) == left


def test_deleting_a_file_leaves_the_outcome_and_nothing_of_its_lines(professional):
    found = done(professional, lines(GOOD.format("c1", 10), "x"))
    assert found.rejects.count() == 1
    uploads.delete_file(file_import=found, now=timezone.now())
    found.refresh_from_db()
    assert (found.parts.count(), found.rejects.count()) == (0, 0)
    assert selectors.summary_of(found).rejected == 1
    assert found.state == ImportState.DONE


def test_a_part_that_was_under_way_when_its_upload_was_stopped_is_refused(upload):
    for number in (0, 1):
        send(upload, number)
    uploads.delete_file(file_import=upload, now=timezone.now())
    with pytest.raises(Refusal, match="was stopped"):
        send(upload, 2)
    with pytest.raises(Refusal, match="was stopped"):
        finish(upload)
    assert upload.parts.count() == 0


def test_a_deleted_file_cannot_be_imported(professional):
    found = tried(professional, lines(GOOD.format("c1", 10)))
    assert StagedLine.objects.exists()
    uploads.delete_file(file_import=found, now=timezone.now())
    assert not StagedLine.objects.exists()
    with pytest.raises(Refusal, match="The file has been deleted"):
        steps.start(file_import=found, by=None, now=timezone.now())


def test_the_file_of_an_import_that_is_moving_is_not_deleted(professional):
    found = uploaded(professional, lines(GOOD.format("c1", 10)))
    with pytest.raises(Refusal, match="Stop it first"):
        uploads.delete_file(file_import=found, now=timezone.now())


@pytest.mark.parametrize(("days", "kept"), [(29, True), (30, False)])
def test_a_file_is_kept_for_30_days(professional, days, kept):
    found = done(professional, lines(GOOD.format("c1", 10)))
    uploads.delete_old_files(now=found.created_at + timedelta(days=days, seconds=1))
    assert found.parts.exists() is kept


@pytest.mark.parametrize(("hours", "kept"), [(23, True), (24, False)])
def test_an_upload_without_a_new_part_for_a_day_is_abandoned(upload, hours, kept):
    send(upload, 0)
    uploads.delete_old_files(now=timezone.now() + timedelta(hours=hours, seconds=1))
    assert FileImport.objects.exists() is kept


def test_a_part_is_read_from_wherever_it_is_sought(upload):
    for number in range(3):
        send(upload, number)
    with parts.opened(upload) as file:
        for at in (700_000, 3, len(CONTENT) - 5):
            file.seek(at)
            assert file.read(300) == CONTENT[at : at + 300]
        assert file.seek(0, 2) == len(CONTENT)
