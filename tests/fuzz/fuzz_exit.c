/* SPDX-License-Identifier: MIT
 *
 * An exit with small caps, driven by arbitrary bytes: what clients send, what
 * the DNS and the Internet answer or do not, what the system refuses. Nothing
 * may ever be sent to an address that is not global or is the exit's own, nor
 * be delivered from an address that nothing was sent to; a lookup ends once, or
 * was cancelled; caps hold; at the end nothing is left.
 */
#include "fuzz.h"

#include "tunnel/exit/exit.h"

#include <assert.h>
#include <string.h>

#define CIRCUITS 4
#define SOCKETS  6
#define MAX_SENT 512
#define LOOKUPS  32

struct world {
    struct exit *exit;
    struct exit_circuit *circuits[CIRCUITS];
    struct policy policy;
    struct input in;
    uint64_t now;
    uint32_t cookies[SOCKETS];
    bool open[SOCKETS];
    uint32_t question;
    unsigned depth; /* of callbacks that call back */
    struct endpoint sent[MAX_SENT];
    unsigned sent_count;
    struct {
        unsigned circuit;
        bool under_way;
    } lookup[LOOKUPS];
};

static uint8_t take(struct world *w)
{
    return input_take(&w->in);
}

static void fill(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    memset(buf, 0x42, len);
}

static enum error open_socket(void *ctx, enum family family, uint32_t cookie,
                              void **handle)
{
    struct world *w = ctx;

    (void)family;
    if (take(w) % 8 == 7)
        return ERR_IO;
    for (unsigned i = 0; i < SOCKETS; i++) {
        if (!w->open[i]) {
            w->open[i] = true;
            w->cookies[i] = cookie;
            *handle = &w->open[i];
            return OK;
        }
    }
    assert(0);
    return ERR_IO;
}

static enum error send_out(void *ctx, void *handle, const struct endpoint *to,
                           struct bytes payload)
{
    struct world *w = ctx;
    bool *open = handle;
    uint8_t fate = take(w);

    (void)payload;
    assert(*open && endpoint_is_global(to) && to->port != 0);
    assert(!endpoint_same_addr(to, &w->policy.own[0]));
    if (fate % 8 == 7)
        return fate & 8 ? ERR_IO : ERR_NO_SPACE;
    if (w->sent_count < MAX_SENT)
        w->sent[w->sent_count++] = *to;
    return OK;
}

static void close_socket(void *ctx, void *handle)
{
    bool *open = handle;

    (void)ctx;
    assert(*open);
    *open = false;
}

static struct endpoint take_endpoint(struct world *w)
{
    static const uint8_t addrs[8][4] = {
        {8, 8, 8, 8},     {8, 8, 4, 4}, {127, 0, 0, 1}, {10, 0, 0, 1},
        {169, 254, 1, 1}, {9, 9, 9, 9}, {1, 1, 1, 1},   {224, 0, 0, 1}};
    struct endpoint ep = {.family = FAMILY_IPV4};
    uint8_t kind = take(w);

    ep.port = kind >> 6;
    if ((kind & 8) != 0) {
        ep.family = FAMILY_IPV6;
        for (size_t i = 0; i < 16; i += 5)
            ep.addr[i] = take(w);
    } else {
        memcpy(ep.addr, addrs[kind % 8], 4);
    }
    return ep;
}

static void answer(struct world *w, uint32_t cookie)
{
    struct endpoint addrs[10];
    uint8_t how = take(w) % 12;
    size_t count = how % 11;

    for (size_t i = 0; i < count; i++)
        addrs[i] = take_endpoint(w);
    exit_resolved(
        w->exit, cookie,
        &(struct exit_answer){.addrs = addrs,
                              .count = count,
                              .name = bytes_of("N0.Example./" + how % 3, how),
                              .why = how == 11 ? REASON_NO_NAME : EXIT_SENT,
                              .ttl = take(w) * TIME_S},
        w->now);
}

