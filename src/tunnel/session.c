/* SPDX-License-Identifier: MIT */
#include "tunnel/session.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#define SLOT_MASK (((uint32_t)1 << SESSION_SLOT_BITS) - 1)

void session_table_init(struct session_table *t, size_t max,
                        const struct random_source *random)
{
    assert(max <= (size_t)1 << SESSION_SLOT_BITS);
    *t = (struct session_table){.max = max, .random = *random};
}

void session_table_deinit(struct session_table *t)
{
    for (size_t i = 0; i < t->cap; i++) {
        if (t->slots[i] != NULL)
            session_free(t, t->slots[i]);
    }
    free(t->slots);
}

static enum error grow(struct session_table *t)
{
    size_t cap = t->cap == 0 ? 16 : 2 * t->cap;
    struct session **slots;

    if (cap > t->max)
        cap = t->max;
    slots = realloc(t->slots, cap * sizeof(struct session *));
    if (slots == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = t->cap; i < cap; i++)
        slots[i] = NULL;
    t->next = t->cap;
    t->slots = slots;
    t->cap = cap;
    return OK;
}

enum error session_new(struct session_table *t, struct link *link, uint64_t now,
                       struct session **out)
{
    struct session *s;
    enum error e;

    if (t->count == t->max)
        return ERR_FULL;
    if (t->count == t->cap) {
        e = grow(t);
        if (e != OK)
            return e;
    }
    s = calloc(1, sizeof(struct session));
    if (s == NULL)
        return ERR_NO_MEMORY;
    while (t->slots[t->next] != NULL)
        t->next = (t->next + 1) % t->cap;
    s->local = (random_u32(&t->random) & ~SLOT_MASK) | (uint32_t)t->next;
    s->link = link;
    s->born = now;
    t->slots[t->next] = s;
    t->count++;
    *out = s;
    return OK;
}

void session_free(struct session_table *t, struct session *s)
{
    if (s == NULL)
        return;
    t->slots[s->local & SLOT_MASK] = NULL;
    t->count--;
    sodium_memzero(s, sizeof(*s));
    free(s);
}

struct session *session_find(const struct session_table *t, uint32_t index)
{
    size_t slot = index & SLOT_MASK;
    struct session *s = slot < t->cap ? t->slots[slot] : NULL;

    return s != NULL && s->local == index ? s : NULL;
}

void session_set_keys(struct session *s, const struct noise_keys *keys,
                      bool initiator, uint32_t remote)
{
    cell_keys_init(&s->out,
                   initiator ? keys->to_responder : keys->to_initiator);
    cell_keys_init(&s->in, initiator ? keys->to_initiator : keys->to_responder);
    s->remote = remote;
    s->counter = 1;
    replay_init(&s->replay, 1);
}
