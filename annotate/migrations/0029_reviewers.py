from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("annotate", "0028_second_judge")]

    operations = [
        migrations.AddField(
            model_name='campaign',
            name='reviewers',
            field=models.ManyToManyField(blank=True, related_name='reviews_in', to=settings.AUTH_USER_MODEL),
        ),
    ]
