"""Mail on an IMAP server: folders as sources, and deletion that takes only what was chosen."""
