"""The exceptions of tropix: what was found, what was expected, what to do."""


class TropixError(Exception):
    """The base of every error that tropix raises on purpose."""


class InvalidInput(TropixError, ValueError):
    """An argument or a file does not say what it must: wrong shape, NaN, contradictory bounds."""


class FormatError(InvalidInput):
    """A file is truncated, malformed, of another format, or announces more than it holds."""


class Unsupported(TropixError, NotImplementedError):
    """The input is well formed, but no exact rule exists for it here; the text says what is supported."""
