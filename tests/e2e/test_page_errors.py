"""No error inside a page passes unnoticed, though the test looks at something else."""

import pytest
from playwright.sync_api import Page

from tests.e2e import labelling
from tests.e2e.page_errors import PageErrors

pytestmark = pytest.mark.browser


def test_what_nothing_catches_and_what_is_logged_is_collected(page: Page, page_errors: PageErrors) -> None:
    other = page.context.new_page()
    page.evaluate("() => setTimeout(() => { throw new Error('thrown by the test'); })")
    other.evaluate("() => { Promise.reject(new Error('rejected by the test')); }")
    page.evaluate("() => console.error('logged by the test')")
    page.evaluate("() => console.warn('not an error')")
    page.evaluate("() => console.error('Failed to load resource: refused by the test')")
    labelling.wait_until(page, lambda: len(page_errors.found) >= 3)
    found = sorted(page_errors.take())
    assert [text.split(" by the test")[0].split()[-1] for text in found] == ["logged", "rejected", "thrown"]
