/* SPDX-License-Identifier: MIT
 *
 * Members of the community put together whole: a client, two relays, and an
 * exit, with directories, a DHT that the input answers for, guards and paths,
 * and an Internet that the input is. It says what is asked of the client, what
 * happens to datagrams, what relays say on their links and in their layers, and
 * what their signed descriptors claim.
 *
 * Nothing is sent to an address that cannot be, an exit sends to none that its
 * policy refuses, an answer to a stranger is no longer than the question, caps
 * hold, and at the end no socket is left.
 */
#include "fuzz.h"

#include "easy_keys.h"

#include "tunnel/circuit/onion.h"
#include "tunnel/directory/descriptor.h"
#include "tunnel/link/cell.h"
#include "tunnel/link/link_message.h"
#include "tunnel/member/member.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NODES    4 /* 0 is the client, the last the exit */
#define EXIT     (NODES - 1)
#define QUEUE    256
#define STEPS    32
#define TURNS    64  /* in which time passes, of one run */
#define ARRIVALS 256 /* of datagrams, likewise; the others are lost */
#define DELAY    (2 * TIME_MS)
#define WALL     UINT64_C(1900000000)
#define REQUESTS 8
#define SOCKETS  8

struct packet {
    uint64_t at;
    struct endpoint from, to;
    size_t len;
    uint8_t bytes[CELL_MAX];
};

struct node {
    struct endpoint ep;
    uint8_t identity[32], secret[64];
    struct member *member;
    struct policy policy;
};

/* A socket of the exit's, and where it sent to last. */
struct socket {
    bool open;
    uint32_t cookie;
    struct endpoint to;
};

static struct {
    const uint8_t *p;
    size_t left;
    uint64_t now, random;
    unsigned turns, arrivals; /* so far */
    unsigned number;          /* of the next request to the DHT */
    struct node node[NODES];
    struct packet queue[QUEUE];
    unsigned first, count;
    struct socket sockets[SOCKETS];
    uint32_t question; /* to the DNS, asked last */
    struct dht_provider_handler requests[REQUESTS];
    bool asked[REQUESTS];
    uint8_t key[REQUESTS][32];   /* of items that are looked for */
    struct bytes salt[REQUESTS]; /* its bytes in */
    uint8_t salt_bytes[REQUESTS][64];
    struct endpoint asker; /* whose datagram is being handled */
    size_t answered;       /* bytes that went there */
    uint32_t circuit;      /* of the client, told last */
} w;

static uint8_t take(void)
{
    if (w.left == 0)
        return 0;
    w.left--;
    return *w.p++;
}

static size_t take_bytes(uint8_t *out, size_t max)
{
    size_t n = w.left < max ? w.left : max;

    memcpy(out, w.p, n);
    w.p += n;
    w.left -= n;
    return n;
}

static uint64_t wall(void)
{
    return WALL + w.now / TIME_S;
}

static struct endpoint take_endpoint(void)
{
    uint8_t n = take();
    struct endpoint ep = {.addr = {11, n & 7, 0, 1}, .port = 7881};

    if (n & 0x40)
        return (struct endpoint){.family = FAMILY_IPV6,
                                 .addr = {0x2a, 1, n},
                                 .port = (uint16_t)(n & 0x3f)};
    if (n & 0x80)
        ep = (struct endpoint){.addr = {n, n & 31, 0, n & 3}, .port = n & 0x70};
    return ep;
}

/* ---- The world ------------------------------------------------------------
 */

static void fill(void *ctx, void *buf, size_t len)
{
    uint8_t *p = buf;

    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        w.random =
            w.random * UINT64_C(6364136223846793005) + 1442695040888963407;
        p[i] = (uint8_t)(w.random >> 56);
    }
}

