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
        # Other versions of htmx than the one that our pages load, its source, and its extensions.
        "django_htmx/htm*x-4*",
        "django_htmx/htmx-2.js",
        "django_htmx/ext/*",
        # Scripts of pages of sign-in that are our own, or not offered.
        "account/js/*",
        "mfa/js/*",
        # What Unfold replaces of the admin: styles, pictures, the frame, what is there for maps.
        "admin/css/[!av]*",
        "admin/img/*",
        "admin/js/filters.js",
        "admin/js/nav_sidebar.js",
        "admin/js/theme.js",
        "admin/js/unusable_password_field.js",
        # Lists of two sides, which no form has.
        "admin/js/Select*",
        # Sources beside what is made of them, and words in other languages than the pages'.
        "admin/js/vendor/jquery/jquery.js",
        "admin/js/vendor/xregexp/xregexp.js",
        "admin/js/vendor/select2/i18n/[!e]*",
        "admin/js/vendor/select2/i18n/e[!n]*",
        # Filters by sliders, which no list has.
        "unfold/filters/*/nouislider/*",
        "unfold/filters/js/wnumb/*",
        "unfold/filters/js/admin-numeric-filter.js",
    ]
