"""Parts of pages that depend on little, rendered once for each set of values they depend on.

    {% remember slug=account.slug may_pay=membership.may_pay %} … {% endremember %}

What is inside sees these values and nothing else, no request and no account, so it cannot show
what belongs to another one. It may not ask what changes while the process runs.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django import template
from django.template.base import FilterExpression, NodeList, Parser, Token, token_kwargs

register = template.Library()

# Of each such part, by process: what has not been asked for longest gives way.
REMEMBERED_MAX = 500


@register.tag
def remember(parser: Parser, token: Token) -> template.Node:
    """Render what is inside once for each set of the values that are named, which are hashable."""
    words = token.split_contents()[1:]
    values = token_kwargs(words, parser)
    if words:
        raise template.TemplateSyntaxError(f"remember takes name=value, not {words[0]}.")
    nodelist = parser.parse(("endremember",))
    parser.delete_first_token()
    return RememberNode(nodelist, values)


class RememberNode(template.Node):
    """One such part of a template."""

    def __init__(self, nodelist: NodeList, values: Mapping[str, FilterExpression]) -> None:
        self.nodelist = nodelist
        self.values = values
        self._rendered = lru_cache(REMEMBERED_MAX)(self._render)

    def render(self, context: template.Context) -> str:
        """Look it up, or render it."""
        values = [value.resolve(context) for value in self.values.values()]
        # With their types: True is equal to 1, and a text to the same one that is safe.
        return self._rendered(*((type(value), value) for value in values))

    def _render(self, *values: tuple[type, Any]) -> str:
        seen = dict(zip(self.values, (value for _, value in values), strict=True))
        context = template.Context(seen)
        with context.bind_template(template.Template("")):  # which says by which engine
            return self.nodelist.render(context)
