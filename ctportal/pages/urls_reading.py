"""Reading: the case page, answers, reviews, the labelled set, events, profile and members."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
