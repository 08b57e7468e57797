# The website, its light worker and beat: no torch. Build from the project's root:
#   docker build --file docker/web.Dockerfile --tag podium-web .
FROM python:3.11-slim-trixie AS build
COPY requirements.txt docker/web.txt /build/
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --requirement /build/web.txt --constraint /build/requirements.txt
COPY annotate/locale /build/locale
RUN /venv/bin/python -m babel.messages.frontend compile --directory /build/locale --domain django --use-fuzzy

FROM python:3.11-slim-trixie
# pg_dump and psql of the same release as compose.yaml's server, for backup and restore.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /data/home podium \
    && chown podium:podium /data
COPY --from=build /venv /venv
WORKDIR /podium
COPY manage.py ./
COPY annotate ./annotate
COPY templates ./templates
COPY static ./static
COPY docker/part.sh docker/healthy.sh ./docker/
COPY --from=build /build/locale ./annotate/locale
ENV PATH=/venv/bin:$PATH PODIUM_DATA=/data HOST=0.0.0.0 PORT=8000 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER podium
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["sh", "docker/healthy.sh", "web"]
ENTRYPOINT ["sh", "docker/part.sh"]
CMD ["web"]
