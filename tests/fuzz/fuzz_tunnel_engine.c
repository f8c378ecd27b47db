/* SPDX-License-Identifier: MIT
 *
 * Four engines with keys of no worth: a client and three relays. The input
 * decides what the client asks for and what happens to the datagrams between
 * them: lost, changed, held back, repeated, made up, and what hostile relays
 * say inside the layers. The client never sends anywhere but to where a
 * datagram came from because of it; an answer to a stranger is not larger than
 * the question; all tables keep their caps, and are empty when all is over.
 */
#include "fuzz.h"

#define NET_NODES 4
#include "easy_keys.h"
#include "tunnel_net.h"

#define KEPT  8
#define STEPS 18
#define TURNS 26

/* tunnel_net.h asserts as cmocka does; here that means to abort. */
void _assert_true(const LargestIntegralType result, const char *expression,
                  const char *file, const int line)
{
    if (!result) {
        fprintf(stderr, "%s:%d: %s\n", file, line, expression);
        abort();
    }
}

void _assert_int_equal(const LargestIntegralType a, const LargestIntegralType b,
                       const char *file, const int line)
{
    _assert_true(a == b, "values differ", file, line);
}

struct fuzz {
    const uint8_t *p;
    size_t left;
    struct net *net;
    struct net_packet *kept[KEPT];
    const struct net_packet *at_client; /* what the client is receiving */
    uint64_t bytes_out;
    unsigned turns; /* in which time may pass yet */
};

static uint8_t take(struct fuzz *f)
{
    if (f->left == 0)
        return 0;
    f->left--;
    return *f->p++;
}

static size_t take_bytes(struct fuzz *f, uint8_t *out, size_t max)
{
    size_t n = f->left < max ? f->left : max;

    memcpy(out, f->p, n);
    f->p += n;
    f->left -= n;
    return n;
}

static bool tap(struct net *net, struct net_packet *p)
{
    struct fuzz *f = net->tap_ctx;

    f->bytes_out += p->len;
    if (f->at_client != NULL && endpoint_same_addr(&p->from, &net->node[0].ep))
        assert_true(endpoint_same_addr(&p->to, &f->at_client->from));
    return true;
}

/* Every engine's caps. */
static void check(const struct fuzz *f)
{
    for (int i = 0; i < NET_NODES; i++) {
        const struct router *e = &f->net->node[i].engine;

        assert_true(links_count(e->shared.links) <= 64);
        assert_true(transits_count(e->transits) <= 16);
        assert_true(circuits_count(e->circuits) <= 32);
        assert_true(e->shared.ends.count <= 48);
    }
}

static void deliver(struct fuzz *f, const struct net_packet *p, bool stranger)
{
    struct net_packet copy = *p;
    struct net_node *to = net_at(f->net, &p->to);

    if (to == NULL || to->dead)
        return;
    f->at_client = to == &f->net->node[0] ? &copy : NULL;
    f->bytes_out = 0;
    router_receive(&to->engine, &copy.from, copy.bytes, copy.len, f->net->now);
    if (stranger)
        assert_true(f->bytes_out <= p->len);
    f->at_client = NULL;
}

static void arrive(struct net *net, struct net_packet *p)
{
    deliver(net->tap_ctx, p, false);
}

/* Up to `until`, or to where the input has used up its turns: then the host
 * was asleep, and what is due is done much too late. */
static void run(struct fuzz *f, uint64_t duration)
{
    uint64_t end = f->net->now + duration;

    while (net_next(f->net) <= end && f->turns > 0) {
        f->turns--;
        net_turn(f->net, net_next(f->net));
    }
    f->net->now = end;
    check(f);
}

