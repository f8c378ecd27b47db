/* SPDX-License-Identifier: MIT
 *
 * Two nodes with links and the datagrams between them, which a test may look
 * at, drop or keep for later.
 */
#ifndef WARREN_TESTS_LINK_WORLD_H
#define WARREN_TESTS_LINK_WORLD_H

#include "tunnel/link/link.h"
#include "tunnel/link/part.h"

#include "base/timestamp.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#define QUEUE_MAX 256

struct packet {
    struct endpoint from, to;
    size_t len;
    uint8_t bytes[CELL_MAX];
};

struct world;

struct node {
    struct world *world;
    struct endpoint ep;
    uint8_t identity[32], secret[32];
    struct responder responder;
    struct links *links;
    struct link *up_link; /* the last that came up or got a cell */
    unsigned ups, downs, cells, unanswered;
    enum reason why;
    struct cell_head head;
    uint8_t text[8];
};

struct world {
    struct node a, b;
    struct test_random random;
    uint64_t now;
    /* What the path lets through; longer ones are lost. 0: everything. */
    size_t longest;
    size_t count;
    struct packet queue[QUEUE_MAX];
};

static inline void node_send(void *ctx, const struct endpoint *to,
                             struct bytes d)
{
    struct node *n = ctx;
    struct packet *p = &n->world->queue[n->world->count++];

    assert_true(n->world->count <= QUEUE_MAX);
    assert_true(d.len <= sizeof(p->bytes));
    p->from = n->ep;
    p->to = *to;
    p->len = d.len;
    memcpy(p->bytes, d.p, d.len);
}

static inline void node_random(void *ctx, void *buf, size_t len)
{
    struct node *n = ctx;

    test_random_fill(&n->world->random, buf, len);
}

static inline void node_up(void *ctx, struct link *link, uint64_t now)
{
    struct node *n = ctx;

    (void)now;
    n->up_link = link;
    n->ups++;
}

static inline bool node_may_move(void *ctx, const struct endpoint *to)
{
    (void)ctx;
    return to->addr[0] != 10;
}

static inline void node_unanswered(void *ctx, const struct link *link,
                                   uint64_t now)
{
    struct node *n = ctx;

    (void)link, (void)now;
    n->unanswered++;
}

static inline void node_down(void *ctx, struct link *link, enum reason why,
                             uint64_t now)
{
    struct node *n = ctx;

    (void)link, (void)now;
    n->up_link = NULL;
    n->downs++;
    n->why = why;
}

static inline enum error node_cell(void *ctx, struct link *link,
                                   const struct cell_head *head,
                                   uint8_t *datagram, size_t len, uint64_t now)
{
    struct node *n = ctx;

    (void)len, (void)now;
    n->up_link = link;
    n->cells++;
    n->head = *head;
    memcpy(n->text, datagram + CELL_BODY_OFFSET, sizeof(n->text));
    return OK;
}

static inline struct link_config config(void)
{
    struct link_config c = {
        .max_links = 8,
        .max_half_open = 4,
        .handshake_rate = 100,
        .handshake_burst = 100,
        .handshake_source_rate = 10,
        .handshake_source_burst = 10,
        .proven_rate = 1000,
        .max_sources = 64,
    };

    return c;
}

static inline void node_start(struct node *n, const struct link_config *c)
{
    struct link_env env = {
        .ctx = n,
        .random = {.ctx = n, .fill = node_random},
        .send_ctx = n,
        .send = node_send,
        .up = node_up,
        .may_move = node_may_move,
        .unanswered = node_unanswered,
        .down = node_down,
        .cell = node_cell,
    };

    links_free(n->links);
    responder_init(&n->responder, "main", n->identity, n->secret, &env.random);
    assert_int_equal(
        links_new(c, &env, &n->responder, n->world->now, &n->links), OK);
}

static inline void node_init(struct node *n, struct world *w, uint8_t number)
{
    struct link_config c = config();

    n->world = w;
    memset(n->identity, number, 32);
    memset(n->secret, number + 1, 32);
    n->ep = (struct endpoint){.addr = {192, 0, 2, number}, .port = 7881};
    node_start(n, &c);
}

static inline struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->random = test_seed(7);
    w->now = TIME_S;
    node_init(&w->a, w, 1);
    node_init(&w->b, w, 2);
    return w;
}

static inline void world_free(struct world *w)
{
    links_free(w->a.links);
    links_free(w->b.links);
    free(w);
}

static inline enum error deliver(struct node *to, const struct packet *p)
{
    struct packet copy = *p;
    struct link_message m;
    enum error e;

    if (copy.len >= 2 && copy.bytes[1] == CELL_KIND)
        return links_receive_cell(to->links, &copy.from, copy.bytes, copy.len,
                                  to->world->now);
    if (copy.len == PART_BYTES && copy.bytes[1] == PART_KIND)
        return links_receive_part(to->links, &copy.from,
                                  bytes_of(copy.bytes, copy.len),
                                  to->world->now);
    e = link_message_read(bytes_of(copy.bytes, copy.len), &m);
    if (e != OK)
        return e;
    return links_receive_message(to->links, &copy.from, &m, to->world->now);
}

static inline struct node *node_at(struct world *w, const struct endpoint *ep)
{
    return endpoint_equal(ep, &w->a.ep)   ? &w->a
           : endpoint_equal(ep, &w->b.ep) ? &w->b
                                          : NULL;
}

/* Delivers what is queued, and what that brings about, until it is quiet. */
static inline void settle(struct world *w)
{
    struct packet *p = malloc(sizeof(*p));

    while (w->count > 0) {
        struct node *to;

        *p = w->queue[0];
        memmove(w->queue, w->queue + 1, --w->count * sizeof(struct packet));
        to = node_at(w, &p->to);
        if (to != NULL && (w->longest == 0 || p->len <= w->longest))
            deliver(to, p);
    }
    free(p);
}

static inline void run(struct world *w, uint64_t duration, bool connected)
{
    uint64_t end = w->now + duration;

    while (w->now < end) {
        uint64_t at = time_min(links_next_deadline(w->a.links),
                               links_next_deadline(w->b.links));

        w->now = time_min(end, at > w->now ? at : w->now + TIME_MS);
        links_tick(w->a.links, w->now);
        links_tick(w->b.links, w->now);
        if (connected)
            settle(w);
        w->count = 0;
    }
}

static inline struct link_target target_of(const struct node *n)
{
    struct link_target t = {.ep = n->ep};

    memcpy(t.identity, n->identity, 32);
    noise_public_key(n->secret, t.handshake_key);
    return t;
}

static inline struct link *open_link(struct world *w)
{
    struct link_target t = target_of(&w->b);
    struct link *link;

    assert_int_equal(link_open(w->a.links, &t, w->now, &link), OK);
    return link;
}

#endif
