/* SPDX-License-Identifier: MIT
 *
 * Memory of this room, counted and capped.
 */
#ifndef WARREN_STREAM_STREAM_MEMORY_H
#define WARREN_STREAM_STREAM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

struct stream_conn;
struct streams;

/* For ngtcp2, counted, up to max_memory. */
void memory_for_quic(struct stream_conn *c);
/* Our own, zeroed: none when less than a quarter is left, so that what is
 * under way can end. `c` may be NULL. */
void *memory_new(struct streams *s, struct stream_conn *c, size_t size);
/* The same for what the other end may send: up to max_memory. */
void *memory_must(struct streams *s, struct stream_conn *c, size_t size);
void memory_free(struct streams *s, struct stream_conn *c, void *p,
                 size_t size);
bool memory_is_short(const struct streams *s);
void memory_count(struct stream_conn *c, size_t n);
void memory_uncount(struct stream_conn *c, size_t n);
/* Ends who weighs most when little is left; wakes writers when much is. */
void memory_relieve(struct streams *s);

#endif
