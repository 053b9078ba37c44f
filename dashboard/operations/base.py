"""What the operators' pages are built from: pages to edit records, and pages only to read them."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from django.contrib.admin import AdminSite, ShowFacets, display
from django.db.models import DateTimeField, F, Field, Func, IntegerField, Model, QuerySet, TextField
from django.db.models.functions import Left
from django.forms.models import _get_foreign_key
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold import paginator as unfold_paginator
from unfold.admin import ModelAdmin
from unfold.dataclasses import UnfoldAction

from billing.activity import ActivityKind, Changes, Facts, changed, note
from billing.models import Account
from billing.texts import grouped
from billing.zones import local
from dashboard.operations.filters import ACCOUNT_PARAMETER
from dashboard.operations.hostile import MEANWHILE, StalePage, answer_or_explain
from dashboard.operations.permissions import EVERYTHING, NOTHING, StaffPermissions
from dashboard.operations.record_actions import RecordAction

SEARCH_RESULTS_MAX = 200
JSON_LENGTH_MAX = 20_000
ROWS_OF_A_PAGE_MAX = 1_000
SECRETS = {"password", "data", "secret", "previous_secret", "api_key"}


def local_time(at: datetime | None, zone: tzinfo, *, seconds: bool = False) -> SafeString | str:
    """``at`` as `local` writes it, with the exact instant in UTC on hover; a dash for none."""
    if at is None:
        return "–"
    return format_html(
        '<time datetime="{}" title="{} UTC" class="whitespace-nowrap">{}</time>',
        at.isoformat(),
        f"{at:%Y-%m-%d %H:%M:%S.%f}",
        local(at, zone, seconds=seconds),
    )


def _grouped_column(field: IntegerField) -> Callable[[Any], str | None]:
    @display(description=capfirst(str(field.verbose_name)))
    def column(record: Any) -> str | None:
        number = getattr(record, field.name)
        return None if number is None else grouped(number)

    return column


class OperatorAdmin(StaffPermissions, ModelAdmin):
    """What every page of the operators has. Use `EditableAdmin` or `RecordAdmin`.

    ``record_actions`` are what operators do to a record. Those with a label are linked at the top
    of its page.
    """

    record_actions: tuple[type[RecordAction], ...] = ()
    actions = None  # nothing here is safe to do to many rows at once
    list_per_page = 50
    sortable_by = ()
    shows_seconds = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for each in cls.record_actions:
            setattr(cls, each.name, each.as_admin_method())
        cls.actions_detail = tuple(each.name for each in cls.record_actions if each.label)

    def __init__(self, model: type[Model], admin_site: AdminSite) -> None:
        super().__init__(model, admin_site)
        self._shown_names: dict[str, str] = {}
        for field in model._meta.fields:
            if isinstance(field, DateTimeField):
                self._show(field, f"{field.name}_local", self._local_column(field))
            elif isinstance(field, IntegerField) and not field.primary_key:
                self._show(field, f"{field.name}_grouped", _grouped_column(field))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        """The actions that the record still offers."""
        found: list[UnfoldAction] = super().get_actions_detail(request, object_id)
        record = self.get_object(request, object_id)
        over = {each.path for each in self.record_actions if record and not each.is_offered(record)}
        return [each for each in found if each.path not in over]

    def get_urls(self) -> list[URLPattern]:
        """The addresses of the record actions too. Unfold itself makes those of labelled ones."""
        unlabelled = [each for each in self.record_actions if not each.label]
        return [*map(self._action_address, unlabelled), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """All rows; none where an address asks for a NUL, which no row can hold."""
        queryset: QuerySet = super().get_queryset(request)
        return queryset.none() if "%00" in request.META["QUERY_STRING"] else queryset

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Whether a list may be filtered so: not by a secret, or filters tell it bit by bit."""
        if SECRETS & set(lookup.split("__")):
            return False
        allowed: bool = super().lookup_allowed(lookup, value, request)
        return allowed

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        return answer_or_explain(request, super().changelist_view, extra_context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        view = super().changeform_view
        return answer_or_explain(request, view, object_id, form_url, extra_context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        return answer_or_explain(request, super().delete_view, object_id, extra_context)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        return answer_or_explain(request, super().history_view, object_id, extra_context)

    def zone_of(self, record: Any) -> tzinfo:
        """On whose clock the times of ``record`` are shown."""
        return UTC

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return [self._shown_names.get(name, name) for name in super().get_list_display(request)]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Times and numbers not to be edited are shown as they are everywhere else."""
        fieldsets = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj):
            return fieldsets
        return [
            (title, {**options, "fields": self._with_shown_names(options["fields"])})
            for title, options in fieldsets
        ]

    def _action_address(self, each: type[RecordAction]) -> URLPattern:
        options = self.opts
        view = self.admin_site.admin_view(getattr(self, each.name))
        name = f"{options.app_label}_{options.model_name}_{each.name}"
        address: URLPattern = path(f"<path:object_id>/{each.path}/", view, name=name)
        return address

    def _with_shown_names(self, fields: Iterable[Any]) -> list[Any]:
        return [
            self._shown_names.get(each, each)
            if isinstance(each, str)
            else self._with_shown_names(each)
            for each in fields
        ]

    def _show(self, field: Field, name: str, column: Callable[[Any], Any]) -> None:
        """Show ``field`` by the ``column`` of that name, wherever it is not to be edited."""
        setattr(self, name, column)
        self._shown_names[field.name] = name

    def _local_column(self, field: DateTimeField) -> Callable[[Any], SafeString | str]:
        @display(description=capfirst(str(field.verbose_name)))
        def column(record: Any) -> SafeString | str:
            zone = self.zone_of(record)
            return local_time(getattr(record, field.name), zone, seconds=self.shows_seconds)

        return column


class EditableAdmin(OperatorAdmin):
    """Records that operators add, change and delete, or some of that, as ``allowed`` says.

    Forms check beforehand what the domain would refuse. Where it refuses at the last moment all the
    same, nothing is stored, and the operator is shown the page again with the reason.
    """

    allowed = EVERYTHING
    # What the activity log says where these pages store and delete by themselves, by what is done:
    # "add", "change", "delete".
    noted_as: Mapping[str, ActivityKind] = {}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Store the record, and note what it was and is."""
        stored = self.model._base_manager.filter(pk=obj.pk).first() if change else None
        before = self.facts(stored) if stored is not None else {}
        super().save_model(request, obj, form, change)
        changes = changed(before, self.facts(obj))
        if changes:
            self._note("change" if change else "add", obj, changes)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete the record, and note what it was."""
        self._note("delete", obj, changed(self.facts(obj), {}))
        super().delete_model(request, obj)

    def facts(self, record: Any) -> Facts:
        """What the activity log tells of ``record``, where ``noted_as`` says that it does."""
        return {}

    def _note(self, done: str, record: Any, changes: Changes) -> None:
        if done in self.noted_as:
            note(self.noted_as[done], account=None, subject=str(record), changes=changes)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """The page of one record, with what `around_form` adds to it."""
        record = self.get_object(request, object_id) if object_id else None
        if record is not None:
            extra_context = {**(extra_context or {}), **self.around_form(record)}
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None,
        form_url: str,
        extra_context: dict[str, Any] | None,
    ) -> Any:
        """Within Django's transaction: whoever saves a record waits for who is saving it."""
        if request.method == "POST" and object_id and self.get_object(request, object_id):
            rows = self.model._base_manager.select_for_update(of=("self",))
            rows.filter(pk=object_id).first()
        return super()._changeform_view(request, object_id, form_url, extra_context)

    def get_formset_kwargs(
        self, request: HttpRequest, obj: Any, inline: Any, prefix: str
    ) -> dict[str, Any]:
        """Refuse a page with rows that are no longer there, such as members deleted meanwhile."""
        options: dict[str, Any] = super().get_formset_kwargs(request, obj, inline, prefix)
        if request.method == "POST":
            count = request.POST.get(f"{prefix}-INITIAL_FORMS", "0")
            asked = {
                request.POST.get(f"{prefix}-{number}-{inline.opts.pk.name}", "")
                for number in range(min(int(count), ROWS_OF_A_PAGE_MAX))
            }
            parent = _get_foreign_key(self.model, inline.model, inline.fk_name)
            rows = options["queryset"].filter(**{parent.name: obj})
            there = {str(key) for key in rows.values_list("pk", flat=True)}
            if not asked <= there:
                raise StalePage(MEANWHILE)
        return options

    def around_form(self, record: Any) -> dict[str, Any]:
        """The context of what the page of ``record`` shows around its form."""
        return {}


class InfinitePaginator(unfold_paginator.InfinitePaginator):
    """Pages forward and back without counting the rows, and not so deep that OFFSET gets slow.

    It keeps its parent's name, by which the theme knows not to show the count.
    """

    count = 50_000


class RecordAdmin(OperatorAdmin):
    """Records that only the domain writes: operators read them.

    The tables are large, so lists are in the order of an index, uncounted, and searched by the
    start of an identifier (`identified_by`) within an index.
    """

    allowed = NOTHING
    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_select_related: bool | tuple[str, ...] = ("account",)
    # Each (field, whether its beginning is enough), with an index on (account, field).
    identified_by: Iterable[tuple[str, bool]] = ()
    ordering_within_account: tuple[str, ...] = ("-id",)
    # JSON from elsewhere, of any depth: shown as the database reads it.
    documents: tuple[str, ...] = ()

    def __init__(self, model: type[Model], admin_site: AdminSite) -> None:
        super().__init__(model, admin_site)
        for document in self.documents:
            name = f"{document}_text"
            setattr(self, name, self._document_column(document))
            self._shown_names[document] = name

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Without the documents: Python can't read those that are nested too deeply."""
        return super().get_queryset(request).defer(*self.documents)

    def _document_column(self, document: str) -> Callable[[Any], SafeString | str]:
        @display(description=capfirst(str(self.opts.get_field(document).verbose_name)))
        def column(record: Any) -> SafeString | str:
            pretty = Func(F(document), function="jsonb_pretty", output_field=TextField())
            rows = self.model._base_manager.filter(pk=record.pk)
            text = rows.values_list(Left(pretty, JSON_LENGTH_MAX + 1), flat=True).first() or "–"
            if len(text) > JSON_LENGTH_MAX:
                text = f"{text[:JSON_LENGTH_MAX]}\n… The rest is too long to be shown."
            return format_html('<pre class="document">{}</pre>', text)

        return column

    def zone_of(self, record: Any) -> tzinfo:
        """The account's own."""
        zone: tzinfo = record.account.zone
        return zone

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """The order of an index: one of the account's, once the list is one account's."""
        if request.GET.get(ACCOUNT_PARAMETER):
            return self.ordering_within_account
        return ("-pk",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Find by identifier, through the indexes: all of them begin with the account."""
        term = search_term.strip()
        if not term:
            return queryset, False
        found: set[int] = set()
        for field, prefix in self.identified_by:
            lookup = f"{field}__startswith" if prefix else field
            rows = self.model._default_manager.filter(
                account__in=Account.objects.values("pk"), **{lookup: term}
            ).exclude(**{field: ""})
            found.update(rows.values_list("pk", flat=True)[:SEARCH_RESULTS_MAX])
        return queryset.filter(pk__in=found), False
