"""The exceptions of atlas_fast.

AtlasFastError
|-- SourceError       a mailbox, folder or stream that cannot be read
|   `-- ImapError     an IMAP server that is away, refuses, or does not keep to the protocol
|-- StoreError        a store that cannot be opened or written
|-- ModelError        a model that is missing, damaged or of another feature layout
|-- CacheError        a cache file that cannot be had; work goes on without it
|-- ReferenceDataError    reference data that is missing or cannot be built
|   `-- ReferenceDamaged  a generation of it that is not what its manifest says
|-- SettingsError     a settings file that cannot be read or says what makes no sense
`-- UsageError        a request that makes no sense: an unknown source form, an empty training set
"""


def extra(name: str) -> str:
    """How to install one of the extras, for the end of a message."""
    return f"pip install 'atlas_fast[{name}]', in a source tree pip install '.[{name}]'"


class AtlasFastError(Exception):
    """Base of all errors that atlas_fast raises on purpose; its text is one line for people."""


class SourceError(AtlasFastError):
    """A source cannot be read; the text names the place."""


class ImapError(SourceError):
    """An IMAP server is away, refuses, or does not keep to the protocol; no text has a password."""


class StoreError(AtlasFastError):
    """A store cannot be opened or written."""


class ModelError(AtlasFastError):
    """A model is missing, damaged, or of another feature layout."""


class CacheError(AtlasFastError):
    """The file of the cache cannot be had, or not in time."""


class ReferenceDataError(AtlasFastError):
    """Reference data is missing, or cannot be built; the text names the table or the source."""


class ReferenceDamaged(ReferenceDataError):
    """A generation of the reference data is not what its manifest says; the text names the part."""


class SettingsError(AtlasFastError):
    """A settings file cannot be read, or says what makes no sense; the text names file and key."""


class UsageError(AtlasFastError):
    """The request makes no sense."""
