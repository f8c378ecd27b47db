/* SPDX-License-Identifier: MIT
 *
 * The table of our circuits: their beginning and end, what is sent on them, and
 * what links and time bring. What hops say is in circuit_receive.c, the
 * handshakes in circuit_build.c; all share circuit_table.h.
 */
#include "tunnel/circuit/circuit.h"

#include "tunnel/circuit/circuit_table.h"

#include "base/timestamp.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum error circuits_new(struct circuit_shared *shared,
                        const struct circuit_config *config,
                        const struct circuit_env *env, struct circuits **out)
{
    struct circuits *cs = calloc(1, sizeof(struct circuits));

    if (cs == NULL)
        return ERR_NO_MEMORY;
    cs->shared = shared;
    cs->config = *config;
    cs->env = *env;
    cs->next_id = 1;
    cs->deadline = TIME_NEVER;
    *out = cs;
    return OK;
}

static void forget(struct circuits *cs, struct circuit *c, uint64_t now)
{
    circuit_build_forget(c);
    circuit_end_detach(&c->end, &cs->shared->ends, now);
    cs->circuits[c->slot] = cs->circuits[--cs->count];
    cs->circuits[c->slot]->slot = c->slot;
    sodium_memzero(c, sizeof(*c));
    free(c);
}

void circuits_free(struct circuits *cs)
{
    if (cs == NULL)
        return;
    while (cs->count > 0)
        forget(cs, cs->circuits[cs->count - 1], 0);
    free(cs->circuits);
    free(cs);
}

struct circuit *circuit_of(struct circuit_end *end)
{
    assert(end->role == END_CLIENT);
    return (struct circuit *)(void *)((uint8_t *)end -
                                      offsetof(struct circuit, end));
}

void circuit_set_deadline(struct circuits *cs, struct circuit *c, uint64_t at)
{
    c->deadline = at;
    cs->deadline = time_min(cs->deadline, at);
}

static bool is_full(const struct circuits *cs, enum circuit_use use)
{
    unsigned count = 0;

    for (size_t i = 0; i < cs->count; i++)
        count += cs->circuits[i]->use == use;
    return count >= (use == CIRCUIT_FOR_DATA ? cs->config.max_circuits
                                             : cs->config.max_service_circuits);
}

static enum error make_room(struct circuits *cs)
{
    size_t room = cs->room == 0 ? 16 : 2 * cs->room;
    struct circuit **circuits;

    if (cs->count < cs->room)
        return OK;
    circuits = realloc(cs->circuits, room * sizeof(struct circuit *));
    if (circuits == NULL)
        return ERR_NO_MEMORY;
    cs->circuits = circuits;
    cs->room = room;
    return OK;
}

static enum error begin(struct circuits *cs, enum circuit_use use,
                        const struct link_target *hops, unsigned length,
                        uint64_t now, struct circuit **out)
{
    struct circuit *c;
    struct link *link;
    enum error e;

    if (length < 1 || length > ONION_HOPS_MAX)
        return ERR_RANGE;
    if (is_full(cs, use))
        return ERR_FULL;
    e = make_room(cs);
    if (e != OK)
        return e;
    e = link_open(cs->shared->links, &hops[0], now, &link);
    if (e != OK)
        return e;
    c = calloc(1, sizeof(struct circuit));
    if (c == NULL)
        return ERR_NO_MEMORY;
    c->end.role = END_CLIENT;
    e = circuit_end_attach(&c->end, &cs->shared->ends, link);
    if (e != OK) {
        free(c);
        return e;
    }
    c->id = cs->next_id++;
    c->use = use;
    c->length = c->chosen = length;
    c->created_at = c->used_at = now;
    for (unsigned i = 0; i < length; i++)
        c->hop[i].target = hops[i];
    c->slot = cs->count;
    cs->circuits[cs->count++] = c;
    cs->stats.started++;
    circuit_set_deadline(cs, c, TIME_NEVER); /* the link's own comes first */
    if (link->state == LINK_UP)
        circuit_build_next(cs, c, now);
    *out = c;
    return OK;
}

