"""The import contracts hold at run time too: serving a page loads nothing of the learning side."""

import subprocess
import sys

LEARNING_SIDE = ("torch", "transformers", "vllm", "trainer")


def modules_after(code: str) -> set[str]:
    program = f"{code}\nimport sys; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_the_website_loads_without_the_learning_side() -> None:
    loaded = modules_after("import annotate.wsgi, annotate.urls, annotate.tasks; annotate.urls.urlpatterns")
    assert loaded.isdisjoint(LEARNING_SIDE)
    assert "django" in loaded


def test_the_learning_side_loads_without_the_website() -> None:
    loaded = modules_after(
        "import trainer.__main__, trainer.ppo, trainer.reward, trainer.sft, trainer.evaluate"
    )
    assert loaded.isdisjoint({"annotate", "django", "celery"})
    assert "torch" in loaded
