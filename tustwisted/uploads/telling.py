"""The lines of the log that every upload leaves."""

from __future__ import annotations

from twisted.logger import Logger


def tell(log: Logger, sentence: str, /, **facts: object) -> None:
    """
    Log a sentence and the facts that it names, as ``log.info(sentence, ...)`` does.

    Twisted formats each field by itself, since one may call a method, by 25 calls of
    Python; all at once these cost two.  So what the event has as its format is text.

    :param sentence: names facts in braces, and nothing of them.
    """
    text = sentence.format_map(facts)
    log.info(text.replace("{", "{{").replace("}", "}}"), **facts)
