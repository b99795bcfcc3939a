from typing import Any, cast

import allauth.account.admin  # noqa: F401 - registers what is taken out again below
from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress, EmailConfirmation
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.events import record_event
from accounts.membership import note_membership
from accounts.models import Action, ApiToken, Membership, Site, User
from accounts.tokens import revoke_token

admin.site.site_header = admin.site.site_title = "ctportal administration"
# The portal's own log-in counts failures and locks out; the administration's would not.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
# Rights come from memberships alone, and an account has one address: its own.
admin.site.unregister(
    [Group, *(model for model in (EmailAddress, EmailConfirmation) if admin.site.is_registered(model))]
)


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 1
    autocomplete_fields = ["site"]

    def has_change_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        """A role is given or taken, so that either is an event."""
        return False


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    inlines = [MembershipInline]
    list_display = ["username", "email", "first_name", "last_name", "is_active", "last_login"]
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email", "language", "timezone", "theme")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ["last_login", "date_joined"]
    add_fieldsets = ((None, {"fields": ("username", "email", "usable_password", "password1", "password2")}),)
    list_filter = ["is_active", "is_superuser", "memberships__site", "memberships__role"]

    def has_delete_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        """People leave by being made inactive: what they did keeps their name."""
        return False

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        if formset.model is Membership:
            for membership in formset.new_objects:
                note_membership(membership, request.user, change="added")
            for membership in formset.deleted_objects:
                note_membership(membership, request.user, change="removed")


@admin.register(Site)
class SiteAdmin(admin.ModelAdmin):
    list_display = ["name", "blinded_reads", "created_at"]
    search_fields = ["name"]
    prepopulated_fields = {"slug": ["name"]}

    def has_delete_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        """What happened at a site keeps its site."""
        return False

    def save_model(self, request: HttpRequest, obj: Site, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        action = Action.SITE_CHANGED if change else Action.SITE_CREATED
        facts = {name: getattr(obj, name) for name in form.changed_data}
        if facts:
            record_event(action, actor=request.user, site=obj, subject=obj, **facts)


class ReadOnlyAdmin(admin.ModelAdmin):
    """For rows that only the program writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object | None = None) -> bool:
        return False


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    list_display = ["name", "user", "prefix", "expires_at", "last_used_at", "revoked_at"]
    list_filter = ["expires_at"]
    exclude = ["digest"]
    actions = ["revoke"]

    @admin.action(description="Revoke the chosen tokens", permissions=["view"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        for token in queryset:
            revoke_token(token=token, by=cast(User, request.user))
