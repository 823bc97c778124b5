"""The shell of every page: one template, one style sheet, scripts inlined, all values escaped.

Knows no networks. Scripts are named in the page's content security policy by their hash, so that
nothing but our own code can run and nothing can be loaded, whatever a user's texts hold.
"""

import base64
import hashlib
import json
from functools import cache, partial
from importlib import resources

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

# The package whose templates every page extends, and whose static files it holds.
HOME = "analysis.page"


def render(
    template: str,
    *,
    scripts: tuple[str, ...] = (),
    each: tuple[str, ...] = (),
    package: str = HOME,
    **values: object,
) -> str:
    """The page that a template gives, as the text of one HTML file.

    Parameters
    ----------
    template : str
        Name of a file in templates/ of `package`, or of this package. In it `{{ embed(x) }}` writes
        plain values as JSON for scripts.
    scripts : tuple of str
        Names of files in static/, run in that order as one script after the shell's own; of
        another package as "package:name".
    each : tuple of str
        Names of files in static/ that are, in that order, the body of a function `network(own)`,
        which the others may call once for every network of the page.
    package : str
    **values
        Fill the template, escaped.
    """
    body = ["function network(own) {", *map(_static, each), "}"] if each else []
    files = [_static("shell.js"), *body, *map(_static, scripts)]
    code = "\n".join(["(() => {", '"use strict";', *files, "})();"])
    # The policy names the script by the hash of its text, to the last character.
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    shell = {"css": Markup(_static("page.css")), "script": Markup(code), "digest": digest}
    return _environment(package).get_template(template).render(**shell, **values)


@cache
def _environment(package: str) -> Environment:
    """Templates of `package` and of this package, with every value escaped."""
    packages = dict.fromkeys((package, HOME))  # each once, in this order
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    dumps = partial(json.dumps, allow_nan=False, separators=(",", ":"))
    environment.globals["embed"] = partial(htmlsafe_json_dumps, dumps=dumps)
    return environment


def _static(name: str) -> str:
    """The text of a script or style sheet, of this package unless another is named before it."""
    package, _, file = name.rpartition(":")
    return resources.files(package or HOME).joinpath("static", file).read_text(encoding="utf-8")