static void on_send(void *ctx, const struct endpoint *to, struct bytes d)
{
    struct node *n = ctx;
    struct packet *p;

    assert(endpoint_is_usable(to) && d.len > 0 && d.len <= CELL_MAX);
    if (endpoint_equal(to, &w.asker))
        w.answered += d.len;
    if (w.count == QUEUE)
        return;
    p = &w.queue[(w.first + w.count++) % QUEUE];
    p->at = w.now + DELAY;
    p->from = n->ep;
    p->to = *to;
    p->len = d.len;
    memcpy(p->bytes, d.p, d.len);
}

static void on_event(void *ctx, const struct member_event *e)
{
    const struct node *n = ctx;

    assert(e->kind <= MEMBER_LEARNED && e->length <= ONION_HOPS_MAX);
    assert(e->hop <= ONION_HOPS_MAX && e->why < REASON_END_);
    if (n == &w.node[0] && e->circuit != 0)
        w.circuit = e->circuit;
}

static enum error on_open(void *ctx, enum family family, uint32_t cookie,
                          void **handle)
{
    (void)ctx, (void)family;
    for (unsigned i = 0; i < SOCKETS; i++) {
        if (!w.sockets[i].open) {
            w.sockets[i] = (struct socket){.open = true, .cookie = cookie};
            *handle = &w.sockets[i];
            return OK;
        }
    }
    return ERR_IO;
}

static enum error on_send_out(void *ctx, void *handle,
                              const struct endpoint *to, struct bytes payload)
{
    struct node *n = ctx;
    struct socket *s = handle;

    (void)payload;
    assert(s->open && n == &w.node[EXIT]);
    assert(endpoint_is_global(to) && endpoint_is_usable(to));
    assert(policy_check(&n->policy, to) == POLICY_ACCEPTED);
    s->to = *to;
    return OK;
}

static void on_close(void *ctx, void *handle)
{
    struct socket *s = handle;

    (void)ctx;
    assert(s->open);
    s->open = false;
}

static enum error on_resolve(void *ctx, const char *name, uint32_t cookie)
{
    (void)ctx;
    assert(strlen(name) > 0 && strlen(name) <= 253);
    w.question = cookie;
    return OK;
}

static void on_resolve_cancel(void *ctx, uint32_t cookie)
{
    (void)ctx, (void)cookie;
}

static void on_remember(void *ctx, const struct stored_relay *relay)
{
    struct descriptor d;

    (void)ctx;
    assert(descriptor_read(relay->text, "test", &d) == OK);
    assert(descriptor_verify(relay->text, &d) == OK);
    assert(memcmp(d.identity, relay->identity, 32) == 0);
}

static void on_forget(void *ctx, const uint8_t identity[32])
{
    (void)ctx, (void)identity;
}

static void on_rotated(void *ctx, const uint8_t secret[NOISE_KEY_BYTES],
                       const uint8_t previous[NOISE_KEY_BYTES], uint64_t at)
{
    (void)ctx, (void)at;
    assert(memcmp(secret, previous, NOISE_KEY_BYTES) != 0);
}

static void on_retired(void *ctx)
{
    (void)ctx;
}

/* ---- The DHT ---------------------------------------------------------------
 */

static enum error dht_announce(void *ctx, const struct id *hash)
{
    (void)ctx, (void)hash;
    return OK;
}

static void dht_withdraw(void *ctx, const struct id *hash)
{
    (void)ctx, (void)hash;
}

static enum error dht_put(void *ctx, const struct dht_provider_item *item)
{
    (void)ctx;
    assert(item->salt.len <= 64 && item->value->len > 0);
    return OK;
}

static enum error dht_ask(const struct dht_provider_handler *handler,
                          uint64_t *request, unsigned *i)
{
    *i = w.number++ % REQUESTS;
    if (w.asked[*i])
        return ERR_FULL;
    w.asked[*i] = true;
    w.requests[*i] = *handler;
    *request = 1 + *i;
    return OK;
}

