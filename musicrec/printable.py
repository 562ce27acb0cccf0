"""Text from outside, made fit for a terminal, which obeys what it is sent."""


def printable(text: str) -> str:
    r"""Return `text` with everything escaped that is not a visible character or a space.

    That is control characters and so every ANSI sequence, line ends, marks that turn the writing direction, zero-width
    characters, odd spaces, and halves of surrogate pairs.

    >>> print(printable("\x1b[2Jdrop\r\n \u202eexe.mp3"))
    \x1b[2Jdrop\r\n \u202eexe.mp3
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def printable_bytes(data: bytes) -> str:
    r"""Return bytes as text; what is not UTF-8 is escaped as well.

    >>> print(printable_bytes(b'{"a":"\xff\x07"}'))
    {"a":"\xff\x07"}
    """
    return printable(data.decode(errors="backslashreplace"))


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
