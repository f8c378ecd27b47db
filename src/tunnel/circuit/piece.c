/* SPDX-License-Identifier: MIT
 *
 * Cutting is arithmetic. Putting together: pieces_receive finds or begins the
 * message of a piece, copies it to its place and sets its bit; all bits set,
 * the buffer is lent to the caller (budget->whole) until the next piece comes.
 * The unfinished messages of all circuits are in one list by age, for the
 * budget.
 */
#include "tunnel/circuit/piece.h"

#include "tunnel/circuit/onion.h"
#include "tunnel/link/cell.h"

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

/* ---- The budget --------------------------------------------------------- */

static void list_add(struct piece_budget *budget, struct piece_message *m)
{
    m->newer = NULL;
    m->older = budget->newest;
    *(m->older != NULL ? &m->older->newer : &budget->oldest) = m;
    budget->newest = m;
}

static void list_remove(struct piece_budget *budget, struct piece_message *m)
{
    *(m->older != NULL ? &m->older->newer : &budget->oldest) = m->newer;
    *(m->newer != NULL ? &m->newer->older : &budget->newest) = m->older;
}

static void give_back(struct piece_budget *budget, uint8_t *buf, size_t cap)
{
    assert(budget->used >= cap);
    budget->used -= cap;
    free(buf);
}

static void drop(struct piece_budget *budget, struct piece_message *m)
{
    list_remove(budget, m);
    shares_remove(&budget->by, &m->source);
    give_back(budget, m->buf, m->cap);
    m->buf = NULL;
}

static void give_up(struct piece_budget *budget, struct piece_message *m)
{
    drop(budget, m);
    budget->given_up++;
}

/* Of whoever holds most, the oldest. */
static void make_room(struct piece_budget *budget)
{
    struct piece_message *m = budget->oldest, *victim = m;
    unsigned most = 0;

    assert(victim != NULL); /* or there would be room */
    for (unsigned i = 0; m != NULL && i < PIECE_LOOK; i++, m = m->newer) {
        unsigned weight = shares_weight(&budget->by, &m->source, 0);

        if (weight > most) {
            most = weight;
            victim = m;
        }
    }
    give_up(budget, victim);
}

void piece_budget_init(struct piece_budget *budget, size_t max,
                       const struct random_source *random)
{
    *budget = (struct piece_budget){.max = max};
    shares_init(&budget->by, random);
}

void piece_budget_deinit(struct piece_budget *budget)
{
    assert(budget->oldest == NULL);
    piece_budget_rest(budget);
    shares_deinit(&budget->by);
}

void piece_budget_rest(struct piece_budget *budget)
{
    if (budget->whole != NULL)
        give_back(budget, budget->whole, budget->whole_cap);
    budget->whole = NULL;
}

/* ---- The messages of a circuit ------------------------------------------ */

void pieces_deinit(struct pieces *p, struct piece_budget *budget)
{
    for (size_t i = 0; i < PIECE_MESSAGES_MAX; i++)
        if (p->messages[i].buf != NULL)
            drop(budget, &p->messages[i]);
}

void pieces_tick(struct pieces *p, struct piece_budget *budget, uint64_t now)
{
    for (size_t i = 0; i < PIECE_MESSAGES_MAX; i++) {
        struct piece_message *m = &p->messages[i];

        if (m->buf != NULL && time_since(m->born, now) >= PIECE_LIFETIME)
            give_up(budget, m);
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

    if (cap > budget->max)
        return ERR_FULL;
    if (m->buf != NULL)
        give_up(budget, m);
    while (budget->used > budget->max - cap)
        make_room(budget);
    if (shares_add(&budget->by, &p->source) != OK)
        return ERR_NO_MEMORY;
    m->buf = malloc(cap);
    if (m->buf == NULL) {
        shares_remove(&budget->by, &p->source);
        return ERR_NO_MEMORY;
    }
    m->source = p->source;
    budget->used += cap;
    m->cap = cap;
    m->id = piece->id;
    m->count = piece->count;
    m->have = 0;
    m->len = 0;
    m->born = now;
    list_add(budget, m);
    *out = m;
    return OK;
}

static struct bytes finish(struct piece_budget *budget, struct piece_message *m)
{
    list_remove(budget, m);
    shares_remove(&budget->by, &m->source);
    budget->whole = m->buf;
    budget->whole_cap = m->cap;
    m->buf = NULL;
    return bytes_of(budget->whole, m->len);
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
    piece_budget_rest(budget);
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
    *whole = m->have + 1u == 1u << m->count ? finish(budget, m)
                                            : bytes_of(NULL, 0);
    return OK;
}