static enum error dht_get_peers(void *ctx, const struct id *hash,
                                const struct dht_provider_handler *handler,
                                uint64_t *request)
{
    unsigned i;

    (void)ctx, (void)hash;
    return dht_ask(handler, request, &i);
}

static enum error dht_get_item(void *ctx, const uint8_t key[32],
                               struct bytes salt,
                               const struct dht_provider_handler *handler,
                               uint64_t *request)
{
    enum error err;
    unsigned i;

    (void)ctx;
    assert(salt.len <= sizeof(w.salt_bytes[0]));
    err = dht_ask(handler, request, &i);
    if (err != OK)
        return err;
    memcpy(w.key[i], key, 32);
    if (salt.len > 0)
        memcpy(w.salt_bytes[i], salt.p, salt.len);
    w.salt[i] = bytes_of(w.salt_bytes[i], salt.len);
    return OK;
}

static void dht_cancel(void *ctx, uint64_t request)
{
    (void)ctx;
    assert(request >= 1 && request <= REQUESTS && w.asked[request - 1]);
    w.asked[request - 1] = false;
}

static const struct dht_provider provider = {.announce = dht_announce,
                                             .withdraw = dht_withdraw,
                                             .get_peers = dht_get_peers,
                                             .put = dht_put,
                                             .get_item = dht_get_item,
                                             .cancel = dht_cancel};

/* ---- Life ------------------------------------------------------------------
 */

static struct member_config config_of(const struct node *n, unsigned number)
{
    struct member_config c;

    member_config_init(&c);
    memcpy(c.network, "test", 5);
    memset(c.handshake_secret, 100 + (int)number, sizeof(c.handshake_secret));
    memcpy(c.identity, n->identity, 32);
    memcpy(c.identity_secret, n->secret, 64);
    c.handshake_made = WALL;
    c.become_exitnode = number == EXIT;
    c.max_links = 16;
    c.max_half_open = 8;
    c.max_known_relays = 8;
    c.max_circuits = 4;
    c.min_circuits = 1;
    c.max_relays_or_exits = number == 0 ? 0 : 8;
    c.exit.max_sockets = SOCKETS;
    return c;
}

static void start_node(unsigned number)
{
    struct node *n = &w.node[number];
    uint8_t seed[32] = {(uint8_t)(number + 1)};
    const struct member_env env = {
        .ctx = n,
        .random = {.ctx = n, .fill = fill},
        .send = on_send,
        .event = on_event,
        .exit = {.ctx = n,
                 .open = on_open,
                 .send = on_send_out,
                 .close = on_close,
                 .resolve = on_resolve,
                 .resolve_cancel = on_resolve_cancel},
        .remember = on_remember,
        .forget = on_forget,
        .rotated = on_rotated,
        .retired = on_retired,
        .dht = number == 0 ? &provider : NULL};
    struct member_config c;

    n->ep =
        (struct endpoint){.addr = {11, (uint8_t)number, 0, 1}, .port = 7881};
    crypto_sign_seed_keypair(n->identity, n->secret, seed);
    c = config_of(n, number);
    policy_init(&n->policy, true, false);
    assert(member_new(&c, &env, &n->policy, w.now, wall(), &n->member) == OK);
    member_set_addresses(n->member, &n->ep, 1, 0, w.now);
}

static struct node *node_at(const struct endpoint *ep)
{
    for (unsigned i = 0; i < NODES; i++) {
        if (endpoint_equal(&w.node[i].ep, ep))
            return &w.node[i];
    }
    return NULL;
}

static void arrive(const struct endpoint *from, const struct endpoint *to,
                   struct bytes d, bool stranger)
{
    struct node *n = node_at(to);
    uint8_t copy[CELL_MAX];

    if (n == NULL)
        return;
    memcpy(copy, d.p, d.len);
    w.asker = *from;
    w.answered = 0;
    member_receive(n->member, from, copy, d.len, w.now, wall());
    if (stranger)
        assert(w.answered <= d.len);
    w.asker.port = 0;
}

