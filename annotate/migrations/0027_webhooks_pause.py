from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("annotate", "0026_file_transfers")]

    operations = [
        migrations.AddField(
            model_name="webhook",
            name="failed_in_a_row",
            field=models.PositiveSmallIntegerField(default=0, editable=False),
        ),
    ]
