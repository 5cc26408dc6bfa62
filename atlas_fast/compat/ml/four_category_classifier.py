"""`FourCategoryClassifier`: the engine's answer with alternatives, and old names to new ones."""

from __future__ import annotations

from typing import Any

from atlas_fast.compat import engine
from atlas_fast.compat.ml.feature_extractor import MLFeatureExtractor
from atlas_fast.compat.ml.models import EngineModel
from atlas_fast.compat.terms import manager_of

__all__ = ["OLD_TO_NEW", "PRIORITIES", "FourCategoryClassifier"]

PRIORITIES = {
    "Dangerous": "CRITICAL", "Commercial Spam": "HIGH", "Scams": "HIGH",
    "Legitimate Marketing": "MEDIUM", "Legitimate": "LOW",
}  # fmt: skip

ALL = -1
"""A limit that SQLite takes for none."""

_COMMERCIAL = ("Commercial Spam", "General product marketing")
_FRAUD = ("Scams", "Advance fee fraud")
_PHISHING = ("Dangerous", "Phishing attempts")
_IMPERSONATION = ("Dangerous", "Account compromise attempts")
_PROMOTION = ("Legitimate Marketing", "Promotional emails")

OLD_TO_NEW = {
    "Phishing": _PHISHING,
    "Encoded Phishing": _PHISHING,
    "Brand Impersonation": _IMPERSONATION,
    "Encoded Brand Impersonation": _IMPERSONATION,
    "Health & Medical Spam": ("Commercial Spam", "Health & medical products"),
    "Adult & Dating Spam": ("Commercial Spam", "Adult & dating services"),
    "Gambling Spam": ("Commercial Spam", "Gambling promotions"),
    "Financial & Investment Spam": _COMMERCIAL,
    "Real Estate Spam": _COMMERCIAL,
    "Business Opportunity Spam": _COMMERCIAL,
    "Payment Scam": _FRAUD,
    "Encoded Payment Scam": _FRAUD,
    "Legal & Compensation Scams": _FRAUD,
    "Promotional Email": _PROMOTION,
    "Encoded Marketing Spam": _PROMOTION,
}
_BY_WORD = (
    (("phish", "security"), _PHISHING),
    (("spam", "commercial"), _COMMERCIAL),
    (("scam", "fraud"), _FRAUD),
)
_NOT_SPAM = frozenset((
    "Not Spam", "Community Email", "Transactional Email", "Account Notification",
    "Subscription Management", "Trusted Domain", "Legitimate Billing/Delivery",
))  # fmt: skip


class FourCategoryClassifier(EngineModel):
    """The shipped model is trained: `classify` never raises for want of one."""

    DANGEROUS = "Dangerous"
    COMMERCIAL_SPAM = "Commercial Spam"
    SCAMS = "Scams"
    LEGITIMATE_MARKETING = "Legitimate Marketing"

    def __init__(self, db_path: str | None = None):
        super().__init__(db_path)

    def classify(self, sender: str, subject: str, domain: str | None = None) -> dict[str, Any]:
        """Category, three alternatives, spam or not, priority; `domain` is not used."""
        answer = engine.classify(sender, subject)
        shares = sorted(answer.probabilities.items(), key=lambda item: -item[1])
        others = [(name, share) for name, share in shares if name != answer.category][:3]
        return {
            "category": answer.category,
            "subcategory": answer.subcategory,
            "confidence": answer.confidence,
            "subcategory_confidence": answer.confidence,
            "alternatives": [{"category": name, "confidence": share} for name, share in others],
            "is_spam": answer.is_spam,
            "priority": PRIORITIES[answer.category],
            "method": "4-category-v2",
        }

    def detect_subcategory(self, text: str, domain: str = "") -> tuple[str, float]:
        """(subcategory of a text, the model's confidence in its category)."""
        answer = engine.classify("", "", "", text)
        return answer.subcategory, answer.confidence

    def prepare_training_data(self) -> tuple[list[dict[str, Any]], list[str]]:
        """The 67 features of stored messages, newest first, and the category of each."""
        manager = manager_of(self.db_path)
        rows = [] if manager is None else manager.get_session_email_actions(ALL)
        made = MLFeatureExtractor(self.db_path)
        features = [
            made.extract_features_from_email(
                row["sender_email"], row["subject"], row["sender_domain"]
            )
            for row in rows
        ]
        return features, [self.map_old_category(row["category"])[0] for row in rows]

    def train(self) -> dict[str, Any]:
        """Learn from the corrections of the database; see feedback_processor.retrain."""
        return self._learn()

    def save_model(self, path_prefix: str | None = None) -> None:
        """Write the model that decides to `PREFIX.npz`, a file for `--model`. Raises ModelError."""
        self._model().save(f"{path_prefix or 'four_category_model'}.npz")

    def load_model(self, path_prefix: str | None = None) -> bool:
        """True: the engine has its model; the files, pickles of the original's, are not read."""
        return True

    def map_old_category(self, old_category: str) -> tuple[str, str]:
        """(category, subcategory) of a category of the original."""
        if old_category in OLD_TO_NEW:
            return OLD_TO_NEW[old_category]
        if old_category in _NOT_SPAM:
            return "Legitimate", "General Legitimate"
        lowered = old_category.lower()
        for parts, new in _BY_WORD:
            if any(part in lowered for part in parts):
                return new
        return _COMMERCIAL
