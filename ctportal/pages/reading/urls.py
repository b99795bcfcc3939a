"""Reading: the case page, answers, reviews, the labelled set, events, profile and members."""

from django.urls import URLPattern, path

from ctportal.pages.account.views import event_record, members, profile
from ctportal.pages.casework.views import case_page, labelled_set
from ctportal.pages.monitoring.views import model_list
from ctportal.pages.reading.views import answer, drafts, meanwhile, media, reading, withdrawal

urlpatterns: list[URLPattern] = [
    path("cases/<int:pk>/", case_page.show_case, name="case-detail"),
    path("cases/<int:pk>/scans/", case_page.show_scans, name="case-scans"),
    path("cases/<int:pk>/close/", case_page.close, name="case-close"),
    path("cases/<int:pk>/cancel/", case_page.cancel, name="case-cancel"),
    path("cases/<int:pk>/reopen/", case_page.reopen, name="case-reopen"),
    path("cases/<int:pk>/join/", case_page.join, name="case-join"),
    path("scans/<int:pk>/split/", case_page.split, name="scan-split"),
    path("scans/<int:pk>/withdraw/", case_page.withdraw, name="scan-withdraw"),
    path("cases/<int:pk>/read/", reading.read_case, name="case-read"),
    path("read/next/", reading.read_next, name="read-next"),
    path("scans/<int:pk>/review/", reading.review_scan, name="scan-review"),
    path("reviews/<int:pk>/withdraw/", withdrawal.withdraw, name="review-withdraw"),
    path("scans/<int:pk>/draft/", drafts.keep, name="scan-draft"),
    path("scans/<int:pk>/draft/discard/", drafts.discard, name="scan-draft-discard"),
    path("scans/<int:pk>/meanwhile/", meanwhile.show_meanwhile, name="scan-meanwhile"),
    path("scans/<int:pk>/answer/", answer.show_answer, name="scan-answer"),
    path("scans/<int:pk>/retry/", answer.retry_answer, name="scan-retry"),
    path("slices/<int:pk>/view.png", media.slice_view, name="slice-view"),
    path("slices/<int:pk>/map.png", media.slice_map, name="slice-map"),
    path("slices/<int:pk>/original", media.slice_original, name="slice-original"),
    path("labels/", labelled_set.show_labels, name="labels"),
    path("labels/export/", labelled_set.export_labels, name="labels-export"),
    path("events/", event_record.list_events, name="events"),
    path("profile/", profile.show_profile, name="profile"),
    path("profile/sessions/<int:pk>/end/", profile.end, name="session-end"),
    path("profile/tokens/", profile.issue, name="token-issue"),
    path("profile/tokens/<int:pk>/revoke/", profile.revoke, name="token-revoke"),
    path("members/", members.show_members, name="members"),
    path("members/add/", members.add, name="member-add"),
    path("members/<int:pk>/remove/", members.remove, name="member-remove"),
    path("members/<int:pk>/revoke-tokens/", members.revoke, name="member-revoke-tokens"),
    path("members/reads/", members.set_reads, name="site-reads"),
    path("members/language/", members.set_language, name="site-language"),
    path("models/", model_list.list_models, name="models"),
]
