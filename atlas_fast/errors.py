"""The exceptions of atlas_fast.

AtlasFastError
|-- SourceError       a mailbox, folder or stream that cannot be read
|   `-- ImapError     an IMAP server that is away, refuses, or does not keep to the protocol
|-- StoreError        a store that cannot be opened or written
|-- ModelError        a model that is missing, damaged or of another feature layout
`-- UsageError        a request that makes no sense: an unknown source form, an empty training set
"""


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


class UsageError(AtlasFastError):
    """The request makes no sense."""