static void build(struct fuzz *f)
{
    struct circuits *cs = f->net->node[0].engine.circuits;
    struct link_target hops[ONION_HOPS_MAX];
    uint8_t what = take(f);
    unsigned n = 1 + what % ONION_HOPS_MAX;
    struct circuit *c;

    for (unsigned i = 0; i < n; i++)
        hops[i] = net_target(&f->net->node[1 + (what / 4 + i) % 3]);
    if ((what & 64 ? circuit_new_for_service
                   : circuit_new)(cs, hops, n, f->net->now, &c) != OK)
        return;
    c->joined = what & 128;
}

/* What services do with circuits. */
static void serve(struct fuzz *f, struct circuit *c)
{
    struct circuits *cs = f->net->node[0].engine.circuits;
    uint8_t datagram[CELL_MAX] = {0}, what = take(f);
    size_t len = what & 4 ? CELL_LARGE : CELL_SMALL;
    struct link_target target = net_target(&f->net->node[1 + what / 8 % 3]);

    switch (what % 4) {
    case 0:
        circuit_extend(cs, c, &target, f->net->now);
        break;
    case 1:
        take_bytes(f, datagram, 16);
        circuit_send_text(cs, c, c->built, bytes_of(datagram, 16), len,
                          f->net->now);
        break;
    default:
        circuit_send_end(cs, c, datagram, len, f->net->now);
        break;
    }
}

static void use(struct fuzz *f)
{
    struct circuits *cs = f->net->node[0].engine.circuits;
    uint8_t what = take(f);
    struct circuit *c;

    if (circuits_count(cs) == 0)
        return;
    c = circuits_at(cs, what % circuits_count(cs));
    if (what < 32)
        circuit_close(cs, c, REASON_REQUESTED, f->net->now);
    else if (what < 96)
        circuit_ping(cs, c, 1 + what % 4, f->net->now);
    else if (what >= 192)
        serve(f, c);
    else
        net_send_data(f->net, c, "data");
}

static struct net_packet **queued(struct fuzz *f)
{
    uint8_t n = take(f);

    return f->net->count == 0 ? NULL : &f->net->queue[n % f->net->count];
}

static void disturb(struct fuzz *f, uint8_t how)
{
    struct net_packet **p = queued(f), **q, *t;
    uint64_t at;
    size_t n;

    if (p == NULL)
        return;
    switch (how % 5) {
    case 0: /* nobody gets it */
        (*p)->to.port = 9;
        break;
    case 1:
        n = take(f);
        n = n << 8 | take(f);
        (*p)->bytes[n % (*p)->len] ^= (uint8_t)(1 + take(f));
        break;
    case 2: /* each arrives in the place of the other */
        q = queued(f);
        at = (*p)->at;
        (*p)->at = (*q)->at;
        (*q)->at = at;
        t = *p;
        *p = *q;
        *q = t;
        break;
    case 3:
        (*p)->from.port = (uint16_t)(1 + take(f));
        break;
    default:
        q = &f->kept[take(f) % KEPT];
        if (*q == NULL)
            *q = malloc(sizeof(**q));
        assert_true(*q != NULL);
        **q = **p;
        break;
    }
}

static void inject(struct fuzz *f)
{
    struct net_packet p = {.to = f->net->node[take(f) % NET_NODES].ep,
                           .from = f->net->node[take(f) % NET_NODES].ep};

    p.len = take_bytes(f, p.bytes, 8 + take(f));
    deliver(f, &p, true);
}

/* A relay says what it likes, in its own layer or not. */
static void lie(struct fuzz *f)
{
    struct router *e = &f->net->node[1 + take(f) % 3].engine;
    uint8_t d[CELL_MAX] = {0}, how = take(f);
    size_t len = how & 1 ? CELL_LARGE : CELL_SMALL;
    uint8_t *body = d + CELL_BODY_OFFSET;
    struct circuit_end *end;
    struct transit *relay;

    if (transits_count(e->transits) == 0)
        return;
    relay = transits_at(e->transits, how % transits_count(e->transits));
    end = how & 2 && relay->extended ? &relay->next : &relay->prev;
    take_bytes(f, body, 16);
    if (body[0] & 1) /* and so no message */
        body[onion_text_len(len - CELL_BODY_OFFSET, relay->depth) - 1] = 1;
    if (how & 4)
        onion_add(&relay->out, body, len - CELL_BODY_OFFSET, relay->depth);
    if (how & 8)
        link_send(e->shared.links, end->link, (enum cell_type)(how >> 4),
                  end->remote, bytes_of(body, 64), f->net->now);
    else
        link_send_relay(e->shared.links, end->link, end->remote, d, len,
                        f->net->now);
}

