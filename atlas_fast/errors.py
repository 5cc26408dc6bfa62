"""The exceptions of atlas_fast.

AtlasFastError
|-- SourceError       a mailbox, folder or stream that cannot be read
|-- StoreError        a store that cannot be opened or written
|-- ModelError        a model that is missing, damaged or of another feature layout
|-- CacheError        a cache file that cannot be had; work goes on without it
`-- UsageError        a request that makes no sense: an unknown source form, an empty training set
"""


class AtlasFastError(Exception):
    """Base of all errors that atlas_fast raises on purpose; its text is one line for people."""


class SourceError(AtlasFastError):
    """A source cannot be read; the text names the place."""


class StoreError(AtlasFastError):
    """A store cannot be opened or written."""


class ModelError(AtlasFastError):
    """A model is missing, damaged, or of another feature layout."""


class CacheError(AtlasFastError):
    """The file of the cache cannot be had, or not in time."""


class UsageError(AtlasFastError):
    """The request makes no sense."""
