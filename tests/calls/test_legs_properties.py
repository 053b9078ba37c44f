"""Random chains of legs, in files cut anywhere: one call, and a file again changes nothing."""

from datetime import timedelta
from io import BytesIO
from math import ceil
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from billing.models import LedgerEntry, Plan
from billing.plans.subscriptions import subscribe
from calls.imports.importing import import_calls
from calls.legs import GAP_MAX
from calls.models import Call, Status
from calls.sources.asterisk import STATUSES, AsteriskCsv
from tests.audit import breaches
from tests.calls.calling import NOW, STARTED_AT, after
from tests.factories import AccountFactory
from tests.properties import examples


class Leg(NamedTuple):
    """A line of Master.csv, its times in seconds; ``connect`` is None where nobody answered."""

    start: int
    connect: int | None
    end: int
    disposition: str
    to_number: str

    @property
    def text(self):
        start, connect, end = (
            "" if at is None else f"{after(at):%Y-%m-%d %H:%M:%S}"
            for at in (self.start, self.connect, self.end)
        )
        talk = 0 if self.connect is None else self.end - self.connect
        return (
            f",100,{self.to_number},default,,SIP/1,,Dial,,{start},{connect},{end},"
            f"{self.end - self.start},{talk},{self.disposition},DOCUMENTATION,1773135000.1,\n"
        )


@st.composite
def chains(draw):
    """Legs in the order in which they start and end, each of which touches the one before it."""
    legs: list[Leg] = []
    start = end = 0
    for number in range(draw(st.integers(2, 7))):
        if legs:
            start = draw(st.integers(start, end + GAP_MAX.seconds))
        disposition = draw(st.sampled_from(["ANSWERED", "NO ANSWER", "BUSY", "FAILED"]))
        talks = disposition != "ANSWERED" and draw(st.booleans())  # to somebody else before
        is_answered = disposition == "ANSWERED" or talks
        connect = start + draw(st.integers(0, 30)) if is_answered else None
        end = max(end, connect or start) + draw(st.integers(int(talks), 60))
        legs.append(Leg(start, connect, end, disposition, f"20{number}"))
    return legs


@st.composite
def histories(draw):
    """A chain cut into files, and the numbers of the files as they are imported."""
    legs = draw(chains())
    cuts = sorted(draw(st.sets(st.integers(1, len(legs) - 1))))
    files = [legs[since:until] for since, until in zip([0, *cuts], [*cuts, None], strict=True)]
    imports = []
    for number in range(len(files)):
        imports += [number, *draw(st.lists(st.integers(0, number), max_size=3))]
    return files, imports


def facts(call):
    return (call.started_at, call.connected_at, call.ended_at, call.status, call.to_number)


def whole(legs):
    """What the legs of one call come to: its facts and its credits on Professional."""
    answered = [leg for leg in legs if leg.connect is not None]
    talking = [leg for leg in answered if leg.end > leg.connect]
    last = max((leg.end, STATUSES[leg.disposition]) for leg in answered or legs)
    connect = min((leg.connect for leg in answered), default=None)
    end = max(leg.end for leg in talking or legs) if talking or not answered else connect
    return (
        after(legs[0].start),
        None if connect is None else after(connect),
        after(end),
        Status.COMPLETED if answered else last[1],
        legs[0].to_number,
    ), 0 if connect is None else max(1, ceil((end - connect) / 30))


def everything():
    return list(Call.objects.values()), list(LedgerEntry.objects.order_by("id").values())


class LegsAreOneCall(TestCase):
    """Any chain ends as the same call, however it is cut and whatever is repeated."""

    @given(history=histories())
    @examples(25)
    def test_random_files(self, history):
        files, imports = history
        account = AccountFactory(time_zone="UTC")
        plan = Plan.objects.get(name="Professional")
        subscribe(account=account, plan=plan, at=STARTED_AT - timedelta(days=1))
        source = AsteriskCsv(account_id=account.pk, zone=ZoneInfo("UTC"), now=NOW)
        seen = set()
        for number in imports:
            before = everything()
            text = "".join(leg.text for leg in files[number])
            *_, done = import_calls(file=BytesIO(text.encode()), source=source, now=NOW)
            assert done.summary.rejected == 0
            if number in seen:
                assert everything() == before
            seen.add(number)
        call = Call.objects.get(account=account)
        assert (facts(call), call.credits) == whole([leg for file in files for leg in file])
        assert breaches() == []
