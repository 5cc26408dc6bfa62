"""What generated mail is made of: people, hosts, and the texts of each class."""

from __future__ import annotations

FIRST = [
    "Ada",
    "Ben",
    "Cora",
    "Dov",
    "Ema",
    "Finn",
    "Gita",
    "Hana",
    "Ivo",
    "Jun",
    "Kofi",
    "Lena",
    "Milo",
    "Nia",
    "Omar",
    "Petra",
    "Quin",
    "Rosa",
    "Sami",
    "Tess",
    "Uma",
    "Vera",
    "Will",
    "Xenia",
    "Yara",
    "Zoe",
    "Åsa",
    "Çağla",
    "Łukasz",
    "Noé",
]
LAST = [
    "Abel",
    "Berg",
    "Costa",
    "Dahl",
    "Evans",
    "Fuchs",
    "Grant",
    "Holm",
    "Iqbal",
    "Jansen",
    "Kovac",
    "Lind",
    "Moser",
    "Nagy",
    "Ortiz",
    "Park",
    "Quist",
    "Rossi",
    "Sato",
    "Tran",
    "Usman",
    "Vogel",
    "Weiss",
    "Xu",
    "Young",
    "Zeman",
    "Müller",
    "Søren",
]
HOSTS = ("mail", "mx1", "mx2", "smtp", "relay", "out-3", "gw", "edge")
PERSONAL = ("example.com", "example.org", "example.net", "home.example", "post.example")
COMPANIES = (
    "acme.example",
    "bluefin.example",
    "northwind.example",
    "orbit.example",
    "quarry.example",
)
SHOPS = ("shop.example", "fresh-deals.example", "garden.example", "books.example", "travel.example")
SPAM_DOMAINS = ("best-offer4u.test", "cheap-meds-99.test", "win2day.test", "loan-xpress.test")
BRANDS = ("Riverbank", "PayBridge", "CloudBox", "ParcelNow", "StreamHouse")
LISTS = ("pydev", "kernel-talk", "gardeners", "chess-club", "city-council")
TOPICS = (
    "the quarterly report", "the release plan", "our meeting", "the new office", "the budget",
    "the test results", "the parser bug", "the garden fence", "dinner on Friday", "the trip",
    "the reading group", "the server move", "your question", "the contract", "photos from Sunday",
)  # fmt: skip
PRODUCTS = (
    "running shoes",
    "a desk lamp",
    "coffee beans",
    "a rain jacket",
    "two novels",
    "headphones",
)
FOREIGN = {
    "windows-1251": ("Привет, как дела", "Отчёт за квартал готов, посмотри пожалуйста"),
    "koi8-r": ("Встреча в пятницу", "Скидки на всё до конца недели"),
    "gb2312": ("会议通知", "您好，请查收附件中的报告，谢谢"),
    "iso-2022-jp": ("会議のお知らせ", "添付の資料をご確認ください"),
    "iso-8859-1": ("Réunion décalée à vendredi", "Grüße aus Zürich, très à bientôt"),
    "utf-8": ("Łódź – zaproszenie ✉", "Καλημέρα, η αναφορά είναι έτοιμη"),
}

