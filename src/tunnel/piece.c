/* SPDX-License-Identifier: MIT */
#include "tunnel/piece.h"

#include "tunnel/cell.h"
#include "tunnel/onion.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* onion_message_len of a large cell, as a constant. */
#define MESSAGE_BYTES                                             \
    (CELL_LARGE_BODY - (ONION_HOPS_MAX + 1) * ONION_LAYER_BYTES - \
     ONION_COUNTER_BYTES)
_Static_assert(PIECE_BYTES + PIECE_OVERHEAD <= MESSAGE_BYTES,
               "a full piece fits into a cell");

unsigned piece_count(size_t len)
{
    if (len > PIECE_MESSAGE_MAX)
        return 0;
    return len == 0 ? 1 : (unsigned)((len - 1) / PIECE_BYTES + 1);
}

struct piece piece_cut(struct bytes message, uint16_t id, unsigned index)
{
    unsigned count = piece_count(message.len);
    size_t at = (size_t)index * PIECE_BYTES;
    size_t left = message.len - at;

    assert(index < count);
    return (struct piece){
        .id = id,
        .index = (uint8_t)index,
        .count = (uint8_t)count,
        .bytes =
            bytes_of(message.p + at, left > PIECE_BYTES ? PIECE_BYTES : left)};
}

static void free_buffer(struct piece_budget *budget, uint8_t **buf, size_t cap)
{
    if (*buf == NULL)
        return;
    assert(budget->used >= cap);
    budget->used -= cap;
    free(*buf);
    *buf = NULL;
}

static void give_up(struct pieces *p, struct piece_budget *budget,
                    struct piece_message *m)
{
    free_buffer(budget, &m->buf, m->cap);
    p->given_up++;
}

void pieces_deinit(struct pieces *p, struct piece_budget *budget)
{
    for (size_t i = 0; i < PIECE_MESSAGES_MAX; i++)
        free_buffer(budget, &p->messages[i].buf, p->messages[i].cap);
    free_buffer(budget, &p->whole, p->whole_cap);
}

void pieces_tick(struct pieces *p, struct piece_budget *budget, uint64_t now)
{
    free_buffer(budget, &p->whole, p->whole_cap);
    for (size_t i = 0; i < PIECE_MESSAGES_MAX; i++) {
        struct piece_message *m = &p->messages[i];

        if (m->buf != NULL && time_since(m->born, now) >= PIECE_LIFETIME)
            give_up(p, budget, m);
    }
}

uint64_t pieces_next_deadline(const struct pieces *p)
{
    uint64_t at = TIME_NEVER;

    for (size_t i = 0; i < PIECE_MESSAGES_MAX; i++) {
        if (p->messages[i].buf != NULL)
            at = time_min(at, time_after(p->messages[i].born, PIECE_LIFETIME));
    }
    return at;
}

static enum error check(const struct piece *piece)
{
    if (piece->count < 2 || piece->count > PIECE_COUNT_MAX ||
        piece->index >= piece->count)
        return ERR_RANGE;
    if (piece->bytes.len == 0 || piece->bytes.len > PIECE_BYTES ||
        (piece->index + 1 < piece->count && piece->bytes.len != PIECE_BYTES))
        return ERR_WRONG_LENGTH;
    return OK;
}

static struct piece_message *find(struct pieces *p, uint16_t id)
{
    for (size_t i = 0; i < PIECE_MESSAGES_MAX; i++) {
        if (p->messages[i].buf != NULL && p->messages[i].id == id)
            return &p->messages[i];
    }
    return NULL;
}

/* A free slot, else the oldest message. */
static struct piece_message *find_slot(struct pieces *p)
{
    struct piece_message *oldest = &p->messages[0];

    for (size_t i = 0; i < PIECE_MESSAGES_MAX; i++) {
        struct piece_message *m = &p->messages[i];

        if (m->buf == NULL)
            return m;
        if (m->born < oldest->born)
            oldest = m;
    }
    return oldest;
}

static enum error start(struct pieces *p, struct piece_budget *budget,
                        const struct piece *piece, uint64_t now,
                        struct piece_message **out)
{
    size_t cap = (size_t)piece->count * PIECE_BYTES;
    struct piece_message *m = find_slot(p);

    if (m->buf != NULL)
        give_up(p, budget, m);
    if (cap > budget->max || budget->used > budget->max - cap)
        return ERR_FULL;
    m->buf = malloc(cap);
    if (m->buf == NULL)
        return ERR_NO_MEMORY;
    budget->used += cap;
    m->cap = cap;
    m->id = piece->id;
    m->count = piece->count;
    m->have = 0;
    m->len = 0;
    m->born = now;
    *out = m;
    return OK;
}

static struct bytes finish(struct pieces *p, struct piece_message *m)
{
    p->whole = m->buf;
    p->whole_cap = m->cap;
    m->buf = NULL;
    return bytes_of(p->whole, m->len);
}

enum error pieces_receive(struct pieces *p, struct piece_budget *budget,
                          const struct piece *piece, uint64_t now,
                          struct bytes *whole)
{
    enum error e = check(piece);
    struct piece_message *m;
    size_t at;

    if (e != OK)
        return e;
    pieces_tick(p, budget, now);
    m = find(p, piece->id);
    if (m == NULL)
        e = start(p, budget, piece, now, &m);
    if (e != OK)
        return e;
    if (m->count != piece->count || (m->have >> piece->index & 1) != 0)
        return ERR_UNEXPECTED;
    at = (size_t)piece->index * PIECE_BYTES;
    memcpy(m->buf + at, piece->bytes.p, piece->bytes.len);
    m->have |= (uint8_t)(1u << piece->index);
    if (piece->index + 1 == piece->count)
        m->len = at + piece->bytes.len;
    *whole = m->have + 1u == 1u << m->count ? finish(p, m) : bytes_of(NULL, 0);
    return OK;
}
