/* SPDX-License-Identifier: MIT
 *
 * Opens bound sockets, and says in a sentence why one cannot be had.
 */
#ifndef WARREN_NODE_OS_BIND_H
#define WARREN_NODE_OS_BIND_H

#include "base/endpoint.h"
#include "base/error.h"
#include "base/text.h"

/* A non-blocking, close-on-exec socket of `type` (SOCK_DGRAM, SOCK_STREAM) at
 * `at`, for IPv6 alone if that is IPv6. The caller closes `*fd`. `local` gets
 * the port that the kernel chose for port 0. `flag` is what an operator would
 * change: "--listen". ERR_IN_USE, ERR_UNSUPPORTED (no such family here),
 * ERR_IO. */
enum error bind_socket(int type, const struct endpoint *at, const char *flag,
                       int *fd, struct endpoint *local, struct text *why);

/* Whether bind_socket would have given one now; errors as there. */
enum error bind_try(int type, const struct endpoint *at, const char *flag,
                    struct text *why);

#endif
