/* SPDX-License-Identifier: MIT
 *
 * Where a flow has sent to: found by what is sent to, address or name, and in
 * the order of use. The one not used for longest makes room, but not for what
 * waits.
 */
#include "tunnel/traffic/flow_internal.h"

#include <stdlib.h>
#include <string.h>

#define HEAD    3 /* family, port */
#define KEY_MAX (HEAD + NAME_MAX_LEN)
#define OF_NAME 0

_Static_assert(sizeof(((struct endpoint *)0)->addr) <= NAME_MAX_LEN,
               "the key of a name is the longest");

/* ---- Keys --------------------------------------------------------------- */

static struct bytes key_of(const struct keyed_entry *e)
{
    const struct destination *d = (const struct destination *)(const void *)e;

    return bytes_of(d->key, d->key_len);
}

static size_t write_key(uint8_t kind, uint16_t port, struct bytes host,
                        uint8_t out[KEY_MAX])
{
    out[0] = kind;
    bytes_put_number(out + 1, 2, port);
    memcpy(out + HEAD, host.p, host.len);
    return HEAD + host.len;
}

/* Families begin with 0. */
static size_t key_of_address(const struct endpoint *ep, uint8_t out[KEY_MAX])
{
    return write_key((uint8_t)(OF_NAME + 1 + ep->family), ep->port,
                     bytes_of(ep->addr, sizeof(ep->addr)), out);
}

static size_t key_to(const struct host_port *to, uint8_t out[KEY_MAX])
{
    if (to->name.len == 0)
        return key_of_address(&to->ep, out);
    return write_key(OF_NAME, to->ep.port,
                     bytes_of((const uint8_t *)to->name.text, to->name.len),
                     out);
}

static bool is_name(const struct destination *d)
{
    return d->key[0] == OF_NAME;
}

uint16_t destination_port(const struct destination *d)
{
    return (uint16_t)bytes_get_number(d->key + 1, 2);
}

bool destinations_meet(const struct destination *a, const struct destination *b)
{
    if (destination_port(a) != destination_port(b))
        return false;
    return is_name(a) || is_name(b) ||
           (a->key_len == b->key_len &&
            memcmp(a->key, b->key, a->key_len) == 0);
}

/* ---- The table ---------------------------------------------------------- */

void destinations_init(struct flow *f)
{
    keyed_table_init(&f->destinations, FLOW_DESTINATIONS, key_of,
                     f->bundle->flows->secret);
}

static void drop(struct flow *f, struct destination *d)
{
    keyed_table_remove(&f->destinations, &d->entry);
    free(d->by);
    free(d);
}

void destinations_deinit(struct flow *f)
{
    while (f->destinations.oldest != NULL)
        drop(f, destination_of(f->destinations.oldest));
}

/* Fewer wait than are remembered, so there is one. */
static void make_room(struct flow *f)
{
    struct keyed_entry *e = f->destinations.oldest;

    while (e != NULL && destination_of(e)->waiting > 0)
        e = e->newer;
    if (e != NULL)
        drop(f, destination_of(e));
}

_Static_assert(FLOW_QUEUE_MAX < FLOW_DESTINATIONS,
               "some destinations have nothing that waits");

static struct destination *add(struct flow *f, struct bytes key)
{
    struct destination *d = calloc(1, sizeof(*d) + key.len);

    if (d == NULL)
        return NULL;
    d->key_len = key.len;
    memcpy(d->key, key.p, key.len);
    if (f->destinations.count == FLOW_DESTINATIONS)
        make_room(f);
    if (keyed_table_add(&f->destinations, &d->entry) == OK)
        return d;
    free(d);
    return NULL;
}

struct destination *destination_get(struct flow *f, const struct host_port *to)
{
    uint8_t key[KEY_MAX];
    size_t len = key_to(to, key);
    struct keyed_entry *e =
        keyed_table_find(&f->destinations, bytes_of(key, len));

    if (e == NULL)
        return add(f, bytes_of(key, len));
    keyed_table_touch(&f->destinations, e);
    return destination_of(e);
}

struct destination *destination_find(const struct flow *f,
                                     const struct endpoint *ep)
{
    uint8_t key[KEY_MAX];
    size_t len = key_of_address(ep, key);

    return destination_of(
        keyed_table_find(&f->destinations, bytes_of(key, len)));
}

struct destination *destination_named(const struct flow *f, uint32_t circuit,
                                      uint16_t port)
{
    struct keyed_entry *e;

    for (e = f->destinations.newest; e != NULL; e = e->older) {
        struct destination *d = destination_of(e);

        if (is_name(d) && d->circuit == circuit && destination_port(d) == port)
            return d;
    }
    return NULL;
}

/* ---- Refusals ----------------------------------------------------------- */

bool destination_is_refused(struct destination *d, uint64_t now)
{
    if (d->refusals > 0 && time_since(d->refused_at, now) > FLOW_REFUSAL_TIME)
        d->refusals = 0;
    return d->refusals == FLOW_EXITS_MAX;
}

void destination_refuse(struct destination *d, const uint8_t exit[32],
                        uint64_t now)
{
    if (d->by == NULL)
        d->by = calloc(FLOW_EXITS_MAX, sizeof(*d->by));
    if (d->by == NULL || d->refusals == FLOW_EXITS_MAX)
        return;
    memcpy(d->by[d->refusals++], exit, sizeof(*d->by));
    d->refused_at = now;
    d->circuit = 0;
}

/* ---- Sending ------------------------------------------------------------ */

enum error destination_send(const struct destination *d, struct member *t,
                            uint32_t circuit, struct bytes data, uint64_t now)
{
    struct endpoint ep = {.port = destination_port(d)};

    if (is_name(d))
        return member_data_name(t, circuit,
                                bytes_of(d->key + HEAD, d->key_len - HEAD),
                                ep.port, data, now);
    ep.family = (enum family)(d->key[0] - 1 - OF_NAME);
    memcpy(ep.addr, d->key + HEAD, sizeof(ep.addr));
    return member_data(t, circuit, &ep, data, now);
}
