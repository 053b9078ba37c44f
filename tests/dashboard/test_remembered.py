"""Parts of templates that are rendered once for each set of values, and see nothing else."""

import pytest
from django.template import Context, Template, TemplateSyntaxError
from django.utils.safestring import mark_safe

REMEMBER = "{% load remembered %}{% remember name=account.name %}[{{ name }}{{ secret }}"
TEMPLATE = REMEMBER + "{{ account.name }}]{% endremember %}{{ secret }}"


def rendered(template: Template, name: object, secret: str = "") -> str:
    return template.render(Context({"account": {"name": name}, "secret": secret}))


def test_each_set_of_values_is_rendered_by_itself():
    template = Template(TEMPLATE)
    assert [rendered(template, name) for name in ("a", "b", "a")] == ["[a]", "[b]", "[a]"]


def test_nothing_but_the_named_values_is_seen_inside():
    template = Template(TEMPLATE)
    assert rendered(template, "a", "1") == "[a]1"
    assert rendered(template, "a", "2") == "[a]2"


def test_values_that_are_equal_but_not_the_same_are_not_mixed_up():
    template = Template(TEMPLATE)
    assert rendered(template, mark_safe("<b>")) == "[<b>]"
    assert rendered(template, "<b>") == "[&lt;b&gt;]"
    assert [rendered(template, value) for value in (1, True, 1)] == ["[1]", "[True]", "[1]"]


def test_what_is_remembered_is_not_rendered_again():
    template = Template(
        "{% load remembered %}{% remember text=text %}{{ text.upper }}{% endremember %}"
    )
    asked = []

    class Text(str):
        def upper(self) -> str:
            asked.append(self)
            return super().upper()

    for _ in range(3):
        assert template.render(Context({"text": Text("a")})) == "A"
    assert len(asked) == 1


def test_a_value_without_a_name_is_refused():
    with pytest.raises(TemplateSyntaxError, match="remember takes name=value, not account"):
        Template("{% load remembered %}{% remember account %}{% endremember %}")
