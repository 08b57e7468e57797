"""Which URL is which screen."""

from django.urls import URLPattern, URLResolver, path

from annotate.views import account, home, prompts

urlpatterns: list[URLPattern | URLResolver] = [
    # Everyone
    path("", home.home, name="home"),
    path("sign-in", account.sign_in, name="sign-in"),
    path("sign-out", account.sign_out, name="sign-out"),
    path("theme", account.theme, name="theme"),
    path("language", account.language, name="language"),
    # The labeler's way
    path("prompts", prompts.prompts, name="prompts"),
]
