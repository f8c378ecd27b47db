/* SPDX-License-Identifier: MIT
 *
 * Bytes and ages as people read them: few digits and a unit.
 */
#ifndef WARREN_CLI_SHOW_AMOUNT_H
#define WARREN_CLI_SHOW_AMOUNT_H

#include <stdint.h>

#define AMOUNT_SIZE 32

/* "999 B", "1.0 kB", "12.3 MB", ...: powers of 1,000. Both return `out`. */
const char *amount_print(uint64_t bytes, char out[AMOUNT_SIZE]);

/* "119 s", "2 min", "119 min", "2 h", "47 h", "2 d" */
const char *age_print(uint64_t seconds, char out[AMOUNT_SIZE]);

#endif
