"""The board of ranks under a mouse or a finger: a chip is moved until a list takes it in, then let go."""

import time
from collections.abc import Callable
from itertools import cycle

from playwright.sync_api import Locator, Page

from tests.browser.conftest import PATIENCE

# Parts of a list's width and height: a list may shift under what is held, and between its
# chips it takes nothing in.
POINTS = ((0.6, 0.5), (0.5, 0.3), (0.4, 0.7), (0.5, 0.5))
A_LOOK = 60
"""Milliseconds in which the board looks once where the chip is."""


def middle(locator: Locator) -> tuple[float, float]:
    box = locator.bounding_box()
    assert box is not None, "it is not shown"
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, what: Locator, where: Locator) -> None:
    wait_at_rest(page, what)
    what.hover()
    page.mouse.down()
    move_until_in(page, where, lambda x, y: page.mouse.move(x, y, steps=4))
    page.mouse.up()


def touch_drag(page: Page, what: Locator, where: Locator) -> None:
    finger = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        places = [{"x": x, "y": y} for x, y in points]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    wait_at_rest(page, what)
    what.scroll_into_view_if_needed()
    touch("touchStart", middle(what))
    move_until_in(page, where, lambda x, y: touch("touchMove", (x, y)))
    touch("touchEnd")


def wait_at_rest(page: Page, chip: Locator) -> None:
    """Wait until a chip that made room for another has come to rest; until then it is not picked up."""
    page.wait_for_function("chip => !chip.closest('li').animated", arg=chip.element_handle())


def move_until_in(page: Page, where: Locator, move: Callable[[float, float], None]) -> None:
    """Move what is held over a list, look after look, until the list has one chip more."""
    chips, deadline = where.get_by_role("button"), time.monotonic() + PATIENCE / 1000
    before = chips.count()
    for across, down in cycle(POINTS):
        box = where.bounding_box()
        assert box is not None, "it is not shown"
        move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        page.wait_for_timeout(A_LOOK)
        if chips.count() > before:
            return
        assert time.monotonic() < deadline, "the board never took the chip in"