static enum error resolve(void *ctx, const char *name, uint32_t cookie)
{
    struct world *w = ctx;
    uint8_t fate = take(w) % 8;

    assert(strlen(name) > 0 && strlen(name) <= 253);
    w->question = cookie;
    if (fate == 7)
        return ERR_IO;
    if (fate == 6)
        answer(w, cookie);
    return OK;
}

static enum error reverse(void *ctx, const struct endpoint *address,
                          uint32_t cookie)
{
    const struct world *w = ctx;

    assert(endpoint_is_global(address) && address->port == 0);
    assert(!endpoint_same_addr(address, &w->policy.own[0]));
    return resolve(ctx, "address", cookie);
}

static void cancel(void *ctx, uint32_t cookie)
{
    (void)ctx;
    (void)cookie;
}

static void deliver(void *ctx, void *owner, const struct endpoint *source,
                    struct bytes payload, uint64_t now)
{
    struct world *w = ctx;
    struct exit_circuit **circuit = owner;
    bool known = w->sent_count == MAX_SENT;

    (void)payload;
    (void)now;
    for (unsigned i = 0; i < w->sent_count; i++)
        known = known || endpoint_equal(&w->sent[i], source);
    assert(known && *circuit != NULL);
}

static void do_one(struct world *w);

static void failed(void *ctx, void *owner, enum reason why, uint64_t now)
{
    struct exit_circuit **circuit = owner;
    struct world *w = ctx;

    (void)now;
    assert(*circuit != NULL);
    assert(why > 0 && why < REASON_END_);
    if (w->depth++ < 3)
        do_one(w);
    w->depth--;
}

static void found(void *ctx, void *owner, uint64_t lookup,
                  const struct exit_answer *answer, uint64_t now)
{
    struct world *w = ctx;
    bool is_found = answer->why == EXIT_SENT;

    (void)now;
    assert(lookup < LOOKUPS && w->lookup[lookup].under_way);
    assert(owner == &w->circuits[w->lookup[lookup].circuit]);
    assert(w->circuits[w->lookup[lookup].circuit] != NULL);
    assert(is_found == (answer->count > 0 || answer->name.len > 0));
    assert(is_found == (answer->ttl > 0) && answer->why < REASON_END_);
    w->lookup[lookup].under_way = false;
    if (w->depth++ < 3)
        do_one(w);
    w->depth--;
}

/* A name, or what is none, into `text`. */
static struct bytes take_name(struct world *w, char text[32], uint8_t kind)
{
    size_t len = strlen("n0.example");

    memcpy(text, "n0.example", len + 1);
    text[1] = (char)('0' + kind % 8);
    if ((kind & 0x80) == 0)
        return bytes_of(text, len);
    len = kind % 32;
    for (size_t i = 0; i < len; i++)
        text[i] = (char)take(w);
    return bytes_of(text, len);
}

static void send_name(struct world *w, struct exit_circuit *c)
{
    char text[32];
    uint8_t kind = take(w);
    struct bytes name = take_name(w, text, kind);

    exit_send_name(w->exit, c, name, kind & 3, bytes_of(text, kind % 16),
                   w->now);
}

static void look_up(struct world *w, unsigned n)
{
    char text[32];
    uint8_t kind = take(w);
    unsigned lookup = take(w) % LOOKUPS;
    struct bytes name = take_name(w, text, kind);

    if (w->lookup[lookup].under_way) {
        exit_lookup_cancel(w->exit, w->circuits[w->lookup[lookup].circuit],
                           lookup);
        w->lookup[lookup].under_way = false;
        return;
    }
    w->lookup[lookup].circuit = n;
    w->lookup[lookup].under_way = true;
    if (kind >> 5 == 3) {
        struct endpoint ep = take_endpoint(w);

        if (exit_reverse(w->exit, w->circuits[n], &ep, lookup, w->now) ==
            EXIT_SENT)
            return;
    } else if (exit_lookup(w->exit, w->circuits[n], name, lookup, w->now) ==
               EXIT_SENT) {
        return;
    }
    assert(w->lookup[lookup].under_way);
    w->lookup[lookup].under_way = false;
}

