/* SPDX-License-Identifier: MIT
 *
 * Where else a daemon may be than where a command looked for it: the one that
 * the system runs, as a user of its own.
 */
#ifndef WARREN_CLI_ASK_ELSEWHERE_H
#define WARREN_CLI_ASK_ELSEWHERE_H

#include "base/text.h"
#include "cli/ask/arguments.h"

#include <stdbool.h>

/* A daemon of the system is there, or may be: adds what to type instead. */
bool elsewhere_say(const struct cli *cli, const char *looked_at,
                   struct text *why);

/* The socket at `control` is somebody else's: adds as whom to ask. */
void elsewhere_say_owner(const struct cli *cli, const char *control,
                         struct text *why);

#endif
