"""Let an import count the slots of what it adds by itself, each prompt once, instead of row by row."""

from django.db import migrations

COUNT = """
DROP TRIGGER count_slots ON annotate_{noun};
CREATE TRIGGER count_slots AFTER INSERT OR DELETE OR UPDATE OF slot ON annotate_{noun} FOR EACH ROW
{when}EXECUTE FUNCTION annotate_count_{noun}_slots();
"""
UNLESS_COUNTED_LATER = "WHEN (current_setting('podium.slots_wait', true) IS DISTINCT FROM 'yes')\n"


def for_both(when):
    return ''.join(COUNT.format(noun=noun, when=when) for noun in ('ranking', 'demonstration'))


class Migration(migrations.Migration):

    dependencies = [
        ('annotate', '0012_snapshot_queries'),
    ]

    operations = [
        migrations.RunSQL(for_both(UNLESS_COUNTED_LATER), for_both('')),
    ]
