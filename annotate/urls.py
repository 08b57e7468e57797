"""Which URL is which screen."""

from django.urls import URLPattern, URLResolver, path

from annotate.views import account, campaigns, checkpoints, data, home, people, prompts, retraining, runs

urlpatterns: list[URLPattern | URLResolver] = [
    # Everyone
    path("", home.home, name="home"),
    path("sign-in", account.sign_in, name="sign-in"),
    path("sign-out", account.sign_out, name="sign-out"),
    path("theme", account.theme, name="theme"),
    path("language", account.language, name="language"),
    # The labeler's way
    path("prompts", prompts.prompts, name="prompts"),
    # The researcher's way
    path("campaigns", campaigns.campaign_list, name="campaigns"),
    path("campaigns/new", campaigns.create, name="campaign-create"),
    path("campaigns/<int:pk>", campaigns.campaign_page, name="campaign"),
    path("campaigns/<int:pk>/settings", campaigns.settings, name="campaign-settings"),
    path("campaigns/<int:pk>/instructions", campaigns.instructions, name="campaign-instructions"),
    path("campaigns/<int:pk>/members", campaigns.members, name="campaign-members"),
    path("campaigns/<int:pk>/prompts", campaigns.prompts, name="campaign-prompts"),
    path("campaigns/<int:pk>/prompts/retry", campaigns.retry_failed, name="prompts-retry"),
    path("campaigns/<int:pk>/runs", runs.run_list, name="campaign-runs"),
    path("campaigns/<int:pk>/runs/start/<str:stage>", runs.start, name="run-start"),
    path("campaigns/<int:pk>/checkpoints", checkpoints.checkpoint_list, name="campaign-checkpoints"),
    path("campaigns/<int:pk>/retraining", retraining.retraining, name="retraining"),
    path("campaigns/<int:pk>/data", data.data, name="campaign-data"),
    path("campaigns/<int:pk>/data/import", data.upload, name="import"),
    path("campaigns/<int:pk>/data/snapshot", data.snapshot_now, name="snapshot-take"),
    path("campaigns/<int:pk>/data/<str:kind>.jsonl", data.export, name="export"),
    path("snapshots/<int:pk>", data.snapshot, name="snapshot"),
    path("runs", runs.run_list, name="runs"),
    path("runs/<int:pk>", runs.run_page, name="run"),
    path("runs/<int:pk>/status", runs.status, name="run-status"),
    path("runs/<int:pk>/metrics", runs.metrics, name="run-metrics"),
    path("runs/<int:pk>/cancel", runs.cancel, name="run-cancel"),
    path("runs/<int:pk>/retry", runs.retry, name="run-retry"),
    path("checkpoints", checkpoints.checkpoint_list, name="checkpoints"),
    path("checkpoints/<int:pk>", checkpoints.checkpoint_page, name="checkpoint"),
    path(
        "checkpoints/<int:pk>/promote/<int:campaign_pk>", checkpoints.make_current, name="checkpoint-promote"
    ),
    # People
    path("account", people.own_password, name="account"),
    path("people", people.people_list, name="people"),
    path("people/new", people.invite, name="person-invite"),
    path("people/<int:pk>", people.person_page, name="person"),
    path("people/<int:pk>/role", people.change_role, name="person-role"),
    path("people/<int:pk>/password", people.reset_password, name="person-password"),
    path("people/<int:pk>/deactivate", people.deactivate, name="person-deactivate"),
    path("people/<int:pk>/reactivate", people.reactivate, name="person-reactivate"),
]
