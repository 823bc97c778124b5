"""A page in a frame, for notebooks."""

from html import escape

HEIGHT = 900
"""Pixels. By judgement: the top of a report page without much scrolling of the notebook."""


class Frame:
    """A page that notebooks show in a frame, offline and apart from everything else.

    Parameters
    ----------
    page : str
        The text of an HTML file.
    title : str
        For readers of the screen.
    height : int
        Pixels.
    """

    def __init__(self, page: str, title: str, height: int = HEIGHT) -> None:
        self.page = page
        self.title = title
        self.height = int(height)

    def _repr_html_(self) -> str:
        # Without `allow-same-origin` the page can reach nothing of the notebook.
        return (
            f'<iframe srcdoc="{escape(self.page)}" title="{escape(self.title)}"'
            ' sandbox="allow-scripts allow-downloads"'
            f' style="width: 100%; height: {self.height}px; border: 0"></iframe>'
        )

    def __repr__(self) -> str:
        return f"Frame({self.title!r}, {len(self.page):,} characters)"
