/* SPDX-License-Identifier: MIT
 *
 * Memory, counted by connection and in all: ngtcp2's, what was written and is
 * not acknowledged, and what came and was not taken.
 */
#include "stream/stream_internal.h"

#include <stdlib.h>

void memory_count(struct stream_conn *c, size_t n)
{
    c->memory += n;
    c->streams->stats.memory += n;
}

void memory_uncount(struct stream_conn *c, size_t n)
{
    c->memory -= n;
    c->streams->stats.memory -= n;
}

/* ---- For ngtcp2 --------------------------------------------------------- */

/* In front of what ngtcp2 gets, as it does not say how much it gives back. */
union header {
    size_t size;
    max_align_t align;
};

static bool fits(const struct stream_conn *c, size_t size)
{
    const struct streams *s = c->streams;

    return size <= SIZE_MAX - sizeof(union header) &&
           s->stats.memory + size + sizeof(union header) <=
               s->config.max_memory;
}

static void *quic_realloc(void *p, size_t size, void *user_data)
{
    struct stream_conn *c = user_data;
    union header *h = p == NULL ? NULL : (union header *)p - 1;
    size_t had = h == NULL ? 0 : h->size + sizeof(*h);

    if (!fits(c, size))
        return NULL;
    h = realloc(h, sizeof(*h) + size);
    if (h == NULL)
        return NULL;
    h->size = size;
    memory_uncount(c, had);
    memory_count(c, sizeof(*h) + size);
    return h + 1;
}

static void *quic_malloc(size_t size, void *user_data)
{
    return quic_realloc(NULL, size, user_data);
}

static void *quic_calloc(size_t count, size_t size, void *user_data)
{
    struct stream_conn *c = user_data;
    union header *h;

    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    if (!fits(c, count * size))
        return NULL;
    h = calloc(1, sizeof(*h) + count * size);
    if (h == NULL)
        return NULL;
    h->size = count * size;
    memory_count(c, sizeof(*h) + h->size);
    return h + 1;
}

static void quic_free(void *p, void *user_data)
{
    union header *h;

    if (p == NULL)
        return;
    h = (union header *)p - 1;
    memory_uncount(user_data, sizeof(*h) + h->size);
    free(h);
}

void memory_for_quic(struct stream_conn *c)
{
    c->mem = (ngtcp2_mem){c, quic_malloc, quic_free, quic_calloc, quic_realloc};
}

/* ---- Our own ------------------------------------------------------------ */

bool memory_is_short(const struct streams *s)
{
    return s->stats.memory > s->config.max_memory / 4 * 3;
}

void *memory_must(struct streams *s, struct stream_conn *c, size_t size)
{
    void *p = NULL;

    if (s->stats.memory + size <= s->config.max_memory)
        p = calloc(1, size);
    if (p == NULL)
        return NULL;
    s->stats.memory += size;
    if (c != NULL)
        c->memory += size;
    return p;
}

void *memory_new(struct streams *s, struct stream_conn *c, size_t size)
{
    return memory_is_short(s) ? NULL : memory_must(s, c, size);
}

void memory_free(struct streams *s, struct stream_conn *c, void *p, size_t size)
{
    if (p == NULL)
        return;
    s->stats.memory -= size;
    if (c != NULL)
        c->memory -= size;
    free(p);
}

/* ---- When little is left ------------------------------------------------ */

/* Who comes with many connections weighs with each of them as much as with
 * all. */
static uint64_t weight(struct streams *s, const struct stream_conn *c)
{
    return (uint64_t)c->memory * shares_weight(&s->shares, &c->source, 0);
}

static struct stream_conn *heaviest(struct streams *s)
{
    struct stream_conn *found = NULL;
    uint64_t most = 0;

    for (size_t i = 0; i < s->accepted_count; i++) {
        struct stream_conn *c = s->accepted[i];
        uint64_t w = c->over ? 0 : weight(s, c);

        if (w > most) {
            found = c;
            most = w;
        }
    }
    return found;
}

static void wake_writers(struct streams *s)
{
    while (!TAILQ_EMPTY(&s->waiting) && !memory_is_short(s)) {
        struct stream *st = TAILQ_FIRST(&s->waiting);

        TAILQ_REMOVE(&s->waiting, st, waiting);
        st->is_waiting = false;
        stream_change(st);
    }
}

/* Who would have some, and weighs how much; newcomers nothing. */
static bool is_wanted(struct streams *s, uint64_t *by)
{
    const struct stream *st = TAILQ_FIRST(&s->waiting);

    *by = s->newcomer_waits || st == NULL ? 0 : weight(s, st->conn);
    return s->newcomer_waits || st != NULL;
}

void memory_relieve(struct streams *s)
{
    struct stream_conn *c = NULL;
    uint64_t by;

    if (memory_is_short(s) && is_wanted(s, &by)) {
        c = heaviest(s);
        if (c != NULL && weight(s, c) / 2 <= by)
            c = NULL;
    }
    if (c == NULL && s->stats.memory > s->config.max_memory / 8 * 7)
        c = heaviest(s);
    if (c != NULL)
        conn_end(c, STREAM_END_MEMORY, 0, true);
    s->newcomer_waits = false;
    wake_writers(s);
}
