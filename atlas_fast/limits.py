"""Every cap: one name, its value, unit and reason. docs/limits.md is generated from this file."""

from __future__ import annotations

MAX_MESSAGE_BYTES = 64 << 20
"""Bytes of one message that are read; the rest is not looked at (flag MSG_CUT)."""

MAX_FIELDS = 10_000
"""Header fields of one message that are kept; more are skipped (flag HDR_TOO_MANY_FIELDS)."""

MAX_FIELD_BYTES = 64 << 10
"""Bytes of one field body that are decoded to text (flag HDR_FIELD_CUT); spans keep the whole."""

MAX_ADDRESSES = 1_000
"""Mailboxes of one address field that are kept (flag HDR_FIELD_CUT)."""

MAX_DEPTH = 32
"""Depth of the part tree; deeper parts are leaves without text (flag MIME_TOO_DEEP)."""

MAX_PARTS = 1_000
"""Parts of one message; further ones are skipped (flag MIME_TOO_MANY_PARTS)."""

MAX_TEXT_BYTES = 128 << 10
"""UTF-8 bytes of text that one message gives to the features (flag TEXT_CUT)."""

MAX_LINKS = 500
"""Links of one message that are kept (flag TEXT_CUT)."""

BATCH_MESSAGES = 1_000
"""Messages of one batch at most."""

BATCH_BYTES = 8 << 20
"""Bytes of one batch at most, unless a single message is longer."""

HEADERS_ONLY_BATCH_MESSAGES = 4_000
"""Messages of one batch at most, where bodies are left aside."""

MAX_HEADER_BYTES = 1 << 20
"""Bytes of a header section that is read where bodies are left aside (flag MSG_CUT)."""

MEMO_ENTRIES = 16_384
"""Entries of one kind that the cache keeps in the process; the least used go."""

CACHE_BYTES = 64 << 20
"""Bytes of the cache file; when it is full all its entries are dropped."""

CACHE_PENDING = 100_000
"""Entries that wait to be written to the cache file; further ones are not kept there."""

MAX_RANGES = 50_000_000
"""Networks of one MMDB file; one with more is refused (a tree can be made to grow endlessly)."""

MAX_HOPS = 100
"""Received fields of one message that are walked for its origin (reason TOO_MANY_HOPS)."""

MAX_TRUSTED = 1_000
"""Trusted relays in the settings: addresses and prefixes, and names, each."""

MAX_AUTH_FIELDS = 50
"""Authentication-Results fields of one message that are read; also DKIM-Signature fields."""

MAX_AUTH_METHODS = 64
"""Statements of one Authentication-Results field that are read."""

MAX_AUTH_PROPERTIES = 32
"""Properties of one statement, and pairs of a Received-SPF field, that are read."""

MAX_TAGS = 64
"""Tags of a DKIM or ARC field that are read."""

MAX_ARC_SETS = 50
"""ARC sets of one message (RFC 8617, 4.2.1); a higher instance number breaks the chain."""

MAX_DOMAIN_BYTES = 255
"""Bytes of a domain that is compared; a longer one counts as absent."""

MAX_VERIFIED_SIGNATURES = 5
"""DKIM-Signature fields of one message that `--verify-auth` checks."""

MAX_DNS_QUERIES = 60
"""Questions to the DNS for one message; answers of the cache are not counted."""

MAX_DNS_SECONDS = 20
"""Seconds that all questions of one message may wait for the DNS."""

MAX_DNS_ANSWERS = 50_000
"""Answers of the DNS that are kept in memory; the oldest go."""

MAX_DNS_TTL = 86_400
"""Seconds that an answer of the DNS is kept at most."""

NEGATIVE_DNS_TTL = 300
"""Seconds that the absence of a name is remembered."""

MAX_LABEL_BYTES = 63
"""Octets of a label that is decoded from punycode, characters of one that is compared with brands;
a longer one is left as it is (RFC 1035, 2.3.4)."""

MAX_NAME_CHARACTERS = 253
"""Characters of a domain that is asked about over the network; a longer one has no answer."""

ONLINE_ANSWERS = 20_000
"""Answers of WHOIS and DNS that a process keeps; the oldest go first."""

METRIC_OPERATIONS = 10_000
"""Operations that compat's performance monitor counts by name; further ones are `other`."""

IMAP_BODY_BYTES = 64 << 10
"""Bytes of a message, from its start, that are fetched over IMAP; more is MSG_CUT."""

IMAP_HEADER_BYTES = 1 << 20
"""Bytes that are fetched of a message whose header section is longer than IMAP_BODY_BYTES."""

IMAP_WINDOW = 5_000
"""Messages that one FETCH asks for at most."""

IMAP_SET_BYTES = 7_000
"""Bytes of a set of UIDs in a command; servers take lines of 8,000."""

IMAP_LINE_BYTES = 16 << 20
"""Bytes of a response line, literals apart; a SEARCH answer has all UIDs in one."""

IMAP_LITERAL_BYTES = 1 << 20
"""Bytes of a literal that is not a message body."""

IMAP_LITERALS = 16
"""Literals of one response that is not a message body."""

IMAP_DEPTH = 20
"""Depth of parentheses in a response."""

IMAP_VALUES = 20_000
"""Values in a response that is taken apart."""

IMAP_LINES = 500_000
"""Untagged responses to one command, beyond those that were asked for."""

IMAP_MESSAGES = 20_000_000
"""Messages of one folder; a SEARCH answer that claims more is refused."""

IMAP_FOLDERS = 20_000
"""Folders that a LIST answer may have."""

IMAP_SECONDS = 60
"""Seconds that one command waits for the server in all, before the bytes that arrive add to it."""

IMAP_SLOWEST = 4_096
"""Bytes that arrive for each further second that a command may wait."""

