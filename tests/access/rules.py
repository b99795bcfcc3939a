"""Who may do what at which address: one line for each, read by the walk over all addresses.

Callers are the cast at Radiology North; Otto, who has every role at Radiology South alone, is the outsider.
"""

from __future__ import annotations

from collections.abc import Callable

from accounts.rights import Right

IN, LOG_IN, DENIED, ABSENT, NO_METHOD = "in", "log in", "denied", "absent", "no method"
INVALID, UNWELL = "invalid", "unwell"  # what was sent is refused; a part of the portal does not run
Expected = frozenset[str]
Kind = Callable[[str], Expected]

VIEW, UPLOAD, REVIEW, CLOSE, MANAGE = Right.VIEW, Right.UPLOAD, Right.REVIEW, Right.CLOSE, Right.MANAGE
RIGHTS = {
    "cara": {VIEW, UPLOAD},
    "rita": {VIEW, REVIEW, CLOSE},
    "max": {VIEW, CLOSE, MANAGE},
    "sue": {VIEW, MANAGE},
    "bea": {VIEW, REVIEW, CLOSE, MANAGE},
    "otto": set(Right),
}
OUTSIDER = "otto"


def _only(*words: str) -> Expected:
    return frozenset(words)


def _let_in() -> Expected:
    """Who has the right gets as far as the check of what was sent; who lacks it never does."""
    return _only(IN, INVALID)


def public(who: str) -> Expected:
    return _let_in()


def readiness(who: str) -> Expected:
    """Open to all; no worker runs beside the tests."""
    return _only(IN, UNWELL)


def log_out(who: str) -> Expected:
    """Leads to the log-in, whoever comes."""
    return _only(LOG_IN, IN)


def person(who: str) -> Expected:
    """Anybody who has logged in."""
    return _only(LOG_IN) if who == "anonymous" else _let_in()


def keyed(who: str) -> Expected:
    """Expects the key of a page that was opened here; the walk brings none."""
    return _only(DENIED)


def nobody(who: str) -> Expected:
    return _only(ABSENT)


def of(*rights: Right) -> Kind:
    """Expects an object of North, and one of these rights there."""

    def expected(who: str) -> Expected:
        if who == "anonymous":
            return _only(LOG_IN)
        if who == OUTSIDER:
            return _only(ABSENT)
        return _let_in() if RIGHTS[who] & set(rights) else _only(DENIED)

    return expected


def anywhere(right: Right) -> Kind:
    """What belongs to no site yet, or to all of the caller's."""

    def expected(who: str) -> Expected:
        if who == "anonymous":
            return _only(LOG_IN)
        return _let_in() if right in RIGHTS[who] else _only(DENIED)

    return expected


def created_at_north(right: Right) -> Kind:
    """What the request asks to create at North: the outsider may name neither that site nor its patients."""

    def expected(who: str) -> Expected:
        return _only(INVALID, DENIED, ABSENT) if who == OUTSIDER else of(right)(who)

    return expected


def unseen_without(right: Right) -> Kind:
    """An object of North that nobody without the right there sees."""

    def expected(who: str) -> Expected:
        found = of(right)(who)
        return _only(ABSENT) if found == {DENIED} else found

    return expected


def installation(who: str) -> Expected:
    """What serves all sites: the administrator, or who manages every one of them."""
    if who == "anonymous":
        return _only(LOG_IN)
    return _let_in() if who == "sue" else _only(DENIED, ABSENT)


def own(owner: str) -> Kind:
    """Expects a thing of one person."""

    def expected(who: str) -> Expected:
        if who == "anonymous":
            return _only(LOG_IN)
        return _let_in() if who == owner else _only(ABSENT)

    return expected


def own_decision(owner: str) -> Kind:
    """Expects the decision of one reader, which colleagues see and may not take back."""

    def expected(who: str) -> Expected:
        found = of(REVIEW)(who)
        return _only(DENIED) if IN in found and who != owner else found

    return expected