static uint64_t next_at(void)
{
    uint64_t at = w.count > 0 ? w.queue[w.first].at : TIME_NEVER;

    for (unsigned i = 0; i < NODES; i++)
        at = time_min(at, member_next_deadline(w.node[i].member));
    return at;
}

static void run(uint64_t duration)
{
    uint64_t end = w.now + duration;

    while (next_at() <= end && w.turns < TURNS) {
        w.turns++;
        w.now = time_min(end, next_at() > w.now ? next_at() : w.now);
        for (unsigned i = 0; i < NODES; i++) {
            if (member_next_deadline(w.node[i].member) <= w.now)
                member_tick(w.node[i].member, w.now, wall());
        }
        while (w.count > 0 && w.queue[w.first].at <= w.now) {
            static struct packet p;

            p = w.queue[w.first];
            w.first = (w.first + 1) % QUEUE;
            w.count--;
            if (w.arrivals++ < ARRIVALS)
                arrive(&p.from, &p.to, bytes_of(p.bytes, p.len), false);
        }
    }
    w.now = end;
}

/* ---- Steps -----------------------------------------------------------------
 */

static void command(void)
{
    struct member *t = w.node[0].member;
    uint8_t what = take(), data[64] = {0};
    struct endpoint to = take_endpoint();
    struct member_wish wish = {.port = to.port};
    struct member_status status;
    unsigned hops = what >> 4 & 7;

    switch (what & 15) {
    case 0:
    case 1:
        member_build(t, hops, w.now);
        break;
    case 2:
        member_stop(t, hops);
        break;
    case 3:
        member_open(t, hops, &wish, w.now, &w.circuit);
        break;
    case 4:
        member_ask(t, &to, w.now);
        break;
    case 5:
        member_data(t, w.circuit, &to, bytes_of(data, sizeof(data)), w.now);
        break;
    case 6: /* a name, or a long one in pieces */
        take_bytes(data, hops + 1);
        member_data_name(t, w.circuit, bytes_of(data, hops + 1), to.port,
                         bytes_of(data, sizeof(data)), w.now);
        break;
    case 7: {
        static const uint8_t zeros[256 * 40];

        member_data(t, w.circuit, &to, bytes_of(zeros, (size_t)what * 40),
                    w.now);
        break;
    }
    case 8:
        member_ping(t, w.circuit, w.now);
        break;
    case 9:
        member_speedtest(t, w.circuit, TIME_S, w.now);
        break;
    case 10:
        member_close(t, w.circuit, w.now);
        break;
    case 11:
        member_meet(t, &to, w.now);
        break;
    case 12:
        member_network_changed(t, (bool[]){(what & 16) != 0, (what & 32) != 0},
                               w.now);
        break;
    case 13:
        member_set_addresses(w.node[hops % NODES].member, &to, 1, 0, w.now);
        break;
    default:
        member_status(t, w.now, wall(), &status);
        assert(status.usable <= status.known && status.known <= 8);
        assert(status.links <= 16 && status.ready <= status.circuits);
        break;
    }
}

/* A relay says of itself what the input says, and signs it. */
static size_t make_descriptor(uint8_t out[DESCRIPTOR_MAX])
{
    uint8_t n = take(), seed[32] = {n & 7}, secret[64];
    struct descriptor d = {.issued = wall() - take(),
                           .roles = (uint8_t)(n >> 3 & ROLES_ALL),
                           .address_count = 1u + (n >> 7),
                           .bandwidth = take()};
    uint8_t policy = take();

    crypto_sign_seed_keypair(d.identity, secret, seed);
    memset(d.handshake_key, 0x99, sizeof(d.handshake_key));
    d.expires = d.issued + 1 + (uint64_t)take() * 60;
    for (size_t i = 0; i < d.address_count; i++)
        d.addresses[i] = take_endpoint();
    if (policy > 0) {
        d.exit_policy_len = policy % (DESCRIPTOR_POLICY_MAX + 1);
        memcpy(d.exit_policy, "reject 25,80-90", 15);
        take_bytes(d.exit_policy, d.exit_policy_len);
    }
    d.has_family = policy & 1;
    return descriptor_write(&d, "test", secret, out);
}

