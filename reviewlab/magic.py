"""How does one write SQL in a cell without Python around it?  By ``%%reviews``, which awaits like any other cell.

::

    %load_ext reviewlab

    %%reviews --as bad
    select * from reviews where rating = :stars
"""

import asyncio
import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from IPython import get_ipython
from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from reviewlab import queries
from reviewlab.errors import ReviewLabError
from reviewlab.lab import ReviewLab
from reviewlab.opening import connect

_CALLS = re.compile(r"get_ipython\(\)\.run_(?:cell|line)_magic\('reviews', ")


def load(shell: Any) -> None:
    """Teach a notebook ``%%reviews``, ``%reviews``, and the names of columns; doing so twice is harmless."""
    shell.register_magic_function(reviews, "line_cell")
    if awaited not in shell.input_transformers_post:
        shell.input_transformers_post.append(awaited)
    if complete not in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.append(complete)


@magic_arguments()  # type: ignore[no-untyped-call, untyped-decorator]
@argument(  # type: ignore[no-untyped-call, untyped-decorator]
    "--as", dest="name", help="variable that keeps the DataFrame; without it, it is shown"
)
@argument("--lab", help="which lab, where there are several")  # type: ignore[no-untyped-call, untyped-decorator]
async def reviews(line: str, cell: str | None = None) -> Any:
    """Run the cell's statement, whose ``:names`` are variables of the notebook; without a cell, show the connection.

    The lab is the notebook's ``lab``, or its only one; where there is none, ``lab`` is connected from the environment.
    """
    options, namespace = parse_argstring(reviews, line), get_ipython().user_ns  # type: ignore[no-untyped-call]
    try:
        lab = await _find_lab(namespace, options.lab)
        if cell is None:
            return lab
        statement = queries.parse(cell)
        values = {name: namespace[name] for name in statement.names if name in namespace}
        frame = await lab.sql(cell, params=values)
        if options.name is None:
            return frame
        if not options.name.isidentifier():
            raise ValueError(f"--as needs the name of a variable, not {options.name!r}")
        namespace[options.name] = frame
    except (ReviewLabError, ValueError) as error:
        raise _in_a_sentence(error, f"{type(error).__name__}: {error}") from None
    except asyncio.CancelledError as error:
        raise _in_a_sentence(error, "stopped, on the server too") from None


def awaited(lines: list[str]) -> list[str]:
    """Have the notebook await each call of the magic, as it awaits what is awaited in a cell."""
    return [_CALLS.sub(r"await \g<0>", line) for line in lines]


@context_matcher()  # type: ignore[untyped-decorator]
def complete(context: CompletionContext) -> SimpleMatcherResult:
    """Complete columns in a statement, and variables after a colon."""
    if not context.full_text.startswith("%%reviews") or context.cursor_line == 0:
        return SimpleMatcherResult(completions=[])
    colon, begun = re.findall(r"(:?)(\w*)$", context.text_until_cursor)[0]
    names = _variables(get_ipython().user_ns) if colon else [*queries.REVIEW_COLUMNS, "reviews"]
    found = [SimpleCompletion(text=name, type="variable") for name in names if name.startswith(begun)]
    return SimpleMatcherResult(completions=found, matched_fragment=begun, suppress=bool(found))


async def _find_lab(namespace: dict[str, Any], name: str | None) -> ReviewLab:
    labs = {key: value for key, value in namespace.items() if isinstance(value, ReviewLab) and key[0] != "_"}
    if name is not None and name not in labs:
        raise ValueError(f"--lab needs the name of a lab, not {name!r}; there are {', '.join(labs) or 'none'}")
    if not labs:
        labs["lab"] = await connect()
        namespace["reviews_lab" if "lab" in namespace else "lab"] = labs["lab"]
    only = name or ("lab" if "lab" in labs else next(iter(labs)))
    if only not in (name, "lab") and any(lab is not labs[only] for lab in labs.values()):
        raise ValueError(f"there are several labs, {', '.join(labs)}: say which, such as --lab {only}")
    return labs[only]


def _variables(namespace: Mapping[str, Any]) -> list[str]:
    """What a person made that can be a value."""
    return [
        name
        for name, value in namespace.items()
        if name[0] != "_" and not callable(value) and not isinstance(value, (ModuleType, ReviewLab))
    ]


def _in_a_sentence(error: BaseException, sentence: str) -> BaseException:
    """Have IPython show *sentence* for an error, and no traceback."""
    error._render_traceback_ = lambda: [sentence]  # type: ignore[attr-defined]
    return error
