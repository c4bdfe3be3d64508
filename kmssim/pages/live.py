"""The decisions of a running server as pages: a list, the newest first, and a page for each. No time is shown."""

from __future__ import annotations

from collections import deque

from kmssim.evaluator.decision import Decision
from kmssim.markup import breakable, data_element, element
from kmssim.pages.decision_data import decision_data, picked, ruled_by
from kmssim.pages.decision_page import decision_page
from kmssim.pages.parts import main_part, table, whole_page, word

SHOWN = 100
"""So many of the kept decisions are in the list; a link to an older one works as long as it is kept."""

_OK, _NOT_FOUND = 200, 404
_PLACE = "decisions/"
_LISTED = ("operation", "caller", "decision", "error", "decided_by", "because")


class LivePages:
    """Takes decisions as they are made, and answers a browser. The caller sees to it that both do not meet."""

    def __init__(self, kept: int) -> None:
        """Nothing yet; the last `kept` decisions have a page."""
        self._decisions: deque[Decision] = deque(maxlen=kept)
        self._count = 0

    def add(self, decision: Decision) -> None:
        """Take the newest decision; the first has number 1."""
        self._decisions.append(decision)
        self._count += 1

    def __call__(self, path: str) -> tuple[int, str]:
        """The status of HTTP and a page. `path` is what follows the folder in which the pages stand."""
        if not path:
            return _OK, self._list()
        number = path.removeprefix(_PLACE)
        if path.startswith(_PLACE) and number.isascii() and number.isdecimal():
            at = int(number[:18]) - self._count - 1
            if -len(self._decisions) <= at < 0:
                return _OK, _page_of(int(number), self._decisions[at])
        return _NOT_FOUND, _missing_page(path)

    def _list(self) -> str:
        newest = list(self._decisions)[: -SHOWN - 1 : -1]
        numbered = [(self._count - at, decision) for at, decision in enumerate(newest)]
        return _list_page(numbered, self._count)


def _page_of(number: int, decision: Decision) -> str:
    data = decision_data("", decision)
    return decision_page({**data, "name": f"{number}. {data['name']}", "ruled_by": ruled_by(decision), "back": "../"})


def _list_page(numbered: list[tuple[int, Decision]], count: int) -> str:
    data = [{"number": number, **picked(decision_data("", decision), *_LISTED)} for number, decision in numbered]
    columns = ("Decision", "Principal", "Ends with", "Decided by", "Because")
    rows = [
        (
            element("a", f"{one['number']}. ", breakable(one["operation"]), href=f"{_PLACE}{one['number']}"),
            element("code", one["caller"]),
            element("span", word(one["decision"]), ", " if one["error"] else "", breakable(one["error"] or "")),
            ", ".join(one["decided_by"]) or "no layer",
            one["because"],
        )
        for one in data
    ]
    caption = f"The last {len(rows)} of {count} decisions, the newest first"
    nothing = element("p", "No decision yet. Make a call with one of the printed profiles, then load this page again.")
    return whole_page(
        "Decisions · kmssim serve",
        "The decisions of a running kmssim serve.",
        "Served by kmssim serve on this machine. The page holds no rule: it draws the data that is embedded in it.",
        element(
            "header",
            element("p", "kmssim serve", class_="kicker"),
            element("h1", "Decisions"),
            element("p", "Every call to this endpoint, decided and explained.", class_="lead"),
            element(
                "p",
                element("a", "Load again", href="./"),
                " · ",
                element("a", "The world as a scenario", href="world"),
            ),
        ),
        main_part(table(caption, columns, rows) if rows else nothing),
        data_element("decisions", data),
    )


def _missing_page(path: str) -> str:
    depth = "../" * path.count("/")
    return whole_page(
        "Not here · kmssim serve",
        "There is no such page.",
        "Served by kmssim serve on this machine.",
        element("header", element("p", "kmssim serve", class_="kicker"), element("h1", "There is no such page")),
        main_part(
            element("p", "The decision is not kept any more, or never was."),
            element("p", element("a", "To the decisions", href=depth or "./")),
        ),
    )
