"""Pages of one HTML file that open from disk: no server, no network, nothing to install.

Knows arrays and plain values only. `report_page` is the page of one network. `render` fills any
template on the same shell: to make another page, write a template that extends "base.html" (blocks
`title`, `style`, `header`, `bar`, `main`, `data`, `images`) into templates/ of a package, and call
`render("mine.html", package="mine", ...)`.
"""

from analysis.page.report import report_page
from analysis.page.shell import render
from analysis.page.snapshots import Level, Snapshot

__all__ = ["Level", "Snapshot", "render", "report_page"]
