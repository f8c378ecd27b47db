/* SPDX-License-Identifier: MIT
 *
 * One connection to somewhere: begun, and told when it is there or cannot be
 * had. Whoever dials gives up in time.
 */
#ifndef WARREN_NODE_SPLICE_DIAL_H
#define WARREN_NODE_SPLICE_DIAL_H

#include "base/endpoint.h"
#include "base/error.h"

#include <sys/socket.h>

struct dial;
struct event_base;

/* OK: `fd` is the caller's, non-blocking. Else ERR_REMOTE (nobody listens
 * there), ERR_UNREACHABLE, ERR_FORBIDDEN, ERR_TIMEOUT, ERR_FULL (no more
 * files), ERR_IO; fd -1. The dial is gone. Never from within dial_new. */
typedef void dial_done_fn(void *arg, enum error e, int fd);

/* `from`: NULL, or the address that it is to come from, with port 0.
 * ERR_NO_MEMORY, or what is known at once, as above. */
enum error dial_new(struct event_base *base, const struct sockaddr *to,
                    socklen_t to_len, const struct endpoint *from,
                    dial_done_fn *done, void *arg, struct dial **out);
/* Gives it up. */
void dial_free(struct dial *d);

#endif
