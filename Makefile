# Every target sets up what it needs by itself; a second run sets up nothing.
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
OUT := grades
SEEDS := 5

.PHONY: lab test grade verify bench setup lint lock

lab: $(READY)
	@$(BIN)/streamgym lab

test: $(READY)
	@$(BIN)/pytest

grade: $(READY)
	@$(BIN)/streamgym grade tests/submissions --out $(OUT)

verify: $(READY)
	@$(BIN)/streamgym verify --seeds $(SEEDS)

bench: $(READY)
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/streamgym build --check

setup: $(READY)

$(READY): requirements.txt pyproject.toml setup.sh
	@sh setup.sh $(VENV)
	@touch $@

lock: $(READY)
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --extra dev --custom-compile-command "make lock" \
	  pyproject.toml --output-file requirements.txt
	@$(BIN)/python -m streamgym.stack.lock_jars