static void toggle(struct world *w, unsigned n)
{
    struct exit_circuit *c = w->circuits[n];
    struct endpoint neighbour = {.family = FAMILY_IPV4,
                                 .addr = {9, 9, 9, (uint8_t)(n % 3)}};

    if (c == NULL) {
        assert(exit_circuit_new(w->exit, &w->circuits[n], &neighbour, w->now,
                                &w->circuits[n]) == OK);
        return;
    }
    for (unsigned i = 0; i < LOOKUPS; i++)
        w->lookup[i].under_way &= w->lookup[i].circuit != n;
    exit_circuit_free(w->exit, c);
    w->circuits[n] = NULL;
}

static void do_one(struct world *w)
{
    uint8_t what = take(w);
    unsigned n = what % CIRCUITS;
    struct endpoint ep;

    switch (what >> 2 & 7) {
    case 0:
        toggle(w, n);
        break;
    case 1:
        w->now += (uint64_t)take(w) * TIME_S / 4;
        break;
    case 2:
        if (w->depth == 0)
            exit_tick(w->exit, w->now);
        break;
    case 3:
        answer(w, w->question - n);
        break;
    case 4:
        ep = take_endpoint(w);
        exit_receive(w->exit, w->cookies[take(w) % SOCKETS] ^ (n == 3), &ep,
                     bytes_of("x", n), w->now);
        break;
    case 5:
        ep = take_endpoint(w);
        if (w->circuits[n] != NULL)
            exit_send(w->exit, w->circuits[n], &ep, bytes_of("x", 1), w->now);
        break;
    case 6:
        if (w->circuits[n] != NULL)
            look_up(w, n);
        break;
    default:
        if (w->circuits[n] != NULL)
            send_name(w, w->circuits[n]);
        break;
    }
}

static void check_caps(const struct world *w, const struct exit_config *c)
{
    struct exit_stats s;

    exit_get_stats(w->exit, &s);
    assert(s.sockets <= c->max_sockets);
    assert(s.open_questions <= c->max_questions);
    assert(s.waiting <= c->max_waiting && s.names <= c->max_names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exit_config config = {.max_sockets = SOCKETS,
                                 .max_destinations = 3,
                                 .max_questions = 3,
                                 .max_waiting = 6,
                                 .max_waiting_circuit = 3,
                                 .max_names = 3,
                                 .rate = 100,
                                 .burst = 50,
                                 .circuit_rate = 50,
                                 .circuit_burst = 30,
                                 .silent_rate = 1,
                                 .silent_burst = 5,
                                 .question_rate = 5,
                                 .question_burst = 20,
                                 .resolve_timeout = 10 * TIME_S,
                                 .idle_timeout = TIME_MIN};
    struct endpoint own = {.addr = {9, 9, 9, 9}, .port = 1};
    struct world w = {.in = {data, size}, .now = TIME_HOUR};
    struct exit_env env = {.world = {.ctx = &w,
                                     .open = open_socket,
                                     .send = send_out,
                                     .close = close_socket,
                                     .resolve = resolve,
                                     .reverse = reverse,
                                     .resolve_cancel = cancel},
                           .ctx = &w,
                           .random = {&w, fill},
                           .deliver = deliver,
                           .failed = failed,
                           .found = found};

    policy_init(&w.policy, true, false);
    assert(policy_set_own(&w.policy, &own, 1) == OK);
    assert(exit_new(&config, &env, &w.policy, &w.exit) == OK);
    while (w.in.left > 0) {
        do_one(&w);
        check_caps(&w, &config);
    }
    for (unsigned i = 0; i < CIRCUITS; i++)
        exit_circuit_free(w.exit, w.circuits[i]);
    exit_free(w.exit);
    for (unsigned i = 0; i < SOCKETS; i++)
        assert(!w.open[i]);
    return 0;
}
