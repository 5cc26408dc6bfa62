"""The policy for one message, in plain Python: (rule, action, stored category)."""

SCHEDULERS = [
    "xtime.com",
    "calendly.com",
    "acuityscheduling.com",
    "appointmentplus.com",
    "setmore.com",
    "bookingbug.com",
    "simplybook.me",
    "schedulicity.com",
    "appointy.com",
    "appointmentquest.com",
]
SHOPS = [
    "paypal.com",
    "stripe.com",
    "square.com",
    "amazon.com",
    "walmart.com",
    "target.com",
    "bestbuy.com",
    "ups.com",
    "fedex.com",
    "usps.com",
    "chase.com",
    "bankofamerica.com",
    "wellsfargo.com",
    "apple.com",
    "microsoft.com",
    "google.com",
    "ebay.com",
    "etsy.com",
    "shopify.com",
]
APPOINTMENTS = [
    "appointment scheduled",
    "appointment confirmed",
    "appointment booked",
    "booking confirmation",
    "service appointment",
    "your appointment",
    "upcoming appointment",
    "appointment reminder",
    "scheduled for",
    "appointment details",
]
ORDERS = [
    "order confirmation",
    "payment confirmation",
    "receipt for",
    "invoice #",
    "shipping confirmation",
    "delivery confirmation",
    "pickup ready",
    "account statement",
    "password reset",
    "account verification",
    "subscription renewal",
    "membership renewal",
    "billing statement",
    "service notification",
    "warranty information",
    "product registration",
]
CARS = [
    "dealership",
    "honda",
    "toyota",
    "ford",
    "chevrolet",
    "hyundai",
    "nissan",
    "bmw",
    "mercedes",
    "audi",
    "volkswagen",
    "subaru",
    "mazda",
    "kia",
    "service center",
    "auto service",
    "car service",
    "vehicle service",
]


def low(text):
    return "".join("i" if c == "\u0130" else c for c in text).lower()


def listed(address, domain, names):
    address, domain = address.lower(), domain.lower()
    return address in names or any(
        domain == name or domain.endswith("." + name) for name in names if "@" not in name
    )


SPF = {"fail": -25, "softfail": -10, "pass": 5}
DKIM = {"fail": -20, "pass": 5}


def shifted(spam, spf, dkim):
    """Percent points on the confidence: the original's table, turned round for spam."""
    points = SPF.get(spf, 0) + DKIM.get(dkim, 0) + (5 if spf == dkim == "pass" else 0)
    points = max(-30, min(10, points))
    return -points if spam else points


def ruled(mail, policy, allowed):
    """`mail`: subject, name, address, domain, trust (0 unknown, 1 passed, 2 failed), dmarc_failed,
    category, probability, spf, dkim, flag; `policy`: keywords, subjects, protected, whitelist; `allowed`: the
    original's first answer on the sender."""
    subject, address, domain = low(mail["subject"]), mail["address"], mail["domain"]
    spam = mail["category"] >= 2
    failed, passed = mail["trust"] == 2, mail["trust"] == 1
    if mail["flag"] in ("PROTECT", "RESEARCH"):
        return "FLAG_PROTECTED", 0, None
    if any(text in subject for text in policy["subjects"]):
        return "USER_PROTECTED", 0, None
    if listed(address, domain, policy["protected"]) and not failed:
        return "USER_PROTECTED", 0, None
    places = (subject, low(mail["name"]), low(address))
    keyword = any(text in place for text in policy["keywords"] for place in places)
    if spam or keyword or mail["flag"] == "DELETE":
        sure = round(mail["probability"] * 1000) >= 900 or mail["category"] == 4
        for texts, domains, words, rule in (
            (APPOINTMENTS, SCHEDULERS, CARS, "APPOINTMENT"),
            (ORDERS, SHOPS, (), "TRANSACTION"),
        ):
            if failed or not any(text in subject for text in texts):
                continue
            named = listed(address, domain, domains)
            if sure and not (named and passed):
                continue
            if named or any(word in place for word in words for place in places):
                return rule, 0, "BUSINESS_TRANSACTION"
    if mail["flag"] == "DELETE":
        return "FLAGGED_FOR_DELETION", 1, "Flagged for Deletion"
    if keyword:
        return ("MULTI_MATCH" if spam else "USER_KEYWORD"), 1, "User Keyword"
    shift = shifted(spam, mail["spf"], mail["dkim"])
    sure = round(mail["probability"] * 1000) + 10 * shift >= 900  # in tenths, as it is stored
    if mail["category"] == 2 and not sure and not allowed:
        return "DOMAIN", 0, None
    if listed(address, domain, policy["whitelist"]):
        if mail["dmarc_failed"]:
            return "SPOOFED_WHITELIST", 1, "Phishing"
        if spam and not failed:
            return "WHITELIST", 0, "Whitelisted"
    return "", int(spam), None
