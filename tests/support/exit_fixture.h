/* SPDX-License-Identifier: MIT
 *
 * An exit in a made-up world: sockets that record what is sent, a resolver
 * that answers when the test says so.
 */
#ifndef WARREN_TESTS_EXIT_FIXTURE_H
#define WARREN_TESTS_EXIT_FIXTURE_H

#include "dht_data.h"

#include "tunnel/exit/exit.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW          (1000 * TIME_S)
#define MAX_OPEN     256
#define TEST_CIRCUIT UINT64_C(0x1122334455667788)

struct fake_socket {
    bool open;
    enum family family;
    uint32_t cookie;
};

struct world {
    struct exit *exit;
    struct exit_circuit *circuit; /* TEST_CIRCUIT */
    struct policy policy;
    struct exit_config config;
    struct test_random random;

    struct fake_socket sockets[MAX_OPEN];
    unsigned open; /* now */
    bool no_family[FAMILIES];
    enum error send_error[FAMILIES];
    unsigned sent;
    struct endpoint sent_to;
    uint8_t sent_bytes[EXIT_PAYLOAD_MAX];
    size_t sent_len;
    struct fake_socket *sent_by;

    unsigned asked, cancelled;
    uint32_t question; /* cookie of the last one */
    char asked_name[256];
    enum error resolve_error;
    const char *answer_at_once;

    unsigned delivered, failed;
    uint64_t delivered_to, failed_circuit;
    struct endpoint delivered_from;
    size_t delivered_len;
    enum reason failed_why;
    struct exit_circuit *free_on_failure; /* freed by the callback */

    unsigned found; /* lookups that ended */
    uint64_t found_by, found_lookup, found_ttl;
    enum reason found_why;
    struct endpoint found_addrs[8];
    size_t found_count;
    char found_name[256];
    struct exit_circuit *free_when_found;
    uint64_t cancel_when_found; /* a lookup of `circuit` */
    const char *again;          /* is looked up from within the callback */
};

static inline enum error fake_open(void *ctx, enum family family,
                                   uint32_t cookie, void **handle)
{
    struct world *w = ctx;

    if (w->no_family[family])
        return ERR_UNSUPPORTED;
    for (unsigned i = 0; i < MAX_OPEN; i++) {
        if (w->sockets[i].open)
            continue;
        w->sockets[i] = (struct fake_socket){true, family, cookie};
        w->open++;
        *handle = &w->sockets[i];
        return OK;
    }
    return ERR_IO;
}

static inline enum error fake_send(void *ctx, void *handle,
                                   const struct endpoint *to,
                                   struct bytes payload)
{
    struct fake_socket *s = handle;
    struct world *w = ctx;

    assert_true(s->open && s->family == to->family);
    if (w->send_error[s->family] != OK)
        return w->send_error[s->family];
    w->sent++;
    w->sent_to = *to;
    w->sent_by = s;
    w->sent_len = payload.len;
    if (payload.len > 0)
        memcpy(w->sent_bytes, payload.p, payload.len);
    return OK;
}

static inline void fake_close(void *ctx, void *handle)
{
    struct fake_socket *s = handle;
    struct world *w = ctx;

    assert_true(s->open);
    s->open = false;
    w->open--;
}

/* "8.8.8.8 [2606::1]" and so on, as the addresses of the question. */
static inline void world_answer(struct world *w, uint32_t cookie,
                                const char *text, uint64_t ttl, uint64_t now)
{
    struct endpoint addrs[2 * 8];
    size_t count = 0;
    char copy[512], *rest = copy;

    snprintf(copy, sizeof(copy), "%s", text);
    for (char *p; (p = strtok_r(rest, " ", &rest)) != NULL; count++)
        assert_int_equal(endpoint_parse_addr(p, &addrs[count]), OK);
    exit_resolved(
        w->exit, cookie,
        &(struct exit_answer){.addrs = addrs, .count = count, .ttl = ttl}, now);
}

static inline enum error fake_resolve(void *ctx, const char *name,
                                      uint32_t cookie)
{
    struct world *w = ctx;

    if (w->resolve_error != OK)
        return w->resolve_error;
    w->asked++;
    w->question = cookie;
    snprintf(w->asked_name, sizeof(w->asked_name), "%s", name);
    if (w->answer_at_once != NULL)
        world_answer(w, cookie, w->answer_at_once, TIME_MIN, NOW);
    return OK;
}

/* Why there is nothing. */
static inline void world_answer_none(struct world *w, uint32_t cookie,
                                     enum reason why, uint64_t now)
{
    exit_resolved(w->exit, cookie, &(struct exit_answer){.why = why}, now);
}

/* The name of an address. */
static inline void world_answer_name(struct world *w, uint32_t cookie,
                                     const char *name, uint64_t now)
{
    exit_resolved(
        w->exit, cookie,
        &(struct exit_answer){.name = bytes_of_text(name), .ttl = TIME_MIN},
        now);
}

