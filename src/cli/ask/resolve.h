/* SPDX-License-Identifier: MIT
 *
 * HOST:PORT of a node to ask: an address, or a name that this machine's
 * resolver knows.
 */
#ifndef WARREN_CLI_ASK_RESOLVE_H
#define WARREN_CLI_ASK_RESOLVE_H

#include "base/endpoint.h"
#include "cli/show/exit_code.h"

#include <stddef.h>

#define RESOLVED_MAX 8

struct resolved {
    size_t count; /* at least 1 */
    struct endpoint at[RESOLVED_MAX];
};

/* Other than EXIT_DONE after a sentence. */
enum exit_code cli_resolve(const char *text, struct resolved *out);

#endif
