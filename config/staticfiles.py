"""Which files of the libraries are served: those that a page can ask for, and no others.

Every page is visited by a test, which asks for all that it names (`tests/hostile`).
"""

from django.contrib.staticfiles.apps import StaticFilesConfig


class NeededStaticFilesConfig(StaticFilesConfig):
    """Django's, whose ``collectstatic`` leaves out what no page of ours uses."""

    ignore_patterns = [
        *StaticFilesConfig.ignore_patterns,
        # Pages of the REST framework: there are none, it answers with JSON only.
        "rest_framework",
        "drf_spectacular_sidecar",
        # Other versions of htmx than the one that our pages load, and its extensions.
        "django_htmx/htm?x-4*",
        "django_htmx/ext/*",
        # Second steps that are not offered, and styles of the admin that Unfold replaces.
        "mfa/js/webauthn*",
        "admin/css/[!av]*",
    ]
