"""Pages of one HTML file that open from disk: no server, no network, nothing to install. Knows arrays and plain values only.

`report_page` is the page of one network. `render` fills any template on the same shell: to make another page, write a template
that extends "base.html" (blocks `title`, `header`, `bar`, `main`, `data`, `images`) into templates/ of a package, and call
`render("mine.html", package="mine", ...)`.
"""

from analysis.page.moments import Level, Moment
from analysis.page.report import report_page
from analysis.page.shell import render

__all__ = ["Level", "Moment", "render", "report_page"]
