/* SPDX-License-Identifier: MIT
 *
 * What each datagram is, and whose. The way of a cell that is relayed, in four
 * steps:
 *
 *   read   links_receive_cell -> read_cell (link/link_receive.c): layout,
 *          session, counter; no key is used yet
 *   open   open_cell (link/link_receive.c): the head proves the cell, the mask
 *          comes off; what is about the link ends in dispatch there
 *   route  route_cell -> route_circuit_cell (here): the circuit's index finds
 *          its end; transit_receive_cell (transit/transit.c) removes or adds
 *          the layer, and transit_queue_offer and _put (transit_queue.c) let it
 *          pass, wait or fall
 *   seal   send_on (transit/transit.c) -> link_send_relay -> seal_cell
 *          (link/link.c): index, counter and head of the next link, around the
 *          body where it was received
 *
 * A cell for a circuit of our own leaves this way at "route", to
 * circuit_receive_cell (circuit/circuit_receive.c); one that is no RELAY is
 * given out by its type. A new type of cell gets its case in route_cell when it
 * is about no circuit, in route_circuit_cell when it is, and in dispatch of
 * link_receive.c when it is about the link.
 */
#include "tunnel/router/router.h"

#include "tunnel/link/link_text.h"
#include "tunnel/link/part.h"

#include "base/timestamp.h"

#include <string.h>

/* A hop answers a CREATE that was given up: it need not keep the circuit. */
static void decline(struct router *e, struct link *link, struct bytes created,
                    uint64_t now)
{
    struct link_text t;

    if (link_text_read_created(created, &t) == OK)
        circuit_destroy(e->shared.links, link, t.index, REASON_REQUESTED, now);
}

static enum error receive_destroy(struct router *e, struct circuit_end *end,
                                  struct bytes text, uint64_t now)
{
    enum reason why;
    enum error err = link_text_read_destroy(text, &why);

    if (err != OK)
        return err;
    if (end->role == END_CLIENT)
        circuit_receive_destroy(e->circuits, end, why, now);
    else
        transit_receive_destroy(e->transits, end, why, now);
    return OK;
}

/* The plane of circuits on a link. A RELAY cell goes to whoever its index
 * belongs to, and from there to the messages that a hop gets (transit.c) or
 * those that a client gets (circuit_receive.c): three tables, and no way from
 * one into another. */
static enum error route_circuit_cell(struct router *e, struct link *link,
                                     const struct cell_head *head,
                                     uint8_t *datagram, size_t len,
                                     uint64_t now)
{
    struct bytes text = bytes_of(datagram + CELL_BODY_OFFSET,
                                 len - CELL_BODY_OFFSET - NOISE_TAG_BYTES);
    struct circuit_end *end =
        circuit_end_find(&e->shared.ends, link, head->circuit);
    bool client = end != NULL && end->role == END_CLIENT;

    if (end == NULL) {
        if (head->type == CELL_CREATED)
            decline(e, link, text, now);
        return ERR_NOT_FOUND;
    }
    switch (head->type) {
    case CELL_RELAY:
        if (client)
            circuit_receive_cell(e->circuits, end, datagram, len, now);
        else
            transit_receive_cell(e->transits, end, datagram, len, now);
        return OK;
    case CELL_CREATED:
        return client ? circuit_receive_created(e->circuits, end, text, now)
                      : transit_receive_created(e->transits, end, text, now);
    case CELL_DESTROY:
        return receive_destroy(e, end, text, now);
    default:
        return ERR_UNKNOWN_KIND;
    }
}

/* What links do not keep for themselves: by type, then by the circuit. */
static enum error route_cell(void *ctx, struct link *link,
                             const struct cell_head *head, uint8_t *datagram,
                             size_t len, uint64_t now)
{
    struct bytes text = bytes_of(datagram + CELL_BODY_OFFSET,
                                 len - CELL_BODY_OFFSET - NOISE_TAG_BYTES);
    struct router *e = ctx;

    switch (head->type) {
    case CELL_CREATE:
        return transit_receive_create(e->transits, link, text, now);
    case CELL_SAMPLE_ASK:
    case CELL_SAMPLE:
    case CELL_PUNCTURE:
    case CELL_PUNCTURED:
        return e->env.neighbour(e->env.hooks, link, (enum cell_type)head->type,
                                text, now);
    default:
        return route_circuit_cell(e, link, head, datagram, len, now);
    }
}

