#!/bin/sh
# Makes the virtual environment named by the first argument, with everything that is pinned.
# On failure it prints one line that says what is wrong and what to do.
venv=$1
log=$venv/setup.log

fail() {
    echo "streamgym: $1" >&2
    exit 2
}

[ -n "$venv" ] || fail "name the folder of the virtual environment: sh setup.sh .venv"
if [ -e "$venv" ] && [ ! -f "$venv/pyvenv.cfg" ]; then
    fail "$venv is there and is no virtual environment: move it away, for it would be emptied"
fi
[ ! "$venv" -ef . ] || fail "this folder would be emptied: name another, as sh setup.sh .venv"

supported='import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))'
for candidate in "${PYTHON:-python3.12}" python3.11 python3; do
    if "$candidate" -c "$supported" 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "Python 3.11 or 3.12 is needed, and $(python3 --version 2>&1) is what there is: install one of them, or name it: make PYTHON=/path/to/python3.12"

"$python" -m venv --clear "$venv" || fail "no virtual environment could be made: install Python's venv module (on Debian: python3-venv)"

echo "installing the pinned packages (a minute or two) …"
if ! {
    "$venv/bin/pip" install --disable-pip-version-check --require-hashes -r requirements.txt &&
        "$venv/bin/pip" install --disable-pip-version-check --no-deps --no-build-isolation -e .
} >"$log" 2>&1; then
    case $(cat "$log") in
        *"DO NOT MATCH THE HASHES"*) fail "a package is not the file that is pinned (its hash differs): try again, and do not use this network if it persists; see $log" ;;
        *"No space left"*) fail "the disk is full: free 3 GB and run this again" ;;
        *NewConnectionError* | *"No matching distribution"* | *"Temporary failure"*) fail "packages could not be fetched: connect to the network and run this again; see $log" ;;
        *) fail "$(grep -m 1 -i error "$log" || tail -n 1 "$log"); see $log" ;;
    esac
fi

"$venv/bin/jupyter" labextension disable --level=sys_prefix \
    "@jupyterlab/apputils-extension:announcements" >>"$log" 2>&1

echo "fetching Kafka and preparing fast starts (once) …"
exec "$venv/bin/streamgym" setup