RULES: dict[str, dict[str, Kind]] = {
    "healthz": {"GET": public},
    "healthz_live": {"GET": public},
    "script-texts": {"GET": public},
    "healthz_ready": {"GET": readiness},
    # --- accounts ---
    "account_login": {"GET": public, "POST": public},
    "account_logout": {"GET": log_out, "POST": log_out},
    "account_inactive": {"GET": public},
    "account_signup": {"GET": public, "POST": public},
    "account_email": dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), nobody),
    "account_email_verification_sent": {"GET": public},
    "account_confirm_email": {"GET": public, "POST": nobody},
    "account_reauthenticate": {"GET": person, "POST": person},
    "account_change_password": {"GET": person, "POST": person},
    "account_set_password": {"GET": person, "POST": person},
    "account_reset_password": {"GET": public, "POST": public},
    "account_reset_password_done": {"GET": public},
    "account_reset_password_from_key": {"GET": public, "POST": public},
    "account_reset_password_from_key_done": {"GET": public},
    "account_confirm_login_code": {"GET": log_out, "POST": log_out},
    "profile": {"GET": person, "POST": person},
    "session": {"GET": person},
    "session-end": {"POST": own("rita")},
    "token-issue": {"POST": person},
    "token-revoke": {"POST": own("rita")},
    "theme": {"POST": person},
    "help": {"GET": person, "POST": person, "PUT": person, "PATCH": person, "DELETE": person},
    "members": {"GET": anywhere(MANAGE)},
    "member-add": {"POST": anywhere(MANAGE)},
    "member-remove": {"POST": of(MANAGE)},
    "member-revoke-tokens": {"POST": of(MANAGE)},
    "site-reads": {"POST": anywhere(MANAGE)},
    "site-language": {"POST": anywhere(MANAGE)},
    # The walk names no catalogue that there is; one that there is holds the scripts' words, for everybody.
    "events": {"GET": anywhere(MANAGE)},
    # --- casework ---
    "worklist": {"GET": person, "POST": person},
    "patient-list": {"GET": person, "POST": person},
    "patient-create": {"GET": anywhere(UPLOAD), "POST": anywhere(UPLOAD)},
    "patient-detail": {"GET": of(VIEW)},
    "patient-edit": {"GET": of(UPLOAD), "POST": of(UPLOAD)},
    "case-create": {"GET": anywhere(UPLOAD), "POST": anywhere(UPLOAD)},
    "case-edit": {"GET": of(UPLOAD), "POST": of(UPLOAD)},
    "case-assign": {"POST": of(UPLOAD, REVIEW)},
    "case-upload": {"POST": of(UPLOAD)},
    "case-detail": {"GET": of(VIEW)},
    "case-scans": {"GET": of(VIEW)},
    "case-close": {"POST": of(CLOSE)},
    "case-reopen": {"POST": of(CLOSE)},
    "case-cancel": {"POST": of(MANAGE)},  # and for the clinician who has opened the case
    "case-join": {"POST": of(UPLOAD, MANAGE)},
    "scan-split": {"POST": of(UPLOAD, MANAGE)},
    "scan-withdraw": {"POST": of(UPLOAD)},
    # --- reading ---
    "case-read": {"GET": of(VIEW)},
    "read-next": {"GET": person},
    "scan-review": {"POST": of(REVIEW)},
    "review-withdraw": {"POST": own("rita")},
    "scan-answer": {"GET": of(VIEW)},
    "scan-draft": {"POST": keyed},
    "scan-draft-discard": {"POST": of(VIEW)},
    "scan-meanwhile": {"GET": of(VIEW)},
    "scan-retry": {"POST": of(UPLOAD, REVIEW)},
    "slice-view": {"GET": of(VIEW)},
    "slice-map": {"GET": of(VIEW)},
    "slice-original": {"GET": of(VIEW)},
    "labels": {"GET": anywhere(MANAGE)},
    "labels-export": {"POST": anywhere(MANAGE)},
    "models": {"GET": person},
    "model-detail": {"GET": person},
    "model-card": {"GET": person},
    "prediction-lineage": {"GET": of(VIEW)},
    "scan-lineage": {"GET": of(VIEW)},
    "site-acceptances": {"GET": anywhere(MANAGE)},
    "site-acceptance": {"GET": of(MANAGE)},
    "site-acceptance-accept": {"POST": of(MANAGE)},
    "site-acceptance-decline": {"POST": of(MANAGE)},
    "site-acceptance-revert": {"POST": of(MANAGE)},
    "monitoring": {"GET": anywhere(MANAGE)},
    "monitoring-table": {"GET": anywhere(MANAGE)},
    # --- learning ---
    "learning": {"GET": anywhere(MANAGE)},
    "dataset-list": {"GET": anywhere(MANAGE)},
    "dataset-build": {"GET": anywhere(MANAGE), "POST": anywhere(MANAGE)},
    "dataset-detail": {"GET": of(MANAGE)},
    "dataset-export": {"POST": of(MANAGE)},
    "dataset-lineage": {"GET": unseen_without(MANAGE)},
    "training-list": {"GET": anywhere(MANAGE)},
    "training-start": {"GET": anywhere(MANAGE), "POST": anywhere(MANAGE)},
    "training-run": {"GET": of(MANAGE)},
    "training-progress": {"GET": of(MANAGE)},
    "training-cancel": {"POST": of(MANAGE)},
    "comparison-list": {"GET": anywhere(MANAGE)},
    "comparison": {"GET": of(MANAGE)},
    "model-promote": {"POST": installation},
    "override-request": {"POST": installation},
    "override-decide": {"POST": installation},
    "model-compare": {"POST": of(MANAGE)},
    "model-refuse": {"POST": installation},
    "shadow-report": {"GET": anywhere(MANAGE)},
    "shadow-start": {"POST": installation},
    "shadow-stop": {"POST": installation},
    "model-rollback": {"POST": installation},
    "cases-reread": {"POST": anywhere(MANAGE)},
    # --- API ---
    "api:nothing": dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), nobody),
    "api:schema": {"GET": public},
    "api:docs": {"GET": public},
    "api:me": {"GET": person},
    "api:site-list": {"GET": person},
    "api:site-detail": {"GET": of(VIEW)},
    "api:patient-list": {"GET": person, "POST": created_at_north(UPLOAD)},
    "api:patient-search": {"POST": person},
    "api:patient-detail": {"GET": of(VIEW), "PATCH": of(UPLOAD)},
    "api:case-list": {"GET": person, "POST": created_at_north(UPLOAD)},
    "api:case-search": {"POST": person},
    "api:case-detail": {"GET": of(VIEW), "PATCH": of(UPLOAD, REVIEW)},
    "api:case-scans": {"POST": of(UPLOAD)},
    "api:case-close": {"POST": of(CLOSE)},
    "api:case-reopen": {"POST": of(CLOSE)},
    "api:case-cancel": {"POST": of(MANAGE)},
    "api:case-join": {"POST": of(UPLOAD, MANAGE)},
    "api:scan-split": {"POST": of(UPLOAD, MANAGE)},
    "api:scan-list": {"GET": person},
    "api:scan-detail": {"GET": of(VIEW)},
    "api:scan-lineage": {"GET": of(VIEW)},
    "api:scan-withdraw": {"POST": of(UPLOAD)},
    "api:scan-reviews": {"POST": of(REVIEW)},
    "api:slice-list": {"GET": person},
    "api:slice-detail": {"GET": of(VIEW)},
    "api:slice-image": {"GET": of(VIEW)},
    "api:slice-map": {"GET": of(VIEW)},
    "api:slice-original": {"GET": of(VIEW)},
    "api:prediction-list": {"GET": person},
    "api:prediction-detail": {"GET": of(VIEW)},
    "api:prediction-lineage": {"GET": of(VIEW)},
    "api:prediction-retry": {"POST": of(UPLOAD, REVIEW)},
    "api:review-list": {"GET": person},
    "api:review-detail": {"GET": of(VIEW)},
    "api:review-withdraw": {"POST": own_decision("rita")},
    "api:label-list": {"GET": anywhere(MANAGE)},
    "api:label-export": {"GET": anywhere(MANAGE)},
    "api:base-set-list": {"GET": anywhere(MANAGE)},
    "api:dataset-list": {"GET": anywhere(MANAGE), "POST": anywhere(MANAGE)},
    "api:dataset-detail": {"GET": of(MANAGE)},
    "api:dataset-excluded": {"GET": of(MANAGE)},
    "api:dataset-export": {"GET": of(MANAGE)},
    "api:dataset-lineage": {"GET": of(MANAGE)},
    "api:dataset-scans": {"GET": of(MANAGE)},
    "api:training-run-list": {"GET": anywhere(MANAGE), "POST": anywhere(MANAGE)},
    "api:training-run-plan": {"POST": anywhere(MANAGE)},
    "api:training-run-detail": {"GET": of(MANAGE)},
    "api:training-run-cancel": {"POST": of(MANAGE)},
    "api:comparison-request-list": {"GET": anywhere(MANAGE), "POST": anywhere(MANAGE)},
    "api:comparison-request-detail": {"GET": of(MANAGE)},
    "api:comparison-list": {"GET": anywhere(MANAGE)},
    "api:comparison-detail": {"GET": of(MANAGE)},
    "api:comparison-scans": {"GET": of(MANAGE)},
    "api:comparison-promote": {"POST": installation},
    "api:comparison-override": {"POST": installation},
    "api:comparison-decide": {"POST": installation},
    "api:learning-next-step": {"GET": anywhere(MANAGE)},
    "api:monitoring": {"GET": anywhere(MANAGE)},
    "api:monitoring-table": {"GET": anywhere(MANAGE)},
    "api:site-acceptance": {"GET": of(MANAGE)},
    "api:site-acceptance-accept": {"POST": of(MANAGE)},
    "api:site-acceptance-decline": {"POST": of(MANAGE)},
    "api:site-acceptance-revert": {"POST": of(MANAGE)},
    "api:model-list": {"GET": person},
    "api:model-detail": {"GET": person},
    "api:model-card": {"GET": person},
    "api:model-lineage": {"GET": person},
    "api:model-shadow-report": {"GET": anywhere(MANAGE)},
    "api:model-refuse": {"POST": installation},
    "api:model-start-shadow": {"POST": installation},
    "api:model-stop-shadow": {"POST": installation},
    "api:model-roll-back": {"POST": installation},
    "api:model-reread": {"POST": anywhere(MANAGE)},
}