static inline enum error fake_reverse(void *ctx, const struct endpoint *address,
                                      uint32_t cookie)
{
    char text[ENDPOINT_TEXT_SIZE];

    assert_int_equal(address->port, 0);
    return fake_resolve(ctx, endpoint_print_addr(address, text), cookie);
}

static inline void fake_cancel(void *ctx, uint32_t cookie)
{
    struct world *w = ctx;

    (void)cookie;
    w->cancelled++;
}

static inline void fake_deliver(void *ctx, void *owner,
                                const struct endpoint *source,
                                struct bytes payload, uint64_t now)
{
    struct world *w = ctx;

    (void)now;
    w->delivered++;
    w->delivered_to = (uintptr_t)owner;
    w->delivered_from = *source;
    w->delivered_len = payload.len;
}

static inline void fake_failed(void *ctx, void *owner, enum reason why,
                               uint64_t now)
{
    struct world *w = ctx;

    (void)now;
    w->failed++;
    w->failed_circuit = (uintptr_t)owner;
    w->failed_why = why;
    exit_circuit_free(w->exit, w->free_on_failure);
    if (w->free_on_failure == w->circuit)
        w->circuit = NULL;
    w->free_on_failure = NULL;
}

static inline void fake_found(void *ctx, void *owner, uint64_t lookup,
                              const struct exit_answer *answer, uint64_t now)
{
    struct world *w = ctx;
    const char *again = w->again;

    w->found++;
    w->found_by = (uintptr_t)owner;
    w->found_lookup = lookup;
    w->found_why = answer->why;
    w->found_ttl = answer->ttl;
    w->found_count = answer->count;
    assert_true(answer->count <= COUNT_OF(w->found_addrs));
    for (size_t i = 0; i < answer->count; i++)
        w->found_addrs[i] = answer->addrs[i];
    snprintf(w->found_name, sizeof(w->found_name), "%.*s",
             (int)answer->name.len, (const char *)answer->name.p);
    exit_circuit_free(w->exit, w->free_when_found);
    if (w->free_when_found == w->circuit)
        w->circuit = NULL;
    w->free_when_found = NULL;
    if (w->cancel_when_found != 0)
        exit_lookup_cancel(w->exit, w->circuit, w->cancel_when_found);
    w->again = NULL;
    if (again != NULL)
        exit_lookup(w->exit, w->circuit, bytes_of_text(again), 100 + lookup,
                    now);
}

/* One that comes from this neighbour. */
static inline struct exit_circuit *
world_circuit_from(struct world *w, uint64_t name, const char *neighbour)
{
    struct endpoint ep = test_ep(neighbour);
    struct exit_circuit *c;

    assert_int_equal(exit_circuit_new(w->exit, (void *)name, &ep, NOW, &c), OK);
    return c;
}

/* Set policy and config before, then start. */
static inline void world_init(struct world *w)
{
    *w = (struct world){.random = test_seed(1)};
    policy_init(&w->policy, true, false);
    exit_config_default(&w->config);
}

static inline void world_start(struct world *w)
{
    struct exit_env env = {.world = {.ctx = w,
                                     .open = fake_open,
                                     .send = fake_send,
                                     .close = fake_close,
                                     .resolve = fake_resolve,
                                     .reverse = fake_reverse,
                                     .resolve_cancel = fake_cancel},
                           .ctx = w,
                           .random = test_source(&w->random),
                           .deliver = fake_deliver,
                           .failed = fake_failed,
                           .found = fake_found};

    assert_int_equal(exit_new(&w->config, &env, &w->policy, &w->exit), OK);
    w->circuit = world_circuit_from(w, TEST_CIRCUIT, "9.9.9.9:7881");
}

static inline void world_end(struct world *w)
{
    exit_circuit_free(w->exit, w->circuit);
    exit_free(w->exit);
    assert_int_equal(w->open, 0);
}

static inline struct exit_circuit *world_circuit(struct world *w, uint64_t name)
{
    return world_circuit_from(w, name, "9.9.9.9:7881");
}

static inline enum reason send_to(struct world *w, const char *to, uint64_t now)
{
    struct endpoint ep = test_ep(to);

    return exit_send(w->exit, w->circuit, &ep, TEST_BYTES("hello"), now);
}

static inline enum reason send_name_to(struct world *w, const char *name,
                                       uint64_t now)
{
    return exit_send_name(w->exit, w->circuit, bytes_of_text(name), 53,
                          TEST_BYTES("query"), now);
}

static inline enum reason look_up(struct world *w, const char *name,
                                  uint64_t lookup, uint64_t now)
{
    return exit_lookup(w->exit, w->circuit, bytes_of_text(name), lookup, now);
}

static inline void receive_from(struct world *w, uint32_t cookie,
                                const char *from, uint64_t now)
{
    struct endpoint ep = test_ep(from);

    exit_receive(w->exit, cookie, &ep, TEST_BYTES("answer!"), now);
}

static inline struct exit_stats stats_of(const struct world *w)
{
    struct exit_stats stats;

    exit_get_stats(w->exit, &stats);
    return stats;
}

#endif
