"""The data, looked at: the paper's tables of one campaign."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from annotate import access
from annotate.api.auth import ApiRequest
from annotate.api.endpoints import Endpoint
from annotate.collected import DATASETS, Collected
from annotate.kept import TABLES, shown
from annotate.models import PromptFlag, Source, Split

SOURCES = [*Source.values, ""]


class InSplitShape(serializers.Serializer[Any]):
    split = serializers.ChoiceField(choices=Split.choices)


class InDatasetShape(InSplitShape):
    dataset = serializers.ChoiceField(choices=[(name, name) for name in DATASETS])


class LengthsShape(serializers.Serializer[Any]):
    """How long texts are, in characters."""

    texts = serializers.IntegerField()
    mean = serializers.FloatField()
    std = serializers.FloatField()
    shortest = serializers.IntegerField()
    quarter = serializers.IntegerField()
    half = serializers.IntegerField()
    three_quarters = serializers.IntegerField()
    longest = serializers.IntegerField()


class SizeShape(InDatasetShape):
    source: Any = serializers.ChoiceField(choices=SOURCES, allow_blank=True, help_text="Empty: nobody says.")
    prompts = serializers.IntegerField()


class ShareShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    prompts = serializers.IntegerField()
    share = serializers.FloatField()


class FlagShareShape(InDatasetShape):
    flag = serializers.ChoiceField(choices=PromptFlag.choices)
    share = serializers.FloatField(allow_null=True, help_text="Null where there are no prompts.")


class CustomersShape(InDatasetShape):
    prompts = serializers.FloatField(allow_null=True, help_text="By a customer, on average.")


class DatasetLengthsShape(InDatasetShape):
    lengths = LengthsShape()


class CategoryLengthsShape(serializers.Serializer[Any]):
    category = serializers.CharField()
    lengths = LengthsShape()


class SourceLengthsShape(serializers.Serializer[Any]):
    source: Any = serializers.ChoiceField(choices=SOURCES, allow_blank=True, help_text="Empty: nobody says.")
    text = serializers.ChoiceField(choices=["prompt", "demonstration"])
    lengths = LengthsShape()


class BarShape(serializers.Serializer[Any]):
    length = serializers.IntegerField(help_text="Where the bar begins, in characters.")
    shares = serializers.DictField(child=serializers.FloatField(), help_text="By split.")


class CollectedShape(serializers.Serializer[Any]):
    prompts = serializers.IntegerField()
    sizes = SizeShape(many=True, help_text="The paper's Table 6.")
    categories = ShareShape(many=True, help_text="Table 1.")
    languages = ShareShape(many=True)
    flags = FlagShareShape(many=True, help_text="Table 7.")
    customers = CustomersShape(many=True, help_text="Table 8.")
    by_dataset = DatasetLengthsShape(many=True, help_text="Table 9.")
    by_category = CategoryLengthsShape(many=True, help_text="Table 10.")
    by_source = SourceLengthsShape(many=True, help_text="Table 11.")
    histogram = BarShape(many=True)
    as_of = serializers.DateTimeField(allow_null=True, help_text="Of a big campaign; null means now.")


class CampaignTables(Endpoint):
    @extend_schema(responses=CollectedShape)
    def get(self, request: ApiRequest, pk: int) -> Response:
        """Read what a campaign has collected, as the paper's tables have it. Researchers and admins."""
        access.only_researchers(request.user)
        found = shown(access.campaign(request.user, pk), TABLES)
        return Response(CollectedShape(named(found.told()) | {"as_of": found.as_of}).data)


def named(tables: Collected) -> dict[str, object]:
    """Return the tables with a name for each number."""
    return {
        "prompts": tables.prompts,
        "sizes": [
            {"split": split, "source": source, "dataset": dataset, "prompts": count}
            for split, source, counts in tables.sizes
            for dataset, count in zip(DATASETS, counts, strict=True)
        ],
        "categories": tables.categories,
        "languages": tables.languages,
        "flags": [
            {"flag": flag, "dataset": dataset, "split": split, "share": share}
            for flag, row in tables.flags
            for (dataset, split), share in zip(tables.columns, row, strict=True)
        ],
        "customers": [
            {"split": split, "dataset": dataset, "prompts": each}
            for split, row in tables.customers
            for dataset, each in zip(DATASETS, row, strict=True)
        ],
        "by_dataset": [_of(("dataset", "split", "lengths"), row) for row in tables.by_dataset],
        "by_category": [_of(("category", "lengths"), row) for row in tables.by_category],
        "by_source": [_of(("source", "text", "lengths"), row) for row in tables.by_source],
        "histogram": [_of(("length", "shares"), row) for row in tables.histogram],
    }


def _of(names: tuple[str, ...], row: tuple[object, ...]) -> dict[str, object]:
    return dict(zip(names, row, strict=True))