/* Somebody tells, whether asked or not; or the DHT has it. */
static void tell(void)
{
    uint8_t text[DESCRIPTOR_MAX], how = take(), out[LINK_MESSAGE_MAX];
    static const uint8_t nonce[LINK_ASK_NONCE];
    struct link_message m = {.kind = LINK_TELL, .nonce = bytes_of(nonce, 8)};
    struct stored_relay s = {.record.first_seen = wall()};
    size_t len = make_descriptor(text);
    struct endpoint from = take_endpoint();
    struct descriptor d;

    m.descriptor = s.text = bytes_of(text, len);
    if (how & 1) {
        arrive(&from, &w.node[0].ep, bytes_of(out, link_message_write(&m, out)),
               true);
        return;
    }
    if (descriptor_read(s.text, "test", &d) != OK)
        return;
    memcpy(s.identity, d.identity, 32);
    s.record.guard_since = how & 2 ? wall() : 0;
    s.record.guard_until = how & 2 ? wall() + 1000 : 0;
    s.record.failures = how >> 4;
    member_add_stored(w.node[0].member, &s, wall(), w.now);
}

static void answer_dht(void)
{
    uint8_t how = take(), text[DESCRIPTOR_MAX];
    unsigned i = how % REQUESTS;
    const struct dht_provider_handler *h = &w.requests[i];
    struct dht_provider_item item = {.seq = take()};
    struct endpoint peer = take_endpoint();
    struct value value;

    if (!w.asked[i])
        return;
    if (how & 8 && h->item != NULL) {
        memcpy(item.key, w.key[i], 32);
        item.salt = w.salt[i];
        item.value = &value;
        if (value_from_bytes(bytes_of(text, make_descriptor(text)), &value) ==
            OK)
            h->item(h->ctx, h->cookie, &item);
    } else if (how & 8 && h->peer != NULL) {
        h->peer(h->ctx, h->cookie, &peer);
    } else {
        w.asked[i] = false;
        h->done(h->ctx, h->cookie, how & 16 ? ERR_TIMEOUT : OK);
    }
}

/* What the Internet and the DNS say to the exit. */
static void answer_exit(void)
{
    struct member *t = w.node[EXIT].member;
    uint8_t how = take();
    const struct socket *s = &w.sockets[how % SOCKETS];
    struct endpoint addrs[2] = {take_endpoint(), {.addr = {8, 8, 8, 8}}};
    static const uint8_t zeros[2048];

    if (how & 8)
        member_exit_resolved(
            t, w.question,
            &(struct exit_answer){.addrs = addrs,
                                  .count = how >> 4 & 1 ? 2 : 0,
                                  .why = how >> 5 & 1 ? REASON_DNS : EXIT_SENT,
                                  .ttl = TIME_MIN},
            w.now);
    else if (s->open)
        member_exit_receive(t, s->cookie, how & 16 ? &addrs[0] : &s->to,
                            bytes_of(zeros, (size_t)(how >> 5) * 290), w.now);
}

static void inject(void)
{
    uint8_t bytes[CELL_MAX];
    uint8_t n = take();
    struct endpoint from = take_endpoint();
    size_t len = take_bytes(bytes, 8 + take());

    if (len > 0)
        arrive(&from, &w.node[n % NODES].ep, bytes_of(bytes, len), true);
}

static void disturb(void)
{
    uint8_t n = take(), how = take();
    struct packet *p = &w.queue[(w.first + n) % QUEUE];

    if (w.count == 0 || n >= w.count)
        return;
    if (how < 64)
        p->to.port = 9;
    else if (how < 128)
        p->bytes[how % p->len] ^= (uint8_t)(1 + take());
    else
        arrive(&p->from, &p->to, bytes_of(p->bytes, p->len), false);
}

