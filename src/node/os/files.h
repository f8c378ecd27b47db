/* SPDX-License-Identifier: MIT
 *
 * How many files this process may have open (RLIMIT_NOFILE).
 */
#ifndef WARREN_NODE_OS_FILES_H
#define WARREN_NODE_OS_FILES_H

/* The soft limit: what counts. */
unsigned files_limit(void);

/* Raises it towards `wanted` as far as the hard one allows, and never lowers
 * it; returns what it is then. */
unsigned files_raise(unsigned wanted);

#endif
