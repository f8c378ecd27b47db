/* SPDX-License-Identifier: MIT
 *
 * The trace of a lookup for people: a line for each node that was asked.
 */
#ifndef WARREN_CLI_SHOW_TRACE_H
#define WARREN_CLI_SHOW_TRACE_H

#include "wire/msgpack/mp_reader.h"

void trace_print_head(void);
/* `step` is at the map of a "step" notification. */
void trace_print_step(struct mp_reader step);

#endif
