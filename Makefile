# Set-up needs Python 3.11 or newer, git and make, and nothing else.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup demo lab test lint docs gallery bench faults-report browser-report soak clean lock

setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet --constraint constraints.txt --editable '.[all]'
	touch $@

demo: setup
	$(BIN)/reviewlab demo

lab: setup
	$(BIN)/reviewlab lab

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/nbstripout --verify notebooks/*.ipynb

test: setup lint
	$(BIN)/pytest -n 2 --dist loadgroup

# The documentation under build/site; a link that leads nowhere fails it.
docs: setup
	$(BIN)/zensical build --strict --clean

gallery: setup
	$(BIN)/python docs/gallery.py

# What each fault costs in seconds, as tests/faults/README.md shows it.
faults-report: setup
	$(BIN)/pytest tests/faults tests/test_kernel.py -q -rP --show-capture=stdout | grep -E '^(figure:|[0-9]+ (passed|failed))'

# What a person waits for in JupyterLab, in a real browser; the pictures of each step are under build/browser/.
browser-report: setup
	$(BIN)/pytest tests/browser -q -rP --show-capture=stdout | grep -E '^(figure:|[0-9]+ (passed|failed|skipped))'

# The faults in full: outages of a minute, thirty minutes of random ones, and an older ipykernel.
soak: setup
	test -x build/ipykernel6/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python build/ipykernel6
	VIRTUAL_ENV=$(CURDIR)/build/ipykernel6 $(BIN)/uv pip install --quiet --editable '.[load]' 'ipykernel<7' nest-asyncio2
	REVIEWLAB_KERNEL_PYTHON=$(CURDIR)/build/ipykernel6/bin/python $(BIN)/pytest -q tests/test_kernel.py
	REVIEWLAB_SOAK=1 $(BIN)/pytest -q -rP --show-capture=stdout tests/faults

bench: setup
	$(BIN)/python -m benchmarks

lock:
	uv pip compile --quiet --universal --all-extras --python-version 3.11 --no-header --no-annotate \
		--output-file constraints.txt --upgrade pyproject.toml

clean:
	rm -rf .venv build dist
