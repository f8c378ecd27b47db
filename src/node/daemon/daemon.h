/* SPDX-License-Identifier: MIT
 *
 * `warren run`: a node with its data directory, control socket, HTTP pages,
 * log and signals around it.
 */
#ifndef WARREN_NODE_DAEMON_DAEMON_H
#define WARREN_NODE_DAEMON_DAEMON_H

#include "base/error.h"
#include "base/text.h"
#include "node/config/config.h"

/* Runs until TERM or INT; HUP loads `input` again. OK after an orderly stop;
 * otherwise `why` gets sentences: ERR_SYNTAX for the configuration, else what
 * kept the daemon from starting. */
enum error daemon_run(const struct config_input *input, struct text *why);

#endif
