"""Splits search values at `,` `|` `$` where these are not escaped with a backslash.

Source: R4 search.html#escaping
"""

import re

_SPECIAL = re.compile(r"([,|$\\])")
_ESCAPED = re.compile(r"\\([,|$\\])")


def split(text: str, separator: str) -> list[str]:
    """Split at an unescaped separator; the parts keep their escapes."""
    if separator not in text:
        return [text]
    parts = [""]
    escaped = False
    for character in text:
        if character == separator and not escaped:
            parts.append("")
            continue
        parts[-1] += character
        escaped = character == "\\" and not escaped
    return parts


def escape(text: str) -> str:
    """The text as a search value that means it literally."""
    return _SPECIAL.sub(r"\\\1", text)


def unescape(text: str) -> str:
    r"""Remove the backslashes of `\,` `\|` `\$` and `\\`."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text
