/* SPDX-License-Identifier: MIT
 *
 * Sockets live in slots, of which free ones form a list. The world names a
 * socket by its cookie; the generation in it keeps what comes late for a closed
 * socket from the one that has its slot now.
 *
 * At the cap a circuit of who has most sockets closes its own. One that is in
 * use (USED_FOR) does so for somebody with less only: among equals nobody takes
 * from another.
 */
#include "tunnel/exit/exit_state.h"

#include "base/timestamp.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST_SLOTS 8
#define USED_FOR    (10 * TIME_S)
#define SLOT_BITS   16
#define SLOT_MASK   ((1u << SLOT_BITS) - 1)

static bool grow(struct exit *x)
{
    uint32_t slots = x->socket_slots == 0 ? FIRST_SLOTS : 2 * x->socket_slots;
    struct exit_socket *sockets;

    if (slots > x->config.max_sockets)
        slots = x->config.max_sockets;
    assert(slots > x->socket_slots);
    sockets = realloc(x->sockets, slots * sizeof(*sockets));
    if (sockets == NULL)
        return false;
    x->sockets = sockets;
    for (uint32_t i = slots; i > x->socket_slots; i--) {
        sockets[i - 1] = (struct exit_socket){.next_free = x->free_socket};
        x->free_socket = i - 1;
    }
    x->socket_slots = slots;
    return true;
}

static uint32_t cookie_of(const struct exit *x, uint32_t slot)
{
    return (uint32_t)x->sockets[slot].generation << SLOT_BITS | slot;
}

struct asker {
    const struct exit *x;
    const struct exit_circuit *circuit;
};

static bool tell_socket(const void *table, size_t place, struct holding *out)
{
    const struct asker *a = table;
    const struct exit_circuit *c = a->x->sockets[place].circuit;

    if (c == NULL || c == a->circuit)
        return false;
    *out = (struct holding){.source = c->neighbour, .used_at = c->used_at};
    return true;
}

static bool make_room(struct exit *x, const struct exit_circuit *c,
                      uint64_t now)
{
    const struct asker asker = {x, c};
    size_t victim;

    if (x->socket_count < x->config.max_sockets)
        return x->free_socket != NO_SOCKET || grow(x);
    victim = shares_make_way(&x->sockets_by, &c->neighbour, x->socket_slots,
                             tell_socket, &asker, USED_FOR, now);
    if (victim == SIZE_MAX)
        return false;
    x->stats.displaced++;
    exit_circuit_rest(x, x->sockets[victim].circuit);
    return true;
}

enum reason exit_socket_get(struct exit *x, struct exit_circuit *c,
                            enum family family, uint64_t now, void **handle)
{
    uint32_t slot = c->sockets[family];
    struct exit_socket *s;

    if (slot != NO_SOCKET) {
        *handle = x->sockets[slot].handle;
        return EXIT_SENT;
    }
    if (!make_room(x, c, now))
        return REASON_FULL;
    slot = x->free_socket;
    s = &x->sockets[slot];
    if (shares_add(&x->sockets_by, &c->neighbour) != OK)
        return REASON_FULL;
    if (x->env.world.open(x->env.world.ctx, family, cookie_of(x, slot),
                          &s->handle) != OK) {
        shares_remove(&x->sockets_by, &c->neighbour);
        return REASON_IO;
    }
    x->free_socket = s->next_free;
    x->socket_count++;
    s->circuit = c;
    s->family = (uint8_t)family;
    c->sockets[family] = slot;
    *handle = s->handle;
    return EXIT_SENT;
}

struct exit_socket *exit_socket_find(struct exit *x, uint32_t cookie)
{
    uint32_t slot = cookie & SLOT_MASK;

    if (slot >= x->socket_slots || x->sockets[slot].circuit == NULL ||
        cookie_of(x, slot) != cookie)
        return NULL;
    return &x->sockets[slot];
}

static void close_socket(struct exit *x, uint32_t slot)
{
    struct exit_socket *s = &x->sockets[slot];

    x->env.world.close(x->env.world.ctx, s->handle);
    shares_remove(&x->sockets_by, &s->circuit->neighbour);
    s->circuit = NULL;
    s->handle = NULL;
    s->generation++;
    s->next_free = x->free_socket;
    x->free_socket = slot;
    x->socket_count--;
}

void exit_sockets_close(struct exit *x, struct exit_circuit *c)
{
    for (size_t i = 0; i < FAMILIES; i++) {
        if (c->sockets[i] != NO_SOCKET)
            close_socket(x, c->sockets[i]);
        c->sockets[i] = NO_SOCKET;
    }
}