IMAP_RETRIES = 5
"""New connections in a row that brought nothing further, after which a run gives up."""

MAX_POLICY_TEXTS = 1_000
"""Keywords of the user's, and protected texts of a subject; a policy with more is refused."""

MAX_POLICY_NAMES = 100_000
"""Protected senders, and whitelisted ones; a policy with more is refused."""

MAX_POLICY_FLAGS = 1_000_000
"""Flagged messages that a run knows; with more it is refused, as it could not protect them all."""

MAX_LESSONS = 10_000
"""Corrected messages that a model learns from; the oldest go."""

MAX_WEB_BODY = 256 << 10
"""Bytes of one request to the web interface; a longer one is refused (413)."""

MAX_WEB_UPLOAD = 4 << 20
"""Bytes of a request that imports settings."""

MAX_WEB_SESSIONS = 10_000
"""Log-outs that are remembered; when there are more, every session ends."""

MAX_WEB_ADDRESSES = 10_000
"""Client addresses that the rate limits tell apart; the ones seen longest ago are forgotten."""

MAX_WEB_SECRET = 1_024
"""Characters of a password or token that are looked at; a longer one is wrong."""

MAX_WEB_TEXT = 2_000
"""Characters of one value from mail on a page; the rest is cut, and the page says so."""

MAX_WEB_SEARCH = 200
"""Characters of one filter of the message list; a longer one is refused."""

MAX_WEB_RECENT = 32 << 20
"""Bytes of answers of the web interface that are kept for a moment, to be given again."""

MAX_WEB_RECENT_ANSWER = 1 << 18
"""Bytes of one of them; a longer one is made each time."""

MAX_WEB_CSV = 10_000
"""Messages of one CSV file that the web interface gives; `atlas-fast export` has no such cap."""

MAX_WEB_CSV_SECONDS = 30
"""Seconds that finding them may take; then the download breaks off, and is no whole file."""

VIEW_MILLISECONDS = 500
"""Milliseconds that one question of a page to the store may take; then the page does without it."""

VIEW_PAGE = 50
"""Messages of one page of a list."""

VIEW_LOOKED_AT = 20_000
"""Rows that a search looks at one by one where the search index does not have them (yet); the page
then says how far it came."""

VIEW_COUNTED = 1_000
"""Messages of a search that are counted; beyond, there are more than that."""

VIEW_COUNTED_TOGETHER = 100
"""The same where several words or filters must all hold."""

VIEW_RUNS = 50
"""Runs of one page of a list."""

VIEW_IDS = 500
"""Messages that one request may judge, protect or flag."""

LIVE_STREAMS = 50
"""Streams of live figures that are open at a time."""

LIVE_SECONDS = 3_600
"""Seconds that a stream of live figures lasts; the page opens another."""

LIVE_BYTES = 256 << 10
"""Bytes of a file of live figures; a longer one is not read."""

LEXICON_TERMS = 200_000
"""Terms of a lexicon file; one with more is refused."""

MODEL_BYTES = 64 << 20
"""Bytes of a model file; a larger one is refused."""

# Kernels import nothing: these are constants of theirs, and a test compares.

FEATURES = 12_288
"""Features of one message; further ones are left out."""

FEATURE_WORDS = 3_000
"""Words and marks of one text that become features; the rest is not read, terms included."""

FEATURE_WORD_BYTES = 24
"""Bytes of a word that is a feature of its own; a longer one counts by its length."""

FEATURE_FOOTER_BYTES = 1_500
"""Bytes at the end of a text in which the rule above a footer is looked for."""

FEATURE_LINKS = 100
"""Links of one message whose features are made; all are counted."""

FEATURE_SITES = 32
"""Sites of links that are told apart in one message."""

FEATURE_PARTS = 50
"""Parts of one message whose features are made."""

FEATURE_FIELDS = 100
"""Header fields of one message whose spelling is looked at."""

FEATURE_FIELD_BYTES = 500
"""Bytes of a field, and of a link behind its host, whose form is looked at."""

FEATURE_TERMS = 8
"""Terms of one category of the lexicon that count as a feature."""

TERM_WORDS = 16
"""Words of a term of the lexicon; a longer one is refused."""

SPELLED_LETTERS = 25
"""Letters that stand apart and are read as a word; as many, or more, are none."""

REASON_FEATURES = 16
"""Features of a message that the kernel picks as reasons; more cannot be asked for."""

REASON_HUNDREDTHS = 1_000_000
"""Hundredths of a logit that a stored reason tells at most."""

URL_BYTES = 2_048
"""Bytes of a link's target that are kept."""

TAG_NAME_BYTES = 12
"""Bytes of the name of an HTML tag or entity; a longer one is none that counts."""

BOUNDARY_BYTES = 200
"""Bytes of a multipart's boundary (RFC 2046 allows 70); a longer one is none."""

DELIMITER_PADDING = 1_000
"""White space behind a delimiter of parts; with more the line is none."""

PART_FIELDS = 1_000
"""Header fields of one part that are looked at."""

MAX_LEVELS = 64
"""Depth of parts that the kernel can keep; MAX_DEPTH is at most this."""

PARAMETER_SECTIONS = 64
"""Sections of one parameter (RFC 2231) that are read."""

DATE_TOKENS = 32
"""Words and numbers of a date that are read; a date-time has at most ten."""

CHARSET_NAME_BYTES = 40
"""Bytes of the charset's name in an encoded-word; with more it is none."""

SEPARATOR_BYTES = 1_024
"""Bytes of a line of an mbox that may separate messages."""

CONTENT_LENGTH_HEAD_BYTES = 1 << 20
"""Bytes of a header section in which an mbox's Content-Length is looked for."""
