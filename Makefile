# The commands of the project. They need python3 (3.10 or later, with venv) and make;
# everything else goes into .venv. `make demo` and `make test` are the two to start with.

PYTHON ?= python3
BIN := .venv/bin
export MPLCONFIGDIR := $(CURDIR)/build/matplotlib
# Settings of one machine's BLAS must not colour a measurement.
BENCH := env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE
RESULTS := benchmarks/results.json

.PHONY: demo examples gallery test test-browser check lint types pyright stubs mutants katex torch bench dist clean

demo: .venv/examples.stamp  ## run examples 01 to 03; pictures go to build/demo/
	@mkdir -p build/matplotlib
	$(BIN)/python examples/01_bptt_two_steps.py
	$(BIN)/python examples/02_forecast_temperature.py
	$(BIN)/python examples/03_char_rnn.py
	@echo; echo "The pictures are in build/demo/:"; ls build/demo

examples: .venv/examples.stamp  ## run the other examples, some of which train for longer
	@mkdir -p build/matplotlib
	$(BIN)/python examples/04_adding_problem.py
	$(BIN)/python examples/05_names_by_language.py
	$(BIN)/python examples/06_reverse_a_string.py
	$(BIN)/python examples/07_char_lstm.py
	$(BIN)/python examples/08_where_does_the_gradient_come_from.py
	$(BIN)/python examples/09_grade_my_bptt.py
	$(BIN)/python examples/10_kronecker.py
	$(BIN)/python examples/11_vanishing_gradients.py
	$(BIN)/python examples/12_write_my_backward_pass.py
	$(BIN)/python examples/13_explore.py

gallery: .venv/examples.stamp  ## draw the pictures of docs/gallery.md anew
	$(BIN)/python docs/gallery.py

test: .venv/test.stamp  ## every test, doctest, and code block of README and docs
	@mkdir -p build/matplotlib
	$(BIN)/python -m pytest -q -n 2

# Pictures of the page go to SCREENSHOTS; those of the docs are made with SCREENSHOTS=docs/images.
SCREENSHOTS ?= build/browser
INSTALL_CHROMIUM := apt-get update -qq && \
	apt-get install -y -qq --no-install-recommends chromium fonts-liberation

test-browser: .venv/browser.stamp  ## the page that tg.explore writes, in Chromium
	@command -v chromium > /dev/null || { test "$$(id -u)" = 0 && $(INSTALL_CHROMIUM); } || \
		{ echo "test-browser: there is no chromium; install it: sudo apt-get install chromium"; exit 1; }
	CHROMIUM="$$(command -v chromium)" SCREENSHOTS="$(SCREENSHOTS)" \
		$(BIN)/python -m pytest -q tests/test_explore_browser.py

check: lint types test  ## what continuous integration runs

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev.stamp  ## of the package, and what a user's scripts are told
	$(BIN)/mypy
	$(BIN)/python -m tests.typing mypy

pyright: .venv/pyright.stamp  ## the same scripts by pyright; a large download
	$(BIN)/python -m tests.typing pyright

stubs: .venv/test.stamp  ## write what checkers read of the operations, from their signatures
	$(BIN)/python -m tests.stubs

mutants: .venv/test.stamp  ## change every derivative rule in turn; a test must notice
	$(BIN)/python -m tests.mutants

katex: .venv/test.stamp  ## render the equations of tg.derive with KaTeX; needs node and npm
	npm install --silent --no-audit --no-fund --prefix build/node katex@0.16
	$(BIN)/python -m pytest -q tests/test_derive.py -k katex

torch: .venv/test.stamp  ## compare everything with PyTorch; needs a large download
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pytest -q tests/test_torch*.py

bench: .venv/bench.stamp  ## time training steps beside other frameworks'; PyTorch is a large download
	@mkdir -p build/matplotlib
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BENCH) OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/char_rnn.py
	$(BENCH) $(BIN)/python -m benchmarks --dtype float32 float64 --json $(RESULTS)
	$(BENCH) $(BIN)/python -m benchmarks W1 W2 W3 W6 --threads 2 --json $(RESULTS)
	$(BIN)/python -m benchmarks.report

dist: .venv/dev.stamp  ## build the sdist and the wheel into dist/
	$(BIN)/python -m build

.venv/%.stamp: setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	touch $@

clean:
	rm -rf .venv build dist *.egg-info
