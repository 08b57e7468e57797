"""Count on each prompt how many slots its rankings and its demonstrations hold."""

from django.db import migrations, models

# A claim never changes its prompt. OLD is null on INSERT, NEW on DELETE.
COUNT = """
CREATE FUNCTION annotate_count_{noun}_slots() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    more integer := (NEW.slot IS NOT NULL)::integer - (OLD.slot IS NOT NULL)::integer;
BEGIN
    IF more <> 0 THEN
        UPDATE annotate_prompt SET {noun}s_held = {noun}s_held + more
        WHERE id = coalesce(NEW.prompt_id, OLD.prompt_id);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER count_slots AFTER INSERT OR DELETE OR UPDATE OF slot ON annotate_{noun}
FOR EACH ROW EXECUTE FUNCTION annotate_count_{noun}_slots();
"""
COUNT_NO_MORE = """
DROP TRIGGER count_slots ON annotate_{noun};
DROP FUNCTION annotate_count_{noun}_slots();
"""
FILL = """
UPDATE annotate_prompt SET {noun}s_held = held.count
FROM (SELECT prompt_id, count(slot) AS count FROM annotate_{noun} GROUP BY prompt_id) AS held
WHERE held.prompt_id = annotate_prompt.id AND held.count > 0;
"""
# A prompt that came with its completions is ready to be ranked like any other.
READY = """
UPDATE annotate_prompt SET sampling = 'sampled' WHERE sampling = 'none' AND EXISTS
    (SELECT FROM annotate_completion WHERE prompt_id = annotate_prompt.id AND place >= 1);
"""
NOUNS = ('ranking', 'demonstration')


def for_both(sql):
    return ''.join(sql.format(noun=noun) for noun in NOUNS)


class Migration(migrations.Migration):

    dependencies = [
        ('annotate', '0003_use_cases_and_dialogue_drafts'),
    ]

    operations = [
        migrations.AddField(
            model_name='prompt',
            name='rankings_held',
            field=models.PositiveSmallIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name='prompt',
            name='demonstrations_held',
            field=models.PositiveSmallIntegerField(default=0, editable=False),
        ),
        migrations.RunSQL(for_both(COUNT), for_both(COUNT_NO_MORE)),
        migrations.RunSQL(for_both(FILL) + READY, migrations.RunSQL.noop),
        migrations.RemoveIndex(
            model_name='prompt',
            name='prompt_sampled',
        ),
        migrations.AddIndex(
            model_name='prompt',
            index=models.Index(condition=models.Q(('sampling', 'sampled')), fields=['campaign', 'rankings_held', 'id'], name='prompt_to_rank'),
        ),
        migrations.AddIndex(
            model_name='prompt',
            index=models.Index(fields=['campaign', 'demonstrations_held', 'id'], name='prompt_to_demonstrate'),
        ),
    ]
