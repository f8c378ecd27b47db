/* SPDX-License-Identifier: MIT
 *
 * Mounts of a namespace: files that say whom to ask for names, and sockets of
 * services that would do something on the network for a program. Those are
 * files, and so not apart with the network.
 */
#ifndef WARREN_CLI_EXEC_EXEC_HIDE_H
#define WARREN_CLI_EXEC_EXEC_HIDE_H

#include "base/error.h"
#include "base/text.h"

/* ERR_UNSUPPORTED, with a sentence in `why`. */
enum error exec_hide(struct text *why);

#endif
