"""Browser processes, and their pages, which can be sought and captured."""

from hfdask.browser.loop import browser_thread, close_browsers

__all__ = ["browser_thread", "close_browsers"]
