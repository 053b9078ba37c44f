"""Browsers as people know them: what one says of itself is long, and names every other one."""

from django import template

register = template.Library()

# The first that is named counts: those after it are named by the ones before it as well.
BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "CrOS": "ChromeOS",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}
LENGTH_MAX = 60


@register.filter
def browser_name(user_agent: str) -> str:
    """Name browser and system: "Firefox on Windows"; the beginning of what neither is known of."""
    browser = next((name for part, name in BROWSERS.items() if part in user_agent), "")
    system = next((name for part, name in SYSTEMS.items() if part in user_agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or user_agent[:LENGTH_MAX] or "unknown"
