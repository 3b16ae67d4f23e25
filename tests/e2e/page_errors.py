"""What goes wrong inside the pages of a test without the test looking at it."""

from playwright.sync_api import BrowserContext, ConsoleMessage

PROVOKED = (
    "Failed to load resource: ",
    "WebSocket connection to ",
    "Client Error in reaching server endpoint",
    "Streamlit server is not responding",
)
"""How errors in the console begin that tests provoke: they refuse requests, stop servers, and go offline."""


class PageErrors:
    """Errors that nothing caught, and what was logged as an error, of all pages of some browser sessions."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def watch(self, context: BrowserContext) -> None:
        """Collect the errors of all pages of a browser session from now on."""
        context.on("weberror", lambda error: self.found.append(f"uncaught: {error.error}"))
        context.on("console", self._logged)

    def take(self) -> list[str]:
        """Return the errors since the last call."""
        taken, self.found = self.found, []
        return taken

    def _logged(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(PROVOKED):
            self.found.append(f"logged: {message.text}")
