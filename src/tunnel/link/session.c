/* SPDX-License-Identifier: MIT
 *
 * Sessions live in a table of slots, whose index with random bits above it is
 * what cells carry.
 */
#include "tunnel/link/session.h"

#include <sodium.h>
#include <stdlib.h>

enum error session_new(struct slot_table *t, struct link *link, uint64_t now,
                       struct session **out)
{
    struct session *s = calloc(1, sizeof(struct session));
    enum error e;

    if (s == NULL)
        return ERR_NO_MEMORY;
    e = slot_table_add(t, s, &s->local);
    if (e != OK) {
        free(s);
        return e;
    }
    s->link = link;
    s->born = now;
    *out = s;
    return OK;
}

void session_free(struct slot_table *t, struct session *s)
{
    if (s == NULL)
        return;
    slot_table_remove(t, s->local);
    sodium_memzero(s, sizeof(*s));
    free(s);
}

struct session *session_find(const struct slot_table *t, uint32_t index)
{
    return slot_table_find(t, index);
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
