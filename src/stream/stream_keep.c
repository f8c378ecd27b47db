/* SPDX-License-Identifier: MIT
 *
 * What came, and was not taken by the stream's reader.
 */
#include "stream/stream_internal.h"

/* ---- The bytes ---------------------------------------------------------- */

static bool add_chunk(struct stream *st)
{
    struct kept *k = &st->kept;
    struct chunk *chunk =
        memory_must(st->conn->streams, st->conn, sizeof(*chunk));

    if (chunk == NULL)
        return false;
    if (k->last == NULL)
        k->first = chunk;
    else
        k->last->next = chunk;
    k->last = chunk;
    return true;
}

bool kept_add(struct stream *st, struct bytes data)
{
    struct kept *k = &st->kept;

    while (data.len > 0) {
        size_t end = (k->at + k->len) % CHUNK_BYTES;
        size_t part = CHUNK_BYTES - end;

        if (end == 0 && !add_chunk(st))
            return false;
        if (part > data.len)
            part = data.len;
        memcpy(k->last->data + end, data.p, part);
        k->len += part;
        st->conn->kept += part;
        data = bytes_of(data.p + part, data.len - part);
    }
    return true;
}

static struct bytes kept_first(const struct kept *k)
{
    size_t part = CHUNK_BYTES - k->at;

    return bytes_of(k->first->data + k->at, part < k->len ? part : k->len);
}

static void drop_first(struct stream *st)
{
    struct kept *k = &st->kept;
    struct chunk *first = k->first;

    k->first = first->next;
    if (k->first == NULL)
        k->last = NULL;
    k->at = 0;
    memory_free(st->conn->streams, st->conn, first, sizeof(*first));
}

static void kept_take(struct stream *st, size_t n)
{
    struct kept *k = &st->kept;

    k->at += n;
    k->len -= n;
    st->conn->kept -= n;
    if (k->len == 0 || k->at == CHUNK_BYTES)
        drop_first(st);
}

void kept_forget(struct stream *st)
{
    while (st->kept.first != NULL)
        drop_first(st);
    st->conn->kept -= st->kept.len;
    st->kept.len = 0;
}

/* ---- The reader --------------------------------------------------------- */

/* How much of it was taken. */
static size_t tell(struct stream *st, struct bytes data, bool fin)
{
    size_t n;

    st->fin_told = fin;
    n = st->handler->data(st->arg, st, data, fin, st->conn->streams->now);
    if (n > data.len)
        n = data.len;
    if (n < data.len)
        st->fin_told = false;
    st->returned += n;
    if (n > 0)
        stream_change(st);
    return n;
}

static bool reads(const struct stream *st)
{
    return !st->ended && !st->read_over && !st->conn->over;
}

void stream_offer(struct stream *st)
{
    st->resuming = false;
    while (st->kept.len > 0 && reads(st)) {
        struct bytes data = kept_first(&st->kept);
        size_t n = tell(st, data, st->fin_came && data.len == st->kept.len);

        kept_take(st, n);
        if (n < data.len)
            break;
    }
    if (st->kept.len == 0 && st->fin_came && !st->fin_told && reads(st))
        tell(st, bytes_of(NULL, 0), true); /* to who did not hear of it */
}

bool stream_came(struct stream *st, struct bytes data, bool fin)
{
    size_t n = 0;

    st->fin_came = fin;
    if (st->kept.len == 0)
        n = tell(st, data, fin);
    if (!reads(st)) {
        st->conn->returned += data.len - n;
        return true;
    }
    if (n == data.len)
        return true;
    return kept_add(st, bytes_of(data.p + n, data.len - n));
}
