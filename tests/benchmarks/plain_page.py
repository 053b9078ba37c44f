"""What an ordinary page costs: the measure that `tests.benchmarks.pages` holds others against.

One as Django's tutorial would write it: session, user, five queries that an index answers, and a
table of ten rows. It is frozen. Of the product it uses the tables, and the middleware through which
every page goes, so that pages that become slower, or faster, do not change the measure.
"""

from datetime import timedelta
from functools import cache
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template import engines
from django.urls import path
from django.utils import timezone

from billing.models import Account, Balance, CreditGrant, DailyUsage, LedgerEntry

ADDRESS = "/plain/acme/"
ROWS = 10
TEMPLATE = """<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>{{ account.name }}</title></head>
  <body>
    <nav><ul>
      <li><a href="{% url 'plain' account.slug %}">{{ account.name }}</a></li>
      <li>{{ user.email }}</li>
      {% if messages %}{% for message in messages %}<li>{{ message }}</li>{% endfor %}{% endif %}
    </ul></nav>
    <h1>{{ account.name }}</h1>
    <p>{{ balance.credits }} credits, {{ week.credits }} used in 7 days by {{ week.calls }} calls.
      {% if grant %}{{ grant.remaining }} expire on {{ grant.expires_at|date:"j M Y" }}.{% endif %}
    </p>
    <table>
      <thead><tr><th>Time</th><th>Call</th><th>Agent</th><th>Credits</th><th>Balance</th></tr></thead>
      <tbody>
        {% for row in rows %}
          <tr>
            <td>{{ row.occurred_at|date:"j M Y, H:i" }}</td>
            <td>
              <a href="{% url 'plain' account.slug %}?call={{ row.call_id }}">{{ row.call_id }}</a>
            </td>
            <td>{{ row.agent }}</td>
            <td>{{ row.credits }}</td>
            <td>{{ row.balance_after }}</td>
          </tr>
        {% endfor %}
      </tbody>
    </table>
    <form method="post" action="/">{% csrf_token %}<button>Sign out</button></form>
  </body>
</html>
"""


@login_required
def plain(request: HttpRequest, slug: str) -> HttpResponse:
    """Show an account of the person who is signed in: five queries."""
    account = get_object_or_404(Account, slug=slug, memberships__user=request.user)
    week = DailyUsage.objects.filter(
        account=account, day__gt=timezone.now().date() - timedelta(days=7)
    ).aggregate(credits=Sum("credits_used"), calls=Sum("calls"))
    entries = LedgerEntry.objects.filter(account=account).order_by("-occurred_at", "-id")
    context = {
        "account": account,
        "balance": Balance.objects.get(account=account),
        "week": week,
        "grant": CreditGrant.objects.filter(account=account, is_open=True).first(),
        "rows": list(entries[:ROWS]),
    }
    return HttpResponse(_template().render(context, request))


urlpatterns = [path("plain/<slug:slug>/", plain, name="plain")]


@cache
def _template() -> Any:
    """Compiled once, as the cached loader of template files does."""
    return engines["django"].from_string(TEMPLATE)
