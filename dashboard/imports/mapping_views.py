"""The page on which somebody says which column of a file is what, and keeps that for later."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import UUID

from django.db import transaction
from django.forms import BoundField
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header

from billing import clock
from billing.models import User
from billing.refusals import Refusal
from billing.zones import place_names
from calls.imports import adjusting, previewing, profiles, readings
from calls.imports.open_questions import require_answers
from calls.imports.readings import MAPPED, Reading
from calls.models import FileImport, MappingProfile
from calls.sources.mapped.profile import Profile
from dashboard.access import AccountRequest, account_page
from dashboard.imports.examined import columns_of
from dashboard.imports.mapping import MappingForm
from dashboard.imports.sample import Sample, sample_of
from dashboard.imports.stages import stages_at
from dashboard.imports.uploading import find
from dashboard.pages import wants_part

PROFILE_BYTES_MAX = 256 * 1024
ROWS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row of the form with its fields as the page renders them."""

    name: str
    title: str
    about: str
    fields: list[BoundField]
    has_words: bool
    words: list[tuple[str, BoundField]]
    more: list[BoundField]
    more_title: str
    is_more_open: bool
    depends: bool
    errors: list[str]


MORE_TITLES: Mapping[str, str] = {
    "call_id": "Make it of several columns",
    "ignore": "Choose columns",
}


