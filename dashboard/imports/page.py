"""What the page of one import shows and offers, all of it read before it is rendered."""

from collections.abc import Mapping
from typing import Any

from django.urls import reverse

from billing.refusals import Refusal
from billing.zones import place_names
from calls.imports import previewing
from calls.imports.readings import MAPPED, Reading, reading_of
from calls.models import FileImport, ImportState
from calls.withdrawing import overtaken_calls
from dashboard.access import AccountRequest
from dashboard.imports import outcome
from dashboard.imports.examined import AskedQuestion, facts_of, questions_of
from dashboard.imports.formats import format_label
from dashboard.imports.layout_form import LayoutForm, layout_form_of
from dashboard.imports.sample import Sample, sample_of
from dashboard.imports.stages import stage_of, stages_at
from dashboard.imports.standing import Standing, panel_of
from dashboard.imports.uploading import upload_limits

S = ImportState
ROWS_SHOWN = 10
KEPT_SHOWN = 20
LOOK_AGAIN_SECONDS = 1
LOOK_AGAIN_LATER_SECONDS = 2
SOON_SECONDS = 30


class ImportPage(Standing):
    """The page of one import."""

    def __init__(self, request: AccountRequest, file_import: FileImport) -> None:
        super().__init__(
            file_import, account=request.account, by=request.membership.user, now=request.frame.now
        )
        self.is_operator = request.frame.is_operator
        self.reading = reading_of(file_import)
        self.questions: list[AskedQuestion] = []
        self.facts: list[str] = []
        self.sample: Sample | None = None
        if self.is_changeable:
            self.facts = facts_of(file_import, self.reading)
            self.questions = questions_of(file_import)
            if self.reading is not None and not self.is_refused:
                self.sample = _sample_of(file_import, self.reading, request)
        self.kept: list[str] = []
        if self.may_take_back or self.state == S.WITHDRAWN:
            self.kept = overtaken_calls(account_id=request.account.pk, import_id=file_import.pk)
        self.outcome = panel_of(self, balance=request.frame.balance)
        _ = self.waits_for  # read now: nothing is read while the page is rendered

    @property
    def face(self) -> str:
        """The look of its panel: somebody has to do something first, or how it stands."""
        is_open = self.state == S.READY and not self.may_try and not self.is_given_up
        return "question" if is_open else super().face

    @property
    def title(self) -> str:
        """How it stands, in a few words."""
        if self.state != S.READY or self.may_try or self.is_given_up:
            return super().title
        if self.questions:
            return "One thing to answer first" if len(self.questions) == 1 else "Questions first"
        return "Which column is what?" if self.needs_mapping else "It can’t be read this way"

    # ── Addresses ─────────────────────────────────────────────────────────────────────────────
    @property
    def url(self) -> str:
        """The page's own."""
        return self.address("import_page")

    @property
    def parts_url(self) -> str:
        """Where the parts of an upload are told and sent to."""
        return self.address("import_parts")

    @property
    def rejects_url(self) -> str:
        """The file with the lines that were left out."""
        return self.address("import_rejects")

    @property
    def take_back_url(self) -> str:
        """The page that asks before it is taken back."""
        return self.address("import_take_back")

    @property
    def mapping_url(self) -> str:
        """The page on which columns are named."""
        return self.address("import_mapping")

    @property
    def calls_url(self) -> str:
        """The log of exactly these calls; "" where there are none, or where it can't be opened."""
        has_ended = self.state in (S.DONE, S.STOPPED, S.WITHDRAWN)
        # Operators see calls in the admin.
        if self.is_operator or not has_ended or not outcome.calls_of(self.summary):
            return ""
        query = {"import": str(self.file_import.public_id)}
        first, last = self.trial.first_started_at, self.trial.last_started_at
        if first and last:
            zone = self.account.zone
            query |= {
                "period": "custom",
                "from": first.astimezone(zone).date().isoformat(),
                "to": last.astimezone(zone).date().isoformat(),
            }
        return reverse("dashboard:usage", args=[self.account.slug], query=query)

    @property
    def shown(self) -> str:
        """Which content the page shows: an answer to one that shows the same is only progress."""
        return f"{self.state.value}-{self.file_import.ticket}"

    @property
    def look_again_url(self) -> str:
        """What a page asks that shows an import that moves."""
        return f"{self.url}?shown={self.shown}"

    @property
    def look_again_seconds(self) -> int:
        """How long until it asks again."""
        lasts = (self.now - self.file_import.created_at).total_seconds()
        return LOOK_AGAIN_SECONDS if lasts < SOON_SECONDS else LOOK_AGAIN_LATER_SECONDS

    # ── What can be done ──────────────────────────────────────────────────────────────────────
    @property
    def needs_mapping(self) -> bool:
        """Whether somebody has to say which column is what."""
        reading = self.reading
        return reading is None or (reading.format == MAPPED and not reading.profile)

    @property
    def is_mapped(self) -> bool:
        """Whether somebody said, or may say, which column is what."""
        return self.reading is not None and self.reading.format == MAPPED

    @property
    def may_try(self) -> bool:
        """Whether a trial run can begin."""
        can_read = self.sample is not None and not self.sample.problem
        return can_read and not self.needs_mapping and not self.questions

    @property
    def kept_shown(self) -> list[str]:
        """The first of the calls that taking it back leaves as they are."""
        return self.kept[:KEPT_SHOWN]

    @property
    def kept_more(self) -> int:
        """How many more of them there are."""
        return len(self.kept) - len(self.kept_shown)

    # ── Words ─────────────────────────────────────────────────────────────────────────────────
    @property
    def sentence(self) -> str:
        """What it means that it stands so."""
        words: Mapping[str, str] = {
            S.EXAMINING: "What it is, how its lines are cut, which time zone it means.",
            S.TRYING: "Every line is read and priced as it would be. Nothing is recorded.",
            S.IMPORTING: "Calls are recorded and charged, some at a time.",
            S.WITHDRAWING: "Its calls are withdrawn, and their credits come back.",
            S.UPLOADING: "Parts of the file have not arrived. Nothing that has is lost.",
        }
        if self.state in words:
            return words[self.state]
        if self.is_given_up:
            return "Nothing was recorded from it. To import it, upload it again."
        if self.state == S.READY:
            return self._ready_words
        if self.state == S.TRIED:
            return outcome.trial_in_words(self.trial)
        if self.state == S.WITHDRAWN:
            return self._withdrawn_words
        if self.state in (S.REFUSED, S.FAILED):
            return self.file_import.said
        return outcome.import_in_words(self.summary) or "Nothing was recorded."

    @property
    def more_sentences(self) -> list[str]:
        """What else there is to know at the end."""
        said = []
        if self.state == S.STOPPED:
            left = (self.file_import.staged_lines or 0) - self.summary.lines_done
            if left > 0:
                said.append(
                    f"{outcome.counted(left, 'line')} are left. They can still be imported."
                )
        if self.has_rejects:
            said.append(
                "Mend the lines that were left out and import that file: what was recorded is "
                "known and is not charged twice."
            )
        if self.state == S.WITHDRAWN and self.has_file:
            said.append("The same file can be imported again, also read in another way.")
        return said

    @property
    def _ready_words(self) -> str:
        if self.questions:
            return "The file does not tell everything. Nothing is guessed: please say below."
        if self.needs_mapping:
            return (
                "We do not know files of this kind yet. Say once which column is what: it takes a "
                "few minutes, and is kept for the next file."
            )
        if self.sample is not None and self.sample.problem:
            return "Read this way, the file makes no sense. Change below how it is read."
        label = format_label(self.reading) if self.reading else ""
        if not label:
            return (
                "See below what is made of its columns. If something is wrong, say which is what."
            )
        return f"This is “{label}”. See below what is made of the first lines."

    @property
    def _withdrawn_words(self) -> str:
        done = self.file_import.withdrawal
        said = f"{outcome.counted(done.get('withdrawn', 0), 'call')} withdrawn"
        if done.get("restored"):
            said += f", {outcome.counted(done['restored'], 'call')} as before"
        if done.get("unlinked"):
            said += f", {outcome.counted(done['unlinked'], 'call')} left to other sources"
        return f"{said}: {self.returned_words(done.get('credits', 0))}"


def import_context(
    request: AccountRequest, file_import: FileImport, *, form: LayoutForm | None = None
) -> dict[str, Any]:
    """What the templates of the page need."""
    page = ImportPage(request, file_import)
    context: dict[str, Any] = {
        **stages_at(stage_of(page.state)),
        "file_import": file_import,
        "page": page,
    }
    if page.is_uploading:
        context |= upload_limits()
    if page.is_changeable:
        context["layout_form"] = form or layout_form_of(file_import, account=request.account)
        context["zones"] = sorted(place_names())
    return context


def _sample_of(file_import: FileImport, reading: Reading, request: AccountRequest) -> Sample | None:
    """The first lines; None where nobody has said how they are read."""
    if reading.format == MAPPED and not reading.profile:
        return None
    try:
        found = previewing.preview(
            file_import=file_import, reading=reading, rows=ROWS_SHOWN, now=request.frame.now
        )
    except Refusal as refusal:
        return Sample(problem=refusal.message)
    return sample_of(found)
