/* SPDX-License-Identifier: MIT
 *
 * Directories for tests, in the world of directory_host.h: they begin, end,
 * begin again, and time passes.
 */
#ifndef WARREN_TESTS_DIRECTORY_DATA_H
#define WARREN_TESTS_DIRECTORY_DATA_H

#include "directory_host.h"

static inline struct directory_env host_env(struct host *h)
{
    h->dht = (struct dht_provider){.ctx = h,
                                   .announce = host_announce,
                                   .withdraw = host_withdraw,
                                   .get_peers = host_get_peers,
                                   .put = host_put,
                                   .get_item = host_get_item,
                                   .cancel = host_cancel};
    return (struct directory_env){.ctx = h,
                                  .random = test_source(&h->random),
                                  .send = host_send,
                                  .send_cell = host_cell,
                                  .remember = host_remember,
                                  .forget = host_forget,
                                  .rotate = host_rotate,
                                  .told = host_told,
                                  .dht = &h->dht};
}

static inline struct directory_config host_config(struct host *h)
{
    struct directory_config c;

    directory_config_init(&c);
    memcpy(c.network, TEST_NETWORK, sizeof(TEST_NETWORK));
    c.secret = h->secret;
    c.wanted_relays = c.wanted_exits = 0;
    test_identity(60000, c.identity, h->secret);
    return c;
}

/* With another configuration than host_config gives. */
static inline void host_start(struct host *h, const struct directory_config *c)
{
    struct directory_env env = host_env(h);

    if (directory_new(c, &env, h->now, &h->d) != OK)
        abort();
}

static inline void host_init(struct host *h, uint64_t seed)
{
    struct directory_config c;

    *h = (struct host){.random = {seed}, .now = TIME_HOUR, .wall = TEST_WALL};
    h->stored = calloc(HOST_STORED, sizeof(*h->stored));
    if (h->stored == NULL)
        abort();
    c = host_config(h);
    host_start(h, &c);
}

static inline void host_deinit(struct host *h)
{
    directory_free(h->d);
    free(h->stored);
}

/* A new life with what the old one remembered. */
static inline void host_restart(struct host *h,
                                const struct directory_config *c)
{
    unsigned count = h->stored_count;

    directory_free(h->d);
    host_start(h, c);
    for (unsigned i = 0; i < count; i++)
        if (directory_add_stored(h->d, &h->stored[i].s, (uint64_t)h->wall,
                                 h->now) != OK)
            abort();
}

static inline void host_tick(struct host *h)
{
    directory_tick(h->d, (uint64_t)h->wall, h->now);
}

static inline void host_pass(struct host *h, uint64_t duration)
{
    h->now += duration;
    h->wall += (int64_t)(duration / TIME_S);
}

/* Ticks at each deadline of the next `duration`; returns how many. */
static inline unsigned host_run(struct host *h, uint64_t duration)
{
    uint64_t end = h->now + duration, start = h->now;
    int64_t wall = h->wall;
    unsigned ticks = 0;

    for (;;) {
        uint64_t at = directory_next_deadline(h->d);

        if (at > end)
            break;
        if (at > h->now)
            h->now = at;
        h->wall = wall + (int64_t)((h->now - start) / TIME_S);
        host_tick(h);
        ticks++;
    }
    h->now = end;
    h->wall = wall + (int64_t)(duration / TIME_S);
    return ticks;
}

/* Adds relay `n` as if it came from the store. */
static inline enum error host_add(struct host *h, const struct descriptor *d,
                                  unsigned n)
{
    uint8_t text[DESCRIPTOR_MAX];
    struct stored_relay s = {.record.first_seen = (uint64_t)h->wall,
                             .record.last_seen = (uint64_t)h->wall};

    s.text = bytes_of(text, test_descriptor_text(d, n, text));
    return directory_add_stored(h->d, &s, (uint64_t)h->wall, h->now);
}

/* Relays first..first+count-1, each in its own /16, of these roles. */
static inline void host_add_many(struct host *h, unsigned first, unsigned count,
                                 uint8_t roles)
{
    for (unsigned n = first; n < first + count; n++) {
        struct descriptor d = test_descriptor(n);

        d.issued = (uint64_t)h->wall;
        d.expires = d.issued + DESCRIPTOR_LIFETIME_MAX;
        d.roles = roles;
        if (host_add(h, &d, n) != OK)
            abort();
    }
}

#endif
