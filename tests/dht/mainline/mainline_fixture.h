/* SPDX-License-Identifier: MIT
 *
 * An engine of the mainline DHT on the Internet, that one hand answers.
 */
#ifndef WARREN_TESTS_MAINLINE_FIXTURE_H
#define WARREN_TESTS_MAINLINE_FIXTURE_H

#include "dht_harness.h"

#include "dht/types/node_id.h"

struct fixture {
    struct harness h;
    struct witness w;
    struct test_random random;
};

static inline void init(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    harness_init(&f->h);
    f->h.config.testing_network = false;
    f->h.config.dialect = DHT_DIALECT_MAINLINE;
    f->random = test_seed(23);
}

static inline void start(struct fixture *f)
{
    init(f);
    harness_start(&f->h);
}

/* A public address in a network of its own. */
static inline struct endpoint place(unsigned n)
{
    return test_ep4(45, (uint8_t)n, 3, 4, 6881);
}

/* An id that BEP 42 allows there. */
static inline struct id fitting(struct fixture *f, const struct endpoint *ep)
{
    const struct random_source source = test_source(&f->random);
    struct id id;

    node_id_generate(ep, (uint8_t)test_random_next(&f->random), &source, &id);
    return id;
}

/* The next query to `ep`; NULL when there is none. */
static inline struct sent *asked(struct fixture *f, const struct endpoint *ep)
{
    struct sent *s;

    while ((s = harness_next(&f->h)) != NULL) {
        if (s->m.kind == DHT_QUERY && endpoint_equal(&s->to, ep))
            return s;
    }
    return NULL;
}

/* `id` answers a ping of ours from there. */
static inline enum error meet(struct fixture *f, const struct endpoint *ep,
                              const struct id *id)
{
    struct dht_message m;
    struct sent *s;

    harness_forget(&f->h);
    assert_int_equal(dht_ping(f->h.d, ep, NULL, f->h.now, NULL), OK);
    s = asked(f, ep);
    assert_non_null(s);
    harness_answer(&m, s, id);
    return harness_give(&f->h, ep, &m);
}

struct sought {
    const struct id *id;
    struct endpoint ep;
    bool found;
};

static inline void seek(void *ctx, const struct dht_node_info *info)
{
    struct sought *s = ctx;

    if (id_equal(&info->id, s->id) && endpoint_equal(&info->ep, &s->ep))
        s->found = true;
}

static inline bool is_contact(const struct fixture *f, const struct id *id,
                              const struct endpoint *ep)
{
    struct sought s = {id, *ep, false};

    dht_nodes(f->h.d, f->h.now, seek, &s);
    return s.found;
}

static inline unsigned contacts(const struct fixture *f)
{
    struct dht_status status;

    dht_status(f->h.d, f->h.now, &status);
    return status.nodes[FAMILY_IPV4];
}

#endif
