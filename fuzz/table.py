"""The targets, and which kernels each of them drives."""

TARGETS = {
    "addresses": ("addresses",),
    "authres": ("authres",),
    "authverdict": ("authverdict", "authres"),
    "charsets": ("charsets",),
    "confusables": ("confusables",),
    "dates": ("dates",),
    "domains": ("domains", "namesets"),
    "headers": ("headers", "messages", "buffers"),
    "html": ("html",),
    "linear": ("score", "learn"),
    "mboxscan": ("mboxscan",),
    "message": ("headers", "mime", "features"),
    "mime": ("mime",),
    "msgids": ("msgids",),
    "origin": ("origin",),
    "params": ("params",),
    "received": ("received",),
    "suffix": ("suffix",),
    "transfer": ("transfer",),
    "words": ("words",),
}