SENTENCES = {
    "personal": (
        "I hope you are well and that the move went smoothly.",
        "We talked about {topic} yesterday and I promised to write to you.",
        "Could you bring the book that I lent you last month?",
        "The children ask every day when you will visit again.",
        "It rained all weekend, so we stayed in and played cards.",
        "Let me know whether Saturday or Sunday suits you better.",
        "I tried the recipe, and it needs a little less salt, I think.",
        "Thanks again for your help with {topic}, it meant a lot.",
    ),
    "work": (
        "Please find below my notes on {topic}.",
        "The build failed twice last night; the log points at a missing header.",
        "I moved {topic} to Thursday, as two of us are travelling.",
        "Can you review the change before noon? It is about forty lines.",
        "The customer asked for the figures by the end of the month.",
        "As discussed, the second milestone depends on the first.",
        "I attach the draft; comments in the margin are welcome.",
        "We measured it three times and the difference stays below two percent.",
    ),
    "transactional": (
        "Thank you for your order {number} of {product}.",
        "Your parcel has left our warehouse and should arrive on {day}.",
        "We received your payment of {amount}.",
        "Your receipt is attached for your records.",
        "You can see the state of your order in your account at any time.",
        "Your appointment on {day} is confirmed.",
        "This message was sent because you placed an order with us.",
    ),
    "list": (
        "On {day} somebody wrote that {topic} should wait; I do not agree.",
        "> Has anybody seen this with the current version?",
        "Yes, it is fixed in the branch, see the change from last week.",
        "I would rather keep the old behaviour behind an option.",
        "The patch applies cleanly, and the tests pass here.",
        "Could the maintainers comment on {topic}, please?",
        "+1 from me, with one remark on the naming.",
    ),
    "marketing": (
        "This week only: {product} at {percent} off.",
        "New in our store: everything for spring, chosen by our team.",
        "Read in our newsletter how {product} is made.",
        "Members get free delivery on orders above {amount}.",
        "You receive this newsletter because you signed up on our site.",
        "To stop receiving it, use the unsubscribe link below.",
        "Our autumn catalogue is here, with recipes and stories.",
    ),
    "spam": (
        "LOSE WEIGHT FAST!!! Doctors hate this simple trick, order now!",
        "V1agra and C1alis at {percent} OFF, no prescription needed.",
        "Make {amount} a week working from home, guaranteed, no experience!",
        "Your loan is pre-approved, bad credit no problem, act now!!!",
        "Hot singles in your area want to meet you tonight, click here.",
        "Casino bonus {amount} free, 100% risk free, play today!",
        "Cheap replica watches, fast shipping worldwide, limited time offer.",
        "This is a one time mailing, remove yourself by replying with REMOVE.",
    ),
    "scam": (
        "I am the attorney of the late Engineer {name}, who left {amount} in a bank in our country.",
        "You were chosen as the next of kin, and I seek your consent to transfer the funds.",
        "Your email address has won {amount} in the international online lottery.",
        "Please treat this as strictly confidential and send your full name and bank details.",
        "You are entitled to forty percent of the sum for your assistance.",
        "To release the prize, a processing fee must be paid by money order.",
        "May God bless you as you help a dying widow in this transaction.",
    ),
    "phish": (
        "We noticed unusual activity on your account and have limited it.",
        "Verify your account within 24 hours, or it will be suspended.",
        "Click the link below and sign in to confirm your billing information.",
        "Your password expires today; keep the same password by confirming it.",
        "A payment of {amount} was made from your account. If this was not you, sign in now.",
        "Dear customer, our security department needs you to update your details.",
    ),
}  # fmt: skip
SUBJECTS = {
    "personal": ("Re: {topic}", "Hello from us", "{topic}", "see you soon", "Re: Re: {topic}"),
    "work": ("{topic}", "Re: {topic}", "Fwd: notes on {topic}", "[review] {topic}", "minutes"),
    "transactional": ("Your order {number}", "Receipt for {product}", "Appointment on {day} confirmed"),
    "list": ("[{list}] {topic}", "Re: [{list}] {topic}", "[{list}] digest {number}"),
    "marketing": ("{percent} off {product}", "Our newsletter: {product}", "New this week"),
    "spam": (
        "LOSE 30 POUNDS NOW!!!", "V1agra {percent} OFF", "Make {amount} FAST $$$", "Hot singles near you",
        "You are pre-approved!!!", "FREE casino bonus", "Re: your prescription {number}",
    ),
    "scam": ("URGENT BUSINESS PROPOSAL", "You have won {amount}", "FROM THE DESK OF {name}", "Dear friend"),
    "phish": ("Your account has been limited", "Action required: verify {brand}", "{brand} security alert"),
}  # fmt: skip
SHARES = (
    ("personal", 0.20), ("work", 0.20), ("list", 0.16), ("transactional", 0.09), ("marketing", 0.10),
    ("spam", 0.14), ("scam", 0.05), ("phish", 0.06),
)  # fmt: skip
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
