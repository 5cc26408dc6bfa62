"""The targets, and which kernels each of them drives."""

TARGETS = {
    "addresses": ("addresses",),
    "charsets": ("charsets",),
    "dates": ("dates",),
    "headers": ("headers", "messages", "buffers"),
    "html": ("html",),
    "linear": ("score", "learn"),
    "mboxscan": ("mboxscan",),
    "lexicon": ("lexicon", "folding"),
    "message": ("headers", "mime", "features", "facts", "wording"),
    "mime": ("mime",),
    "msgids": ("msgids",),
    "params": ("params",),
    "received": ("received",),
    "transfer": ("transfer",),
    "words": ("words",),
}
