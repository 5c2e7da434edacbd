"""What a starting system shows: one line per part, on stderr, so that stdout stays for answers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

CONSOLE = Console(stderr=True, highlight=False)


@contextmanager
def step(what: str) -> Iterator[None]:
    """A spinner while it lasts, a line with its time when it is done, a cross when it is not."""
    begun = time.monotonic()
    try:
        with CONSOLE.status(escape(what)):
            yield
    except BaseException:
        CONSOLE.print(f"  [red]✗[/] {escape(what)}")
        raise
    CONSOLE.print(f"  [green]✓[/] {escape(what):<40} {time.monotonic() - begun:5.1f} s")


def say(text: str) -> None:
    """One plain line."""
    CONSOLE.print(escape(text), soft_wrap=True)


def alarm(text: str) -> None:
    """Something that must not be overlooked."""
    CONSOLE.print(f"[bold red]!!![/] {escape(text)}", soft_wrap=True)
