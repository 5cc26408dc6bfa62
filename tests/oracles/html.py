"""Text and links of HTML by the standard library's tokenizer; for documents that are well formed."""

from html.parser import HTMLParser

BLOCKS = set(
    [
        "p",
        "div",
        "br",
        "tr",
        "table",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "pre",
        "blockquote",
        "center",
        "body",
        "head",
        "html",
        "section",
        "article",
        "header",
        "footer",
        "nav",
        "main",
        "address",
        "fieldset",
        "tbody",
        "thead",
        "tfoot",
        "caption",
        "option",
        "select",
        "textarea",
    ]
)
CELLS = {"td", "th"}
SPACE = "".join(map(chr, range(33))) + "\u00a0"


class Reader(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.out, self.space, self.dropped, self.links = [], "", None, []

    def due(self, kind):
        if kind == "\n" or not self.space:
            self.space = kind

    def handle_starttag(self, tag, attrs):
        if tag in BLOCKS:
            self.due("\n")
        elif tag in CELLS:
            self.due(" ")
        if tag in ("script", "style", "title"):
            self.dropped = tag
        for name, value in attrs:
            if tag == "a" and name == "href":
                self.links.append(value or "")

    def handle_endtag(self, tag):
        if tag in BLOCKS:
            self.due("\n")
        elif tag in CELLS:
            self.due(" ")
        if tag == self.dropped:
            self.dropped = None

    def handle_data(self, data):
        if self.dropped:
            return
        for char in data:
            if char in SPACE:
                self.due(" ")
                continue
            if self.space and self.out:
                self.out.append(self.space)
            self.space = ""
            self.out.append(char)


def read(text: str):
    """(text, targets of links)."""
    reader = Reader()
    reader.feed(text)
    reader.close()
    return "".join(reader.out), reader.links
