"""Pure: which language a text is in. Its model takes some 30 MB, so only a worker imports this."""

from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

SURE = 0.3
"""Below this the model guesses: "hello!" is Breton with 0.06, a German sentence German with 0.98."""
READ = 400
"""Characters; more tell little and take longer."""


@cache
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def language_of(text: str) -> str | None:
    """Return the code of a text's language as the paper found it (langid, appendix A.4); None for a guess."""
    code, share = identifier().classify(text[:READ])
    return code if share >= SURE and code != "zxx" else None
