/* SPDX-License-Identifier: MIT
 *
 * How every verb says that something went wrong: to people on stderr, to
 * programs, which asked by --json, as an object on stdout.
 */
#ifndef WARREN_CLI_SHOW_SAY_H
#define WARREN_CLI_SHOW_SAY_H

#include "cli/show/exit_code.h"

#include <stdbool.h>

/* Whether --json is among the arguments; also wrong ones are told in JSON. */
void say_as_json(bool on);

/* Prints lines of text to stderr, each with "warren: " before it, or with
 * --json an object to stdout, in which `name` is the code; returns `code`. */
enum exit_code cli_say(enum exit_code code, const char *name, const char *why);

/* The same with a sentence; the name is that of wrong arguments, or of trouble
 * on this machine. */
enum exit_code cli_fail(enum exit_code code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