/* A relay joins any two; how, is its own affair. */
static void join(struct fuzz *f)
{
    struct transits *r = f->net->node[1 + take(f) % 3].engine.transits;
    unsigned count = transits_count(r);
    uint8_t what = take(f);

    if (count > 0)
        transit_join(r, transits_at(r, what % count),
                     transits_at(r, what / 16 % count));
}

static void restart(struct fuzz *f)
{
    struct net_node *n = &f->net->node[1 + take(f) % 3];
    struct router_config c = net_config(n);

    router_deinit(&n->engine);
    net_start(n, &c);
    n->dead = !n->dead && take(f) % 4 == 0;
}

static void step(struct fuzz *f)
{
    uint8_t what = take(f);

    if (f->net->count > 1000)
        run(f, NET_DELAY);
    switch (what % 12) {
    case 0:
        build(f);
        break;
    case 1:
    case 2:
        use(f);
        break;
    case 3:
    case 4:
        run(f, take(f) * TIME_MS);
        break;
    case 5:
        run(f, take(f) * TIME_S);
        break;
    case 6:
    case 7:
        disturb(f, what / 12);
        break;
    case 8:
        if (f->kept[what / 12 % KEPT] != NULL)
            deliver(f, f->kept[what / 12 % KEPT], false);
        break;
    case 9:
        inject(f);
        break;
    case 10:
        lie(f);
        break;
    default:
        if (what / 12 % 2)
            join(f);
        else
            restart(f);
        break;
    }
    check(f);
}

/* Nobody hears anybody any more. */
static void lose_all(struct net *net)
{
    while (net->count > 0)
        free(net->queue[--net->count]);
}

/* When the client wants nothing any more, nothing stays anywhere, even if
 * nobody is told. */
static void end(struct fuzz *f)
{
    struct circuits *cs = f->net->node[0].engine.circuits;

    for (int i = 0; i < NET_NODES; i++)
        f->net->node[i].dead = false;
    while (circuits_count(cs) > 0)
        circuit_close(cs, circuits_at(cs, 0), REASON_SHUTDOWN, f->net->now);
    for (int minute = 0; minute < 12; minute++) {
        lose_all(f->net);
        net_turn(f->net, f->net->now + TIME_MIN);
    }
    for (int i = 0; i < NET_NODES; i++) {
        const struct router *e = &f->net->node[i].engine;

        assert_true(links_count(e->shared.links) == 0);
        assert_true(transits_count(e->transits) == 0);
        assert_true(e->shared.ends.count == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f = {.p = data, .left = size, .turns = TURNS};
    struct router_config c;

    if (sodium_init() < 0)
        abort();
    f.net = net_new_from((struct test_random){.state = 1});
    f.net->tap = tap;
    f.net->tap_ctx = &f;
    f.net->deliver = arrive;
    /* The client relays for nobody: what it sends is its own. */
    c = net_config(&f.net->node[0]);
    c.transit.max_relays_or_exits = 0;
    router_deinit(&f.net->node[0].engine);
    net_start(&f.net->node[0], &c);
    f.net->node[0].spare = 3;
    for (int i = 0; f.left > 0 && i < STEPS; i++)
        step(&f);
    end(&f);
    for (int i = 0; i < KEPT; i++)
        free(f.kept[i]);
    net_free(f.net);
    return 0;
}
