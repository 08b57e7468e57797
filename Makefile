# Podium's commands. Each installs what it needs first; nothing else has to be on the machine but Python and make.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed

.PHONY: setup run test lint rehearse bench clean

setup: $(STAMP)

$(STAMP): requirements.txt trainer/install.py $(wildcard annotate/locale/*/LC_MESSAGES/django.po)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Podium needs Python 3.11 or newer; name one with PYTHON=python3.11")'
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(RUN) trainer/install.py
	$(VENV)/bin/pybabel --quiet compile --directory annotate/locale --domain django
	touch $@

run: setup
	$(RUN) manage.py run

test: setup
	@sh tests/browser/install_chromium.sh
	$(RUN) -m pytest -n 2

lint: setup
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	HTTPS=True SECRET_KEY=$$(head -c 48 /dev/urandom | base64 | tr -d '\n') $(RUN) manage.py check --deploy --fail-level WARNING
	$(RUN) manage.py makemigrations --check --dry-run

rehearse: setup
	@$(RUN) manage.py rehearse

bench: setup
	@sh tests/browser/install_chromium.sh
	@$(RUN) -m benchmarks all

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
