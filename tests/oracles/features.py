"""Feature rows, plainly: the groups in their order, as docs/features.md has them."""

from oracles import facts, lexicon, wording

DAMAGE_FLAGS = 0x1FFFA0


def make(m, terms, categories, n_categories):
    """(indices, data, ends, terms by category) of one message, a dictionary of plain values;
    `terms` of the lexicon and the category of each."""
    if not m["named"] and not m["links"] and not m["text"].strip(b" \t\r\n"):
        return [], [], [0] * 9, [0] * n_categories
    row = wording.Row(len(m["text"]))
    stop = wording.without_footer(m["text"])
    text = m["text"][:stop]
    subject, replies = wording.without_marks(m["subject"])
    here = [one[:3] for one in m["links"] if one[3] < stop or stop == 0]
    ends = []

    def end():
        ends.append(len(row.indices))

    # Joined by bytes that are in no word: letters of two lines never spell one.
    lines = b"\n\n".join(wording.text(row, text))
    title = wording.subject(row, subject)
    end()
    row.form()
    found = [0] * n_categories
    for part in (lines, title):
        for _, _, term in lexicon.find(terms, part):
            found[categories[term]] = min(found[categories[term]] + 1, 255)
    for category, count in enumerate(found):
        if count:
            row.fact(facts.LEXICON, category, wording.log2(min(count, 8)))
    end()
    facts.text(row, text)
    facts.subject(row, subject, 2 in m["fields"], replies)
    end()
    facts.links(row, here, m["domain"])
    end()
    facts.parts(row, m["parts"], m["hidden"], stop)
    for bit in range(21):
        if m["flags"] & DAMAGE_FLAGS & 1 << bit:
            row.fact(facts.DAMAGE, bit, 1)
    end()
    facts.sender(row, m["name"], m["address"], m["domain"])
    facts.identity(row, m["domain"], m["reply"], m["msgid"], m["fields"])
    facts.fields(row, m["fields"], m["named"])
    row.fact(facts.RECIPIENTS, 0, wording.log2(m["recipients"]))
    end()
    facts.origin(row, m["received"], m["domain"])
    end()
    facts.authentication(row, m["fields"], m["results"])
    end()
    row.close(1.0)
    facts.url_words(row, here)
    end()
    row.close(0.5)
    return row.indices, row.data, ends, found
