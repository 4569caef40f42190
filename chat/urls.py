"""The site's pages, private files and probes."""

from __future__ import annotations

from django.contrib.auth import views as auth_views
from django.urls import include, path

from chat import health, views

urlpatterns = [
    path("", views.home, name="home"),
    path("threads/<uuid:thread_id>/", views.thread, name="thread"),
    path("threads/<uuid:thread_id>/previews/<str:name>", views.preview, name="preview"),
    path("images/", views.gallery, name="gallery"),
    path("images/<uuid:image_id>/file", views.image_file, name="image-file"),
    path("images/<uuid:image_id>/thumbnail", views.image_thumbnail, name="image-thumbnail"),
    path("account/", views.account, name="account"),
    path("account/tokens/", views.make_token, name="tokens"),
    path("account/tokens/<uuid:token_id>/revoke/", views.revoke_token, name="token_revoke"),
    path("account/delete/", views.delete_account, name="account_delete"),
    path("account/password/", views.ChangePassword.as_view(), name="password_change"),
    path("login/", views.SignIn.as_view(), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("signup/", views.sign_up, name="signup"),
    path("api/v1/", include("chat.api.urls")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
