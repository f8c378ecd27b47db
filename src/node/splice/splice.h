/* SPDX-License-Identifier: MIT
 *
 * A socket (TCP, or Unix) and a stream that are each other's: what comes to
 * one goes to the other, as fast as the slower of them takes it, without a
 * buffer between the kernel's and the stream's.
 *
 *     socket              stream
 *     end of file    ->   stream_finish     and the other half goes on
 *     shutdown       <-   fin
 *     error          ->   stream_reset      RST, with
 *     RST            <-   reset, closed       the code LINK_LOST
 *
 * An end that is an error is an error at the other end too: or a transfer that
 * broke off would be taken for a whole one.
 */
#ifndef WARREN_NODE_SPLICE_SPLICE_H
#define WARREN_NODE_SPLICE_SPLICE_H

#include "base/error.h"
#include "stream/stream.h"

#include <stdint.h>

struct event_base;
struct splice;

struct splice_env {
    struct event_base *base;
    void *arg;
    /* Something was done: deadlines may have changed. May be NULL. */
    void (*rearm)(void *arg);
};

/* Both have ended; the splice is gone. `why` is OK, or ERR_CANCELLED (either
 * end broke off). */
typedef void splice_done_fn(void *arg, enum error why);

/* Takes over `fd`, which is non-blocking, and hands the stream over; what it
 * has for us comes from here on. `first` was read from the socket already, and
 * goes before all that follows; copied. `done` may be called before it returns.
 * ERR_NO_MEMORY: fd is closed, the stream is reset. */
enum error splice_new(const struct splice_env *env, int fd, struct stream *st,
                      struct bytes first, splice_done_fn *done, void *arg,
                      uint64_t now, struct splice **out);
/* Breaks it off, the stream with `code`; `done` is not called. */
void splice_free(struct splice *s, uint32_t code, uint64_t now);
/* When a byte went through last, either way. */
uint64_t splice_used_at(const struct splice *s);

#endif