# Addresses of no patient's data whose view takes methods that the table does not name, as it takes these.
TAKEN_AS = {"healthz": "GET", "healthz_live": "GET", "healthz_ready": "GET"} | {
    name: "POST" for name in RULES if name.startswith("account_") and "POST" in RULES[name]
}
# What a reader at a blinded site may not open before the own decision.
HIDDEN_WHEN_BLINDED = ("slice-map", "prediction-lineage")

# Which scopes of a token open a POST or PATCH; a GET takes `read`.
READS = ("api:patient-search", "api:case-search")
EITHER = ("api:case-detail", "api:case-cancel", "api:prediction-retry")
UPLOADS = (
    "api:case-join",
    "api:scan-split",
    "api:patient-list",
    "api:patient-detail",
    "api:case-list",
    "api:case-scans",
    "api:scan-withdraw",
)
REVIEWS = (
    "api:case-close",
    "api:case-reopen",
    "api:review-withdraw",
    "api:scan-reviews",
)  # a cancelled case opens again to `upload` too


def scopes_of(name: str, method: str) -> set[str]:
    if method == "GET" or name in READS:
        return {"read"}
    if name in EITHER:
        return {"upload", "review"}
    if name in UPLOADS:
        return {"upload"}
    return {"review"} if name in REVIEWS else {"train"}