static void link_up(void *ctx, struct link *link, uint64_t now)
{
    struct router *e = ctx;
    struct circuit_end *next;

    e->env.link_up(e->env.hooks, link, now);
    for (struct circuit_end *end = link->ends; end != NULL; end = next) {
        next = end->next;
        if (end->role == END_CLIENT)
            circuit_link_up(e->circuits, end, now);
        else
            transit_link_up(e->transits, end, now);
    }
}

/* Where circuits may not go, a link may not either. */
static bool link_may_move(void *ctx, const struct endpoint *to)
{
    struct router *e = ctx;

    return e->env.transit.may_extend(e->env.transit.ctx, to);
}

static void link_unanswered(void *ctx, const struct link *link, uint64_t now)
{
    struct router *e = ctx;

    e->env.unanswered(e->env.hooks, link, now);
}

/* Each circuit_link_down and transit_link_down takes its end off the list. */
static void link_down(void *ctx, struct link *link, enum reason why,
                      uint64_t now)
{
    struct router *e = ctx;

    if (link->state == LINK_UP)
        e->env.link_down(e->env.hooks, link, why, now);
    while (link->ends != NULL) {
        if (link->ends->role == END_CLIENT)
            circuit_link_down(e->circuits, link->ends, now);
        else
            transit_link_down(e->transits, link->ends, now);
    }
}

enum error router_init(struct router *e, const struct router_config *config,
                       const struct router_env *env, uint64_t now)
{
    struct link_env link_env = {
        .ctx = e,
        .random = env->random,
        .up = link_up,
        .may_move = link_may_move,
        .unanswered = link_unanswered,
        .down = link_down,
        .cell = route_cell,
    };
    uint8_t fresh[32];
    enum error err;

    *e = (struct router){.env = *env};
    link_env.send = env->send;
    link_env.send_alone = env->send_alone;
    link_env.send_ctx = env->ctx;
    responder_init(&e->responder, config->network, config->identity,
                   config->handshake_secret, &env->random);
    e->shared.responder = &e->responder;
    e->shared.random = env->random;
    env->random.fill(env->random.ctx, fresh, sizeof(fresh));
    keystream_init(&e->shared.fill, fresh);
    /* Both kinds of circuits have caps of their own, which may change. */
    slot_table_init(&e->shared.ends, SLOTS_MAX, &env->random);
    err = links_new(&config->link, &link_env, &e->responder, now,
                    &e->shared.links);
    if (err == OK)
        err = transits_new(&e->shared, &config->transit, &env->transit,
                           &e->transits);
    if (err == OK)
        err = circuits_new(&e->shared, &config->circuit, &env->circuit,
                           &e->circuits);
    if (err != OK)
        router_deinit(e);
    return err;
}

void router_deinit(struct router *e)
{
    circuits_free(e->circuits);
    transits_free(e->transits);
    links_free(e->shared.links);
    slot_table_deinit(&e->shared.ends);
    keystream_deinit(&e->shared.fill);
    responder_deinit(&e->responder);
}

/* The one place that tells cells from what is none. */
static enum error receive(struct router *e, const struct endpoint *from,
                          uint8_t *datagram, size_t len, uint64_t now)
{
    struct link_message m;
    enum error err;

    if (!endpoint_is_usable(from))
        return ERR_ADDRESS;
    if (cell_body_len(len) != 0 && datagram[1] == CELL_KIND)
        return links_receive_cell(e->shared.links, from, datagram, len, now);
    if (len == PART_BYTES && datagram[1] == PART_KIND)
        return links_receive_part(e->shared.links, from,
                                  bytes_of(datagram, len), now);
    err = link_message_read(bytes_of(datagram, len), &m);
    if (err != OK)
        return err;
    return m.kind <= LINK_RETRY || m.kind == LINK_UNKNOWN
               ? links_receive_message(e->shared.links, from, &m, now)
               : e->env.message(e->env.hooks, from, &m, now);
}

enum error router_receive(struct router *e, const struct endpoint *from,
                          uint8_t *datagram, size_t len, uint64_t now)
{
    enum error err = receive(e, from, datagram, len, now);

    if (err != OK)
        e->dropped[err]++;
    return err;
}

void router_set_load(struct router *e, unsigned load)
{
    links_set_load(e->shared.links, load);
    transits_set_load(e->transits, load);
}

void router_tick(struct router *e, uint64_t now)
{
    links_tick(e->shared.links, now);
    transits_tick(e->transits, now);
    circuits_tick(e->circuits, now);
}

uint64_t router_next_deadline(const struct router *e)
{
    uint64_t at = links_next_deadline(e->shared.links);

    at = time_min(at, transits_next_deadline(e->transits));
    return time_min(at, circuits_next_deadline(e->circuits));
}
