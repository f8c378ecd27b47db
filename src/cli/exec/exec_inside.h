/* SPDX-License-Identifier: MIT
 *
 * What is made in fresh namespaces: mounts, addresses, rules and sockets. By
 * iproute2's ip and by nft, which Debian has everywhere.
 */
#ifndef WARREN_CLI_EXEC_EXEC_INSIDE_H
#define WARREN_CLI_EXEC_EXEC_INSIDE_H

#include "base/error.h"
#include "base/text.h"
#include "cli/exec/exec_space.h"

/* In a process that has all privileges over its namespaces. ERR_UNSUPPORTED,
 * with a sentence in `why`. */
enum error exec_inside_make(struct exec_sockets *out, struct text *why);

#endif