enum error circuit_new(struct circuits *cs, const struct link_target *hops,
                       unsigned length, uint64_t now, struct circuit **out)
{
    return begin(cs, CIRCUIT_FOR_DATA, hops, length, now, out);
}

enum error circuit_new_for_service(struct circuits *cs,
                                   const struct link_target *hops,
                                   unsigned length, uint64_t now,
                                   struct circuit **out)
{
    return begin(cs, CIRCUIT_FOR_SERVICE, hops, length, now, out);
}

/* What others have named is no hop of our choice: they would learn whether we
 * have a relay on a way by having it lost. */
static void note_lost(struct circuits *cs, const struct circuit *c,
                      enum reason why, unsigned hop, uint64_t now)
{
    bool gone = why == REASON_LINK_LOST || why == REASON_UNREACHABLE ||
                why == REASON_TIMEOUT;

    if (gone && hop > 0 && hop <= c->chosen && c->use == CIRCUIT_FOR_SERVICE)
        lost_relays_note(&cs->lost, c->hop[hop - 1].target.identity, now);
}

struct lost_relays *circuits_lost(struct circuits *cs)
{
    return &cs->lost;
}

void circuit_end_with(struct circuits *cs, struct circuit *c, enum reason why,
                      unsigned hop, uint64_t now)
{
    if (c->closing)
        return;
    c->closing = true;
    cs->stats.ended[why]++;
    note_lost(cs, c, why, hop, now);
    cs->env.closed(cs->env.ctx, c, why, hop, now);
    forget(cs, c, now);
}

void circuit_close(struct circuits *cs, struct circuit *c, enum reason why,
                   uint64_t now)
{
    if (c->closing)
        return;
    circuit_end_destroy(&c->end, cs->shared->links, why, now);
    circuit_end_with(cs, c, why, 0, now);
}

struct circuit *circuit_find(const struct circuits *cs, uint32_t id)
{
    for (size_t i = 0; i < cs->count; i++) {
        if (cs->circuits[i]->id == id && !cs->circuits[i]->closing)
            return cs->circuits[i];
    }
    return NULL;
}

/* The text of hop `hop` is there, and gets its layers. */
static void send_cell(struct circuits *cs, struct circuit *c, unsigned hop,
                      uint8_t *datagram, size_t len, uint64_t now)
{
    for (unsigned i = hop; i >= 1; i--)
        onion_add(&c->hop[i - 1].out, datagram + CELL_BODY_OFFSET,
                  len - CELL_BODY_OFFSET, i);
    c->bytes_up += len;
    cs->stats.cells_up++;
    link_send_relay(cs->shared->links, c->end.link, c->end.remote, datagram,
                    len, now);
}

enum error circuit_send(struct circuits *cs, struct circuit *c, unsigned hop,
                        const struct circuit_message *m, uint64_t now)
{
    uint8_t datagram[CELL_MAX], *body = datagram + CELL_BODY_OFFSET;
    size_t len, used;
    enum error e;

    if (hop < 1 || hop > c->built)
        return ERR_NOT_FOUND;
    e = circuit_message_write(m, body, onion_message_len(CELL_LARGE_BODY),
                              &used);
    if (e != OK)
        return e;
    len = used <= onion_message_len(CELL_SMALL_BODY) ? CELL_SMALL : CELL_LARGE;
    onion_message(body, len - CELL_BODY_OFFSET, hop, used);
    if (m->type == CIRCUIT_DATA || m->type == CIRCUIT_PIECE ||
        m->type == CIRCUIT_PACKET_IN)
        c->used_at = now;
    send_cell(cs, c, hop, datagram, len, now);
    return OK;
}

