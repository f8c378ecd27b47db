# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Sourced by the tests that need a docker engine.

# Status 77 says that a test was skipped, its last line why.
need_engine() {
    if ! docker info >/dev/null 2>&1; then
        echo "no docker engine answers here"
        exit 77
    fi
}

# The tree as it would be committed, without its history.
checkout() {
    git ls-files -z --cached --others --exclude-standard |
        tar -c --null --ignore-failed-read --files-from=-
}