def _map(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Do what the pressed button says; where the file can't be cut, its page says why."""
    file_import = find(request, public_id)
    try:
        return _mapped(request, file_import, request.POST.get("do", "show"))
    except Refusal:
        return redirect("dashboard:import_page", request.account.slug, public_id)


def _mapped(request: AccountRequest, file_import: FileImport, do: str) -> HttpResponse:
    """Show what comes of the form that was sent, or use it."""
    if do in ("saved", "forget"):
        return _with_saved(request, file_import, do)
    if do == "upload":
        return _with_uploaded(request, file_import)
    reading = _reading_of(file_import)
    form = _form(file_import, reading, request.POST)
    if do != "use" or not form.is_valid():
        status = 422 if do == "use" else 200
        return _show(request, file_import, reading, form, status=status)
    name = request.POST.get("profile-name", "").strip()
    try:
        now = clock.now()
        mapped = adjusting.map_columns(file_import=file_import, profile=form.profile, now=now)
        if name:
            require_answers(mapped)  # or a guess would be kept as if somebody had said it
            profiles.save(
                account=request.account,
                name=name,
                profile=form.profile.as_json(),
                columns=reading.layout.columns or form.columns.names,
                zone=reading.zone,
                by=cast(User, request.user),
                now=clock.now(),
            )
    except Refusal as refusal:
        return _show(request, file_import, reading, form, problem=refusal.message, status=409)
    return redirect("dashboard:import_page", request.account.slug, file_import.public_id)


@account_page(manages=True, action=_map)
def import_mapping(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Ask which column is what, beginning with what was found out."""
    file_import = find(request, public_id)
    if file_import.file_deleted_at is not None or not file_import.examined:
        return redirect("dashboard:import_page", request.account.slug, public_id)
    reading = _reading_of(file_import)
    try:
        form = _form(file_import, reading, None)
    except Refusal:
        return redirect("dashboard:import_page", request.account.slug, public_id)
    return _show(request, file_import, reading, form)


import_mapping.takes_files = True  # type: ignore[attr-defined]  # a mapping, of some kilobytes


@account_page(manages=True, framed=False)
def import_profile(request: AccountRequest, public_id: UUID) -> HttpResponse:
    """Send the mapping that the import uses as a small file."""
    file_import = find(request, public_id)
    reading = readings.reading_of(file_import)
    if reading is None or reading.profile is None:
        raise Http404("No mapping.")
    own = MappingProfile(
        account=request.account, name=file_import.file_name, profile=reading.profile
    )
    return HttpResponse(
        profiles.exported(own),
        content_type="application/json",
        headers={
            "Content-Disposition": content_disposition_header(
                True, f"columns-of-{file_import.file_name}.json"
            )
            or "attachment"
        },
    )


# ── Mappings that were kept ───────────────────────────────────────────────────────────────────
def _with_saved(request: AccountRequest, file_import: FileImport, do: str) -> HttpResponse:
    """Use a mapping of the account, or forget it."""
    asked = request.POST.get("saved", "")
    found = next(
        (each for each in profiles.profiles_of(request.account) if str(each.pk) == asked), None
    )
    if found is None:
        raise Http404("No such mapping.")
    if do == "forget":
        profiles.delete(profile=found)
        return redirect("dashboard:import_mapping", request.account.slug, file_import.public_id)
    return _with_profile(request, file_import, found)


def _with_uploaded(request: AccountRequest, file_import: FileImport) -> HttpResponse:
    """Keep the mapping of a file that was sent, and use it."""
    file = request.FILES.get("profile-file")
    reading = _reading_of(file_import)
    form = _form(file_import, reading, None)
    if file is None or not file.size:
        problem = "Choose the file of a mapping first."
        return _show(request, file_import, reading, form, profile_problem=problem, status=422)
    if file.size > PROFILE_BYTES_MAX:
        problem = "This is too large to be a mapping. Choose the file that was downloaded here."
        return _show(request, file_import, reading, form, profile_problem=problem, status=413)
    found = None
    try:
        with transaction.atomic():  # a mapping that this file can't be read by is not kept
            found = profiles.imported(
                account=request.account,
                content=file.read(),
                by=cast(User, request.user),
                now=clock.now(),
            )
            _use(file_import, found)
    except Refusal as refusal:
        if found is not None:
            return _refused(request, file_import, found, refusal)
        return _show(
            request, file_import, reading, form, profile_problem=refusal.message, status=422
        )
    return redirect("dashboard:import_mapping", request.account.slug, file_import.public_id)


def _with_profile(
    request: AccountRequest, file_import: FileImport, found: MappingProfile
) -> HttpResponse:
    try:
        _use(file_import, found)
    except Refusal as refusal:
        return _refused(request, file_import, found, refusal)
    return redirect("dashboard:import_mapping", request.account.slug, file_import.public_id)


def _use(file_import: FileImport, found: MappingProfile) -> None:
    """Read the file by a mapping that was made for another one. Raises Refusal."""
    adjusting.map_columns(
        file_import=file_import,
        profile=Profile.from_json(found.profile),
        zone=found.zone or None,
        is_of_other_file=True,
        now=clock.now(),
    )


def _refused(
    request: AccountRequest, file_import: FileImport, found: MappingProfile, refusal: Refusal
) -> HttpResponse:
    """Show the mapping that can't be used, so that it can be made to fit."""
    begun = _reading_of(file_import)
    wanted = replace(begun, profile=found.profile, zone=found.zone or begun.zone)
    form = _form(file_import, wanted, None)
    return _show(request, file_import, wanted, form, problem=refusal.message, status=409)


# ── The page ──────────────────────────────────────────────────────────────────────────────────
def _reading_of(file_import: FileImport) -> Reading:
    """The reading to begin with: by columns, however the file was to be read so far."""
    known = readings.reading_of(file_import)
    if known is None:
        raise Http404("Not examined.")
    profile = known.profile if known.format == MAPPED else None
    return replace(known, format=MAPPED, profile=profile, options={})


def _form(file_import: FileImport, reading: Reading, data: Any) -> MappingForm:
    """The form for a file. Raises Refusal where the file can't be cut."""
    return MappingForm(
        data,
        columns=columns_of(file_import, reading),
        layout=reading.layout,
        profile=Profile.from_json(reading.profile) if reading.profile else None,
    )


def _show(
    request: AccountRequest,
    file_import: FileImport,
    reading: Reading,
    form: MappingForm,
    *,
    problem: str = "",
    profile_problem: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        **stages_at("check"),
        "file_import": file_import,
        "form": form,
        "rows": list(_shown(form)),
        "effect": _effect(file_import, reading, form),
        "problem": problem,
        "profile_problem": profile_problem,
        "profile_name": request.POST.get("profile-name", ""),
    }
    if wants_part(request):
        return render(request, "dashboard/imports/mapping_effect.html", context)
    context |= {
        "zones": sorted(place_names()),
        "saved_profiles": profiles.profiles_of(request.account),
        "has_profile": reading.profile is not None,
    }
    return render(request, "dashboard/imports/mapping.html", context, status=status)


def _effect(file_import: FileImport, reading: Reading, form: MappingForm) -> Sample:
    """What the mapping makes of the first lines; what is missing, where it can't be used yet."""
    if form.is_bound:
        if not form.is_valid():
            return Sample(
                problem=" ".join(map(str, form.non_field_errors())) or "Look at the fields below."
            )
        profile: Mapping[str, Any] | None = form.profile.as_json()
    else:
        profile = reading.profile
    if profile is None:
        return Sample(problem="Say below which column tells when a call started.")
    try:
        found = previewing.preview(
            file_import=file_import,
            reading=replace(reading, profile=profile),
            rows=ROWS_SHOWN,
            now=clock.now(),
        )
    except Refusal as refusal:
        return Sample(problem=refusal.message)
    return sample_of(found)


def _shown(form: MappingForm) -> Iterable[ShownRow]:
    for row in form.rows:
        yield ShownRow(
            name=row.name,
            title=row.title,
            about=row.about,
            fields=[form[name] for name in row.fields],
            has_words=row.name in ("usage_type", "status"),
            words=[(word, form[name]) for word, name in row.words],
            more=[form[name] for name in row.more],
            more_title=MORE_TITLES.get(row.name, "Zone and seconds"),
            is_more_open=any(_is_used(form, name) for name in row.more),
            depends=row.depends,
            errors=row.errors,
        )


def _is_used(form: MappingForm, name: str) -> bool:
    value = form[name].value()
    return bool(value) and value != "."
