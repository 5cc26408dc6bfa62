"""The targets, and which kernels each of them drives."""

TARGETS = {
    "addresses": ("addresses",),
    "charsets": ("charsets",),
    "confusables": ("confusables",),
    "dates": ("dates",),
    "domains": ("domains", "namesets"),
    "geo": ("geo", "tables"),
    "headers": ("headers", "messages", "buffers"),
    "html": ("html",),
    "linear": ("score", "learn"),
    "mboxscan": ("mboxscan",),
    "message": ("headers", "mime", "features"),
    "mime": ("mime",),
    "msgids": ("msgids",),
    "params": ("params",),
    "received": ("received",),
    "suffix": ("suffix",),
    "tables": ("tables", "geo"),
    "transfer": ("transfer",),
    "words": ("words",),
}
