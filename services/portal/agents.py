"""What a visitor signs in with, by a name that people know."""

from starlette.requests import Request

# What a browser and its system are called, by what stands in User-Agent: the first that does counts.
BROWSERS = {
    "Edg": "Edge",
    "OPR": "Opera",
    "Samsung": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "Chrome": "Chrome",
    "Safari": "Safari",
}
SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Macintosh": "macOS",
    "Linux": "Linux",
}


def client(request: Request) -> str:
    """For a list of sessions: "Firefox, Android"; "" for what we do not know."""
    agent = request.headers.get("user-agent", "")

    def first(names: dict[str, str]) -> str:
        return next((name for mark, name in names.items() if mark in agent), "")

    return ", ".join(filter(None, (first(BROWSERS), first(SYSTEMS))))
