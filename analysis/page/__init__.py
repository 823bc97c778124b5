"""Pages of one HTML file that open from disk: no server, no network, nothing to install.

Knows arrays and plain values only. `report_page` is the page of one network, `pair_page` that of
two side by side, `network_page` that of one from anywhere. `Frame` shows a page in a notebook.
`render` fills any template on the same shell: to make another page, write a template that extends
"base.html" (blocks `title`, `style`, `header`, `bar`, `main`, `data`, `images`) into templates/ of
a package, and call `render("mine.html", package="mine", ...)`.
"""

from analysis.frame import Frame
from analysis.page.network import network_page
from analysis.page.report import Content, pair_page, report_page
from analysis.page.samples import Samples
from analysis.page.shell import render
from analysis.page.snapshots import Level, Snapshot

__all__ = [
    "Content",
    "Frame",
    "Level",
    "Samples",
    "Snapshot",
    "network_page",
    "pair_page",
    "render",
    "report_page",
]
