"""Browser processes, and pages in them that can be sought and captured."""

from hfdask.browser.loop import browser_thread, close_browsers

__all__ = ["browser_thread", "close_browsers"]
