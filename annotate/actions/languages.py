"""Naming the languages of prompts that came without one, a few thousand at a time."""

from django.db import connection

from annotate.languages import language_of
from annotate.models import UNKNOWN_LANGUAGE, Prompt

PROMPTS_AT_A_TIME = 2000
NAME = """
UPDATE annotate_prompt AS prompt SET language = said.language
FROM unnest(%s::bigint[], %s::varchar[]) AS said (id, language)
WHERE prompt.id = said.id AND prompt.language = ''
"""


def name_some() -> int:
    """Name the language of the oldest prompts without one; return how many got one."""
    prompts = Prompt.objects.filter(language="").order_by("pk").only("pk", "messages")[:PROMPTS_AT_A_TIME]
    named = {prompt.pk: language_of(prompt.text) or UNKNOWN_LANGUAGE for prompt in prompts}
    with connection.cursor() as cursor:
        cursor.execute(NAME, [list(named), list(named.values())])
    return len(named)