enum error circuit_send_text(struct circuits *cs, struct circuit *c,
                             unsigned hop, struct bytes text, size_t cell_len,
                             uint64_t now)
{
    uint8_t datagram[CELL_MAX], *body = datagram + CELL_BODY_OFFSET;
    size_t body_len = cell_body_len(cell_len);

    if (hop < 1 || hop > c->built)
        return ERR_NOT_FOUND;
    if (text.len > onion_message_len(body_len))
        return ERR_NO_SPACE;
    memcpy(body, text.p, text.len);
    onion_message(body, body_len, hop, text.len);
    c->used_at = now;
    send_cell(cs, c, hop, datagram, cell_len, now);
    return OK;
}

enum error circuit_send_end(struct circuits *cs, struct circuit *c,
                            uint8_t *datagram, size_t len, uint64_t now)
{
    if (c->state != CIRCUIT_READY || !c->joined)
        return ERR_NOT_FOUND;
    onion_mark_end(datagram + CELL_BODY_OFFSET, len - CELL_BODY_OFFSET,
                   c->length, &cs->shared->fill);
    c->used_at = now;
    send_cell(cs, c, c->length, datagram, len, now);
    return OK;
}

enum error circuit_ping(struct circuits *cs, struct circuit *c, unsigned hop,
                        uint64_t now)
{
    struct circuit_message m = {.type = CIRCUIT_PING};

    if (hop < 1 || hop > c->built)
        return ERR_NOT_FOUND;
    cs->shared->random.fill(cs->shared->random.ctx, &m.nonce, sizeof(m.nonce));
    m.nonce |= 1;
    c->hop[hop - 1].ping_nonce = m.nonce;
    c->hop[hop - 1].ping_at = now;
    return circuit_send(cs, c, hop, &m, now);
}

void circuit_link_up(struct circuits *cs, struct circuit_end *end, uint64_t now)
{
    struct circuit *c = circuit_of(end);

    if (c->built == 0 && c->handshake == NULL)
        circuit_build_next(cs, c, now);
}

/* The first hop was started again and knows no more of the link: nothing was
 * built over it yet, so it is begun anew over another, once. */
static bool begin_anew(struct circuits *cs, struct circuit *c, uint64_t now)
{
    struct link *link;

    if (!c->end.link->stale || c->built > 0 || c->begun_anew)
        return false;
    c->begun_anew = true;
    circuit_build_forget(c);
    circuit_end_detach(&c->end, &cs->shared->ends, now);
    if (link_open(cs->shared->links, &c->hop[0].target, now, &link) != OK ||
        circuit_end_attach(&c->end, &cs->shared->ends, link) != OK)
        return false;
    circuit_set_deadline(cs, c, TIME_NEVER);
    if (link->state == LINK_UP)
        circuit_build_next(cs, c, now);
    return true;
}

void circuit_link_down(struct circuits *cs, struct circuit_end *end,
                       uint64_t now)
{
    struct circuit *c = circuit_of(end);
    enum reason why = c->built > 0 ? REASON_LINK_LOST : REASON_UNREACHABLE;

    if (begin_anew(cs, c, now))
        return;
    cs->stats.failed[0][why]++;
    circuit_end_with(cs, c, why, 1, now);
}

void circuits_tick(struct circuits *cs, uint64_t now)
{
    if (now < cs->deadline)
        return;
    for (size_t i = cs->count; i-- > 0;) {
        struct circuit *c = i < cs->count ? cs->circuits[i] : NULL;

        if (c != NULL && now >= c->deadline)
            circuit_build_late(cs, c, now);
    }
    cs->deadline = TIME_NEVER;
    for (size_t i = 0; i < cs->count; i++)
        cs->deadline = time_min(cs->deadline, cs->circuits[i]->deadline);
}

uint64_t circuits_next_deadline(const struct circuits *cs)
{
    return cs->deadline;
}

unsigned circuits_count(const struct circuits *cs)
{
    return (unsigned)cs->count;
}

struct circuit *circuits_at(const struct circuits *cs, unsigned i)
{
    assert(i < cs->count);
    return cs->circuits[i];
}

const struct circuit_stats *circuits_stats(const struct circuits *cs)
{
    return &cs->stats;
}
