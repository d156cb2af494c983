# make chat    train the quickstart model (once, minutes) and talk to it
# make test    run the tests
# make test-slow   the tests that take long: pages of docs/ that train, exports, larger numbers
# make style   format, lint and check types
# make translations   bring the Chinese catalogue up to date with the texts in the code
# make smoke   what `make chat` does, in seconds and without a keyboard
# make test-oldest, make test-newest   the tests with the oldest transformers that pyproject.toml
#              allows and with the newest, each in a virtual environment of its own
# make pictures    draw the pictures of docs/ again, from runs/toy and the quickstart model, which
#              are trained first where they are missing
# make notebooks   the chapters of docs/learn as Jupyter notebooks
# Every target makes the virtual environment first where it is missing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODEL := runs/quickstart
STAMP := $(VENV)/.installed

# Some images set it; then each of the many processes that tests start compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: chat train test test-slow test-oldest test-newest style translations smoke pictures notebooks clean

chat: $(STAMP)
	@test -f $(MODEL)/metrics.json || $(BIN)/python train_hf.py configs/quickstart.yaml --resume
	@$(BIN)/python chat_hf.py $(MODEL)

train: $(STAMP)
	$(BIN)/python train_hf.py configs/quickstart.yaml --resume

test: $(STAMP)
	$(BIN)/python -m pytest

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow

# $(call environment,FOLDER) makes a virtual environment, unless one is there that has its pip.
define environment
@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and \
	"Python 3.11 or newer is needed (found %d.%d). Try: make PYTHON=python3.11 chat" % v[:2])'
@$(1)/bin/python -m pip --version >/dev/null 2>&1 || { \
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		echo '$(PYTHON) cannot make a virtual environment without ensurepip, which is in a package' \
		'of its own on Debian and Ubuntu: sudo apt install $(notdir $(PYTHON))-venv' >&2; exit 1; }; \
	echo '$(PYTHON) -m venv $(1)'; $(PYTHON) -m venv $(1); }
endef

# The newest is another one from time to time, so pip looks each time.
test-oldest: TRANSFORMERS := transformers==5.23.0
test-newest: TRANSFORMERS := transformers
test-oldest test-newest: test-%:
	$(call environment,.venv-$*)
	grep -v '^transformers==' constraints.txt > .venv-$*/constraints.txt
	.venv-$*/bin/python -m pip install -q --upgrade -c .venv-$*/constraints.txt \
		-e '.[dev]' '$(TRANSFORMERS)'
	.venv-$*/bin/python -m pytest

style: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mypy

translations: $(STAMP)
	$(BIN)/python -m tests.catalogue

smoke: $(STAMP)
	$(BIN)/python train_hf.py configs/quickstart.yaml --output_dir runs/smoke --overwrite \
		--max_steps 5 --d_model 32 --encoder_ffn_dim 64 --decoder_ffn_dim 64
	$(BIN)/python chat_hf.py runs/smoke --demo

LOOK = $(BIN)/python -m tfchat_hf.look $(MODEL)
pictures: $(STAMP)
	@test -f runs/toy/metrics.json || $(BIN)/python train_hf.py configs/toy.yaml
	$(BIN)/python docs/learn/pictures.py --output docs/learn/pictures
	@test -f $(MODEL)/metrics.json || $(BIN)/python train_hf.py configs/quickstart.yaml --resume
	$(LOOK) "Who are you?" --structure docs/network.svg --layer docs/layer.svg \
		--animation docs/reply.svg --language en
	$(LOOK) "你喜欢吃什么？" --structure docs/network.zh-CN.svg --layer docs/layer.zh-CN.svg \
		--animation docs/reply.zh-CN.svg --language zh
	$(BIN)/python benchmarks/table_pictures.py
	$(BIN)/python -m tests.serve.page.pictures docs

notebooks: $(STAMP)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[notebooks]'
	$(BIN)/python docs/learn/notebooks.py

# The stamp is written last: an installation that was cut off is done again.
$(STAMP): pyproject.toml constraints.txt
	$(call environment,$(VENV))
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .venv-oldest .venv-newest build *.egg-info
