"""Leave room on each page of answers, so that freezing one writes its row on the same page and no index."""

from django.db import migrations

SET = "ALTER TABLE annotate_{noun} SET (fillfactor = 50);"
RESET = "ALTER TABLE annotate_{noun} RESET (fillfactor);"


def for_both(sql):
    return ''.join(sql.format(noun=noun) for noun in ('ranking', 'demonstration'))


class Migration(migrations.Migration):

    dependencies = [
        ('annotate', '0022_policy_shares'),
    ]

    operations = [
        migrations.RunSQL(for_both(SET), for_both(RESET)),
    ]
