"""The schema in the repository is that of the code, and the reference shows all of it."""

import re

import pytest
import yaml
from django.conf import settings
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema

from api.problems import STATUSES
from api.v1 import urls
from billing.models import Scope, User
from calls.charging import Result
from calls.sources.canonical import OPTIONAL, REQUIRED


@pytest.fixture(scope="module")
def schema():
    return yaml.safe_load(settings.API_SCHEMA.read_text())


def operations(schema):
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_schema_in_the_repository_is_that_of_the_code() -> None:
    generated = SchemaGenerator().get_schema(request=None, public=True)
    validate_schema(generated)
    text = OpenApiYamlRenderer().render(generated, renderer_context={}).decode()
    assert settings.API_SCHEMA.read_text() == text, (
        "run: manage.py spectacular --file docs/openapi.yaml"
    )


def test_it_is_openapi_3_1_and_has_every_address(schema) -> None:
    assert schema["openapi"] == "3.1.0"
    described = {re.sub(r"\{\w+\}", "{}", path) for path in schema["paths"]}
    known = {"/api/v1/" + re.sub(r"<[^>]+>", "{}", str(view.pattern)) for view in urls.views}
    assert described == known


def test_every_operation_names_its_scope_and_its_problems(schema) -> None:
    for path, method, operation in operations(schema):
        ((scope,),) = (one["key"] for one in operation["security"])
        assert scope in Scope.values, (path, method)
        assert {"200", "400", "401", "403", "429", "503"} <= set(operation["responses"])


def test_the_schema_knows_every_field_of_a_record_and_every_outcome(schema) -> None:
    shapes = schema["components"]["schemas"]
    record = shapes["CallRecord"]
    assert set(REQUIRED + OPTIONAL) <= set(record["properties"])
    assert set(record["required"]) == set(REQUIRED)
    assert {result.value for result in Result} <= set(shapes["Outcome"]["enum"])
    assert "linked" in shapes["Outcome"]["enum"]


def test_it_is_served_to_everybody(client: Client) -> None:
    response = client.get("/api/v1/openapi.yaml")
    assert response["Content-Type"] == "application/yaml"
    assert response.content.decode() == settings.API_SCHEMA.read_text()


# ── The reference ─────────────────────────────────────────────────────────────────────────────
def test_the_reference_shows_all_of_it_to_everybody(db: None, client: Client, schema) -> None:
    response = client.get("/help/api/")
    assert response.status_code == 200
    for path, _, operation in operations(schema):
        assert f'id="{operation["operationId"]}"' in response.text
        assert path in response.text
    for name in schema["components"]["schemas"]:
        assert f'id="shape-{name}"' in response.text
    links = set(re.findall(r'href="#([\w-]+)"', response.text))
    assert links <= set(re.findall(r'id="([\w-]+)"', response.text))
    for scope in Scope.values:
        assert scope in response.text


def test_every_problem_has_its_words_at_the_address_that_it_names(db: None, client: Client) -> None:
    text = client.get("/help/api/").text
    for code, status in STATUSES.items():
        assert f'<dt id="{code}">{status} {code}</dt>' in text


def test_who_is_in_an_account_reads_it_in_their_frame(client: Client, member: User) -> None:
    client.force_login(member)
    response = client.get("/help/api/")
    assert response.context["frame"].account.slug == "acme"
    assert "A Superadmin or Admin of your account makes keys" in response.text
