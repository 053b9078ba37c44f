"""Rejected lines to download: the file's own notation, and what comes of sending them again."""

import json

import pytest

from calls.imports import rejects, selectors
from calls.imports.batches import RejectedLine
from calls.models import Call
from calls.notations.layout import JSON, Layout
from tests.calls.importing import ASTERISK, GOOD, HEADER, lines
from tests.calls.imports.engine import done

pytestmark = pytest.mark.django_db

ADDED = "Rejected: line,Rejected: field,Rejected: reason"


def downloaded(file_import):
    return b"".join(selectors.rejects_of(file_import)).decode(errors="surrogateescape")


def test_rejected_lines_have_the_files_own_header_and_the_reason_at_the_end(professional):
    bad = GOOD.format("c2", 10).replace("outbound", "fax")
    found = done(professional, lines(GOOD.format("c1", 10), bad))
    assert downloaded(found) == (
        f"{HEADER},{ADDED}\n"
        f'{bad},3,usage_type,"is “fax”; it must be one of: outbound, inbound, translation."\n'
    )


def test_mended_and_sent_again_they_go_in(professional):
    bad = GOOD.format("c2", 10).replace("outbound", "fax")
    found = done(professional, lines(GOOD.format("c1", 10), bad))
    again = done(professional, downloaded(found).replace(",fax,", ",inbound,", 1))
    summary = selectors.summary_of(again)
    assert (summary.created, summary.rejected) == (1, 0)
    assert Call.objects.get(call_id="c2").usage_type == "inbound"


def test_sent_again_as_they_are_they_are_rejected_the_same_way_and_grow_no_columns(professional):
    bad = GOOD.format("c2", 10).replace("outbound", "fax")
    first = downloaded(done(professional, lines(bad)))
    assert downloaded(done(professional, first)) == first


def test_lines_of_a_file_without_a_header_say_themselves_what_was_added(professional):
    bad = ASTERISK.format("1773135000.1").replace("ANSWERED", "EATEN")
    content = "\n".join([ASTERISK.format("1773135000.0"), bad, ""])
    rejected = downloaded(done(professional, content, name="Master.csv"))
    assert rejected.startswith(f"{bad},Rejected: line 2,Rejected: field disposition,")
    whole = "\n".join([rejected.rstrip("\n").replace("EATEN", "ANSWERED"), ""])
    again = done(professional, whole, name="Master.csv")
    assert selectors.summary_of(again).created == 1


def test_documents_get_three_keys():
    writer = rejects.RejectsWriter(Layout(notation=JSON), None)
    text = writer.lines([RejectedLine(7, "status", "is “eaten”.", '{"id":"c1"}')])
    assert json.loads(text) == {
        "id": "c1",
        "Rejected: line": 7,
        "Rejected: field": "status",
        "Rejected: reason": "is “eaten”.",
    }


def test_a_formula_in_our_own_columns_is_quoted_and_the_line_stays_as_it_came():
    writer = rejects.RejectsWriter(Layout(), ["a", "b"])
    line = RejectedLine(2, "=cmd()", "is missing.", "=1+1,x\n")
    assert writer.lines([line]) == "=1+1,x,2,'=cmd(),is missing.\n"


def test_a_value_that_nothing_closes_swallows_no_other_line():
    writer = rejects.RejectsWriter(Layout(), ["a", "b"])
    text = writer.lines([RejectedLine(2, "line", "is torn.", 'x,"half')] * 2)
    assert text.splitlines() == ['x,"half",2,line,is torn.'] * 2
