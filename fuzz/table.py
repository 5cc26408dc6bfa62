"""The targets, and which kernels each of them drives."""

TARGETS = {
    "addresses": ("addresses",),
    "charsets": ("charsets",),
    "dates": ("dates",),
    "headers": ("headers", "messages", "buffers"),
    "html": ("html",),
    "keys": ("keys",),
    "linear": ("score", "learn"),
    "mboxscan": ("mboxscan",),
    "message": ("headers", "mime", "features"),
    "mime": ("mime",),
    "msgids": ("msgids",),
    "params": ("params",),
    "received": ("received",),
    "transfer": ("transfer",),
    "words": ("words",),
}
