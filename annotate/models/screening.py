"""Screening: how researchers grade candidates' demonstrations, candidates' word on themselves, decisions."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from annotate.models.campaigns import Campaign
from annotate.models.demonstrations import Demonstration


class Grade(models.Model):
    """What one researcher thinks of a candidate's demonstration, from 1 to 7 (paper, appendix B.1)."""

    demonstration = models.ForeignKey(Demonstration, on_delete=models.CASCADE, related_name="grades")
    grader = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    grade = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["demonstration", "grader"], name="grade_once"),
            models.CheckConstraint(condition=Q(grade__gte=1, grade__lte=7), name="grade_1_to_7"),
        ]

    def __str__(self) -> str:
        return f"{self.grade} of 7"


class SelfAssessment(models.Model):
    """For what topics and groups a candidate is comfortable identifying sensitive speech, in their words."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="self_assessments")
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="self_assessments"
    )
    text = models.TextField()
    written_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "labeler"], name="self_assessment_once"),
        ]

    def __str__(self) -> str:
        return self.text[:80]


class ScreeningDecision(models.Model):
    """What an admin made of a candidate; the newest one holds, earlier ones stay."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="screening_decisions")
    candidate = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="screening_decisions"
    )
    is_accepted = models.BooleanField()
    # Where an accepted candidate labels from now on.
    joins = models.ForeignKey(Campaign, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    note = models.TextField(blank=True, default="")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.candidate}: {self.is_accepted}"
