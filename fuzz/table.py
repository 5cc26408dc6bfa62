"""The targets, and which kernels each of them drives."""

TARGETS = {
    "addresses": ("addresses",),
    "charsets": ("charsets",),
    "dates": ("dates",),
    "html": ("html",),
    "linear": ("score", "learn"),
    "mboxscan": ("mboxscan",),
    "message": ("messages", "headers", "mime", "features", "buffers"),
    "msgids": ("msgids",),
    "params": ("params",),
    "received": ("received",),
    "transfer": ("transfer",),
    "words": ("words",),
}
