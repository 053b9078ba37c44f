"""What an operator does to one record, on a page of its own: ask, preview, do, tell.

Each action is one class: the form that asks, what its page says before, one call of the domain, and
what the operator is told after. The address, the permission, the page, the translation of refusals,
the record's history and the way back are the same for all of them and are here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from django import forms
from django.contrib import messages
from django.contrib.admin.templatetags.admin_urls import admin_urlname
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextInputWidget

from billing import clock
from billing.models.ledger import REMARKS_LENGTH_MAX
from billing.payments.gateways import GatewayError
from billing.refusals import Refusal
from dashboard.operations.hostile import answer_or_explain
from dashboard.refusals import add_refusal

TEMPLATE = "admin/record_action.html"

AnyRecord = TypeVar("AnyRecord", bound=Model)


def reason_field(read_where: str, *, length_max: int = REMARKS_LENGTH_MAX) -> forms.CharField:
    """The field of a form in which an operator says why; ``read_where`` says who reads it."""
    return forms.CharField(
        max_length=length_max, widget=UnfoldAdminTextInputWidget, help_text=read_where
    )


class Choice(NamedTuple):
    """A link to the same page about something else."""

    address: str
    words: str
    is_shown: bool


@dataclass(frozen=True, slots=True)
class Section:
    """A heading within the form, before the field named ``before``, and a sentence below it."""

    before: str
    title: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What the page of an action says: its ``subject`` in a line, and what the action means for it.

    Without a ``button`` the page is only there to be read.
    """

    title: str
    subject: str
    about: Sequence[str]
    button: str
    choices: Sequence[Choice] = ()
    choices_label: str = ""
    section: Section | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was done: ``told`` to the operator, and ``recorded`` in the record's history if not "".

    ``level`` is one of Django's messages.
    """

    told: str
    recorded: str = ""
    level: int = messages.SUCCESS


class RecordAction(ABC, Generic[AnyRecord]):
    """One action, asked for by one request. ``now`` is the same throughout."""

    name: ClassVar[str]  # of its address, after that of the model
    path: ClassVar[str]  # of its address, after that of the record
    label: ClassVar[str] = ""  # of its link on the record's page; "" where a panel links to it
    # The form's name of a domain argument, where it has another.
    inputs: ClassVar[Mapping[str, str]] = {}
    # A call that speaks to a provider has transactions of its own and must not run in another.
    asks_provider: ClassVar[bool] = False
    provider_failure: ClassVar[str] = "The provider did not answer: {error} Try again later."

    def __init__(
        self,
        *,
        model_admin: ModelAdmin,
        request: HttpRequest,
        record: AnyRecord,
        now: datetime,
        **captured: Any,
    ) -> None:
        self.model_admin = model_admin
        self.request = request
        self.record = record
        self.now = now
        self.captured = captured  # from the address, besides the record

    # What an action says of itself.

    @classmethod
    def is_offered(cls, record: AnyRecord) -> bool:
        """Whether the page of ``record`` leads to it; whoever has an old page is told `instead`."""
        return True

    def instead(self) -> HttpResponse | None:
        """Lead the operator elsewhere where this can't be asked for; None where it can."""
        return None

    def form(self, data: Any) -> forms.Form:
        """The form that asks, with ``data`` once it is sent; by default just the button."""
        return forms.Form(data)

    @abstractmethod
    def preview(self) -> Preview:
        """What the page says before."""

    @abstractmethod
    def do(self, form: Any) -> Outcome:
        """Do it by one call of the domain. Raises Refusal or GatewayError."""

    def record_name(self) -> str:
        """What the way back calls the record."""
        return str(self.record)

    # What is the same for all.

    @classmethod
    def as_admin_method(cls) -> Callable[..., HttpResponseBase]:
        """The action as Unfold takes it: a method of a ModelAdmin that answers requests."""

        def method(
            model_admin: ModelAdmin, request: HttpRequest, object_id: str, **captured: Any
        ) -> HttpResponseBase:
            record = model_admin.get_object(request, object_id)
            if record is None:
                raise Http404
            if not model_admin.has_view_permission(request, record):
                raise PermissionDenied
            asked = cls(
                model_admin=model_admin,
                request=request,
                record=record,
                now=clock.now(),
                **captured,
            )
            return answer_or_explain(request, lambda _: asked.answer())

        decorated: Callable[..., HttpResponseBase] = action(
            description=cls.label, url_path=cls.path
        )(method)
        return decorated

    def answer(self) -> HttpResponse:
        """Ask, or do it and tell."""
        if (elsewhere := self.instead()) is not None:
            return elsewhere
        is_sent = self.request.method == "POST"
        form = self.form(self.request.POST if is_sent else None)
        if is_sent and form.is_valid() and (done := self._attempt(form)) is not None:
            return done
        return self._page(form)

    def back(self, told: str, level: int = messages.ERROR) -> HttpResponse:
        """Lead back to the record, and tell why."""
        messages.add_message(self.request, level, told)
        return redirect(self._record_address(), self.record.pk)

    def _attempt(self, form: forms.Form) -> HttpResponse | None:
        """Do it; None where the form now says why that was not possible."""
        try:
            with nullcontext() if self.asks_provider else transaction.atomic():
                outcome = self.do(form)
                if outcome.recorded:
                    self.model_admin.log_change(self.request, self.record, outcome.recorded)
        except Refusal as refusal:
            if not form.fields:  # nothing to mend on this page
                return self.back(refusal.message)
            add_refusal(form, refusal, inputs=self.inputs)
            return None
        except GatewayError as error:
            form.add_error(None, self.provider_failure.format(error=error))
            return None
        return self.back(outcome.told, outcome.level)

    def _page(self, form: forms.Form) -> HttpResponse:
        preview = self.preview()
        context = {
            **self.model_admin.admin_site.each_context(self.request),
            "opts": self.model_admin.opts,
            "original": self.record,
            "record_address": self._record_address(),
            "record_name": self.record_name(),
            "title": preview.title,
            "preview": preview,
            "choices": preview.choices,
            "form": form,
            "media": self.model_admin.media + form.media,
        }
        return TemplateResponse(self.request, TEMPLATE, context)

    def _record_address(self) -> SafeString | str:
        return admin_urlname(self.model_admin.opts, SafeString("change"))