/* A cell of any type from a relay, on a link that is up. */
static void lie_on_link(void)
{
    const struct router *e = member_router(w.node[1 + take() % EXIT].member);
    uint8_t text[CELL_LARGE_BODY] = {0}, type = take();
    struct circuit_end *end;
    struct transit *relay;
    size_t len;

    if (transits_count(e->transits) == 0)
        return;
    relay = transits_at(e->transits, type % transits_count(e->transits));
    end = type & 0x80 && relay->extended ? &relay->next : &relay->prev;
    len = type & 0x40 ? CELL_TEXT_MAX : CELL_SMALL_BODY - NOISE_TAG_BYTES;
    if (type & 0x20)
        make_descriptor(text + 8);
    take_bytes(text, 8 + (take() & 63));
    link_send(e->shared.links, end->link, (enum cell_type)(type & 15),
              type & 0x10 ? end->remote : 0, bytes_of(text, len), w.now);
}

/* What a hop says to its client, in its own layer. */
static void lie_in_layer(void)
{
    const struct router *e = member_router(w.node[1 + take() % EXIT].member);
    uint8_t d[CELL_MAX] = {0}, how = take();
    size_t len = how & 1 ? CELL_LARGE : CELL_SMALL;
    struct transit *relay;

    if (transits_count(e->transits) == 0)
        return;
    relay = transits_at(e->transits, how % transits_count(e->transits));
    take_bytes(d + CELL_BODY_OFFSET, 8 + (take() & 63));
    onion_add(&relay->out, d + CELL_BODY_OFFSET, len - CELL_BODY_OFFSET,
              relay->depth);
    link_send_relay(e->shared.links, relay->prev.link, relay->prev.remote, d,
                    len, w.now);
}

static void step(void)
{
    uint8_t what = take();

    switch (what % 13) {
    case 0:
    case 1:
    case 2:
        command();
        break;
    case 3:
    case 4:
        run((uint64_t)take() * TIME_MS);
        break;
    case 5:
        run((uint64_t)take() * TIME_S);
        break;
    case 6:
        tell();
        break;
    case 7:
        answer_dht();
        break;
    case 8:
        answer_exit();
        break;
    case 9:
        inject();
        break;
    case 10:
        disturb();
        break;
    case 11:
        lie_on_link();
        break;
    default:
        lie_in_layer();
        break;
    }
}

static void check(void)
{
    for (unsigned i = 0; i < NODES; i++) {
        const struct router *e = member_router(w.node[i].member);

        assert(links_count(e->shared.links) <= 16);
        assert(transits_count(e->transits) <= (i == 0 ? 0 : 8));
        assert(directory_count(member_directory(w.node[i].member)) <= 8);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memset(&w, 0, offsetof(__typeof__(w), queue));
    w.first = w.count = 0;
    memset(w.sockets, 0, sizeof(w.sockets));
    memset(w.asked, 0, sizeof(w.asked));
    w.question = w.circuit = 0;
    w.asker.port = 0;
    w.p = data;
    w.left = size;
    w.now = TIME_S;
    for (unsigned i = 0; i < NODES; i++)
        start_node(i);
    if (take() & 1) {
        for (unsigned i = 1; i < NODES; i++)
            member_ask(w.node[0].member, &w.node[i].ep, w.now);
        member_build(w.node[0].member, 3, w.now);
        run(TIME_S);
    }
    for (int i = 0; w.left > 0 && i < STEPS; i++) {
        step();
        check();
    }
    for (unsigned i = 0; i < NODES; i++)
        member_free(w.node[i].member, w.now);
    for (unsigned i = 0; i < SOCKETS; i++)
        assert(!w.sockets[i].open);
    for (unsigned i = 0; i < REQUESTS; i++)
        assert(!w.asked[i]);
    return 0;
}
