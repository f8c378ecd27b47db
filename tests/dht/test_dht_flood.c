/* SPDX-License-Identifier: MIT
 *
 * What strangers send in crowds, and that others are served meanwhile: each
 * test of a flood has honest parties at other sources in it.
 */
#include "dht_harness.h"

#include "base/limiter.h"
#include "dht/types/dht_item.h"

#define OTHERS 30

struct fixture {
    struct harness h;
    struct test_random random;
};

static void start(struct fixture *f)
{
    *f = (struct fixture){.random = {7}};
    harness_init(&f->h);
    f->h.config.family[FAMILY_IPV6] = true;
    harness_start(&f->h);
}

static bool answers(struct fixture *f, const struct endpoint *from,
                    const struct dht_message *m)
{
    struct sent *s;

    harness_drop(&f->h);
    s = harness_ask(&f->h, from, m);
    return s != NULL && s->m.kind == DHT_RESPONSE;
}

/* The nth honest party: an address in a network of its own. */
static struct endpoint other(unsigned n)
{
    struct endpoint ep = test_ep4(81, (uint8_t)(n + 1), 1, 1, 6881);

    if (n % 2 == 1) {
        ep = test_ep("[2a02::1]:6881");
        ep.addr[3] = (uint8_t)n;
    }
    return ep;
}

/* ---- Questions from forged addresses ------------------------------------- */

/* So many a second, up to the time that `duration` from now is. */
static void flood(struct fixture *f, unsigned rate, uint64_t duration)
{
    uint64_t end = f->h.now + duration, step = TIME_S / rate;

    for (; f->h.now < end; f->h.now += step) {
        struct endpoint ep = {.port = 6881, .family = FAMILY_IPV4};
        struct id id = test_random_id(&f->random);
        struct dht_message m;

        test_random_fill(&f->random, ep.addr, 4);
        ep.addr[0] = (uint8_t)(128 + ep.addr[0] % 32);
        harness_query(&m, DHT_FIND_NODE, &id, &id);
        harness_give(&f->h, &ep, &m);
        harness_drop(&f->h);
    }
}

static bool asks(struct fixture *f, unsigned n)
{
    struct endpoint ep = other(n);
    struct id id = test_random_id(&f->random);
    struct dht_message m;

    harness_query(&m, DHT_FIND_NODE, &id, &id);
    return answers(f, &ep, &m);
}

/* Half a megabyte a second of them does not keep strangers from being
 * answered. */
static void test_dht_flood_of_forged_questions(void **state)
{
    struct fixture f;
    unsigned served = 0;

    (void)state;
    start(&f);
    flood(&f, 4500, 4 * TIME_S); /* bursts are over */
    for (unsigned i = 0; i < OTHERS; i++) {
        flood(&f, 4500, 20 * TIME_MS + i * 70 * TIME_US);
        served += asks(&f, i);
    }
    print_message("%u of %u others answered\n", served, OTHERS);
    assert_int_equal(served, OTHERS);
    harness_end(&f.h);
}

struct known {
    struct endpoint contact, holder; /* in our table; who has a token */
    struct id id, target;
    uint8_t token[DHT_TOKEN_BYTES];
};

static void make_known(struct fixture *f, struct known *k)
{
    struct dht_message m;
    struct sent *s;

    k->contact = test_ep("82.1.2.3:6881");
    k->holder = test_ep("83.1.2.3:6881");
    k->id = test_random_id(&f->random);
    k->target = test_random_id(&f->random);
    harness_befriend(&f->h, &k->contact, &k->id);
    harness_query(&m, DHT_GET_PEERS, &k->target, &k->target);
    s = harness_ask(&f->h, &k->holder, &m);
    assert_non_null(s);
    memcpy(k->token, s->m.token.p, sizeof(k->token));
}

static bool contact_asks(struct fixture *f, const struct known *k)
{
    struct dht_message m;

    harness_query(&m, DHT_GET_PEERS, &k->id, &k->target);
    return answers(f, &k->contact, &m);
}

static bool holder_asks(struct fixture *f, const struct known *k,
                        enum dht_method method)
{
    struct dht_message m;

    harness_query(&m, method, &k->target, &k->target);
    m.token = bytes_of(k->token, sizeof(k->token));
    m.port = 4321;
    m.has |= DHT_HAS_TOKEN;
    if (method == DHT_ANNOUNCE_PEER)
        m.has |= DHT_HAS_PORT;
    return answers(f, &k->holder, &m);
}

/* Whoever answered us before, and whoever shows a token, goes on being answered
 * when strangers ask for more than all that there is. */
static void flood_beyond(struct fixture *f, unsigned rate)
{
    unsigned contact = 0, announced = 0, read = 0, strangers = 0;
    struct known k;

    make_known(f, &k);
    flood(f, rate, 3 * TIME_S);
    for (unsigned i = 0; i < OTHERS; i++) {
        flood(f, rate, 50 * TIME_MS + i * 7 * TIME_US);
        contact += contact_asks(f, &k);
        announced += holder_asks(f, &k, DHT_ANNOUNCE_PEER);
        read += holder_asks(f, &k, DHT_GET_PEERS);
        strangers += asks(f, i);
    }
    print_message("%u/s: of %u each a contact is answered %u, who has a token "
                  "%u and %u, strangers %u\n",
                  rate, OTHERS, contact, announced, read, strangers);
    assert_int_equal(contact, OTHERS);
    assert_int_equal(announced, OTHERS);
    assert_int_equal(read, OTHERS);
}

static void test_dht_flood_beyond_the_ceiling(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    flood_beyond(&f, 40000);
    harness_end(&f.h);
}

/* The same when the machine is busy with something else, and answers less. */
static void test_dht_flood_while_busy(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    for (int i = 0; i < 100; i++)
        dht_set_load(f.h.d, LIMITER_LOAD_MAX);
    flood_beyond(&f, 4500);
    harness_end(&f.h);
}

/* In the name of somebody's network, which takes less than to flood all. */
static void test_dht_flood_in_the_name_of_a_network(void **state)
{
    unsigned contact = 0, announced = 0, strangers = 0;
    struct fixture f;
    struct known k;

    (void)state;
    start(&f);
    make_known(&f, &k);
    for (unsigned i = 0; i < 20000; i++) {
        struct endpoint ep = i % 2 == 0 ? k.contact : k.holder;
        struct id id = test_random_id(&f.random);
        struct dht_message m;

        test_random_fill(&f.random, ep.addr + 2, 2);
        harness_query(&m, DHT_FIND_NODE, &id, &id);
        harness_give(&f.h, &ep, &m);
        harness_drop(&f.h);
        f.h.now += TIME_MS;
        if (i % 500 != 499)
            continue;
        contact += contact_asks(&f, &k);
        announced += holder_asks(&f, &k, DHT_ANNOUNCE_PEER);
        strangers += asks(&f, i / 500);
    }
    assert_int_equal(contact, 40);
    assert_int_equal(announced, 40);
    assert_int_equal(strangers, 40);
    harness_end(&f.h);
}

/* An address and id of a contact that somebody else asks under, or its id at
 * another address: not known. */
static void test_dht_flood_who_is_known(void **state)
{
    struct dht_message m;
    struct endpoint ep;
    struct fixture f;
    struct known k;
    struct id id;

    (void)state;
    start(&f);
    for (int i = 0; i < 100; i++)
        dht_set_load(f.h.d, LIMITER_LOAD_MAX);
    make_known(&f, &k);
    flood(&f, 40000, TIME_S);
    while (asks(&f, 1))
        ; /* nothing is left for strangers */
    assert_true(contact_asks(&f, &k));
    ep = k.contact;
    ep.port++;
    harness_query(&m, DHT_GET_PEERS, &k.id, &k.target);
    assert_false(answers(&f, &ep, &m));
    id = test_random_id(&f.random);
    harness_query(&m, DHT_GET_PEERS, &id, &k.target);
    assert_false(answers(&f, &k.contact, &m));
    k.token[0] ^= 1;
    assert_false(holder_asks(&f, &k, DHT_GET_PEERS));
    k.token[0] ^= 1;
    assert_true(holder_asks(&f, &k, DHT_GET_PEERS));
    k.holder = k.contact;
    k.holder.addr[2]++;
    assert_false(holder_asks(&f, &k, DHT_GET_PEERS));
    harness_end(&f.h);
}

/* ---- Stores that are filled ---------------------------------------------- */

/* One number is an address, a hash and an item. */
struct party {
    struct endpoint ep;
    struct id hash;
    struct value value;
    struct dht_item item;
    struct id target;
};

static void make_party(struct party *p, const struct endpoint *ep, unsigned n)
{
    struct test_random r = {n};
    char text[16];

    p->ep = *ep;
    p->hash = test_random_id(&r);
    snprintf(text, sizeof(text), "%u", n);
    assert_int_equal(value_from_bytes(bytes_of_text(text), &p->value), OK);
    p->item = (struct dht_item){.value = &p->value};
    dht_item_target(&p->item, &p->target);
}

static struct sent *get(struct fixture *f, const struct endpoint *from,
                        enum dht_method method, const struct id *target)
{
    struct dht_message m;

    harness_drop(&f->h);
    harness_query(&m, method, target, target);
    harness_pad(&m);
    return harness_ask(&f->h, from, &m);
}

/* As anybody would: asks for a token, and uses it. False: no room. */
static bool announces(struct fixture *f, const struct party *p)
{
    struct sent *s = get(f, &p->ep, DHT_GET_PEERS, &p->hash);
    struct dht_message m;

    if (s == NULL || (s->m.has & DHT_HAS_TOKEN) == 0)
        return false;
    harness_query(&m, DHT_ANNOUNCE_PEER, &p->hash, &p->hash);
    m.token = s->m.token;
    m.port = 4321;
    m.has |= DHT_HAS_TOKEN | DHT_HAS_PORT;
    s = harness_ask(&f->h, &p->ep, &m);
    return s != NULL && s->m.kind == DHT_RESPONSE;
}

static bool puts_item(struct fixture *f, const struct party *p)
{
    struct sent *s = get(f, &p->ep, DHT_GET, &p->target);
    struct dht_message m;

    if (s == NULL || (s->m.has & DHT_HAS_TOKEN) == 0)
        return false;
    harness_query(&m, DHT_PUT, &p->target, NULL);
    m.token = s->m.token;
    m.value = p->value;
    m.has |= DHT_HAS_TOKEN | DHT_HAS_VALUE;
    s = harness_ask(&f->h, &p->ep, &m);
    return s != NULL && s->m.kind == DHT_RESPONSE;
}

static bool is_kept(struct fixture *f, const struct party *p)
{
    struct sent *s = get(f, &p->ep, DHT_GET_PEERS, &p->hash);
    bool peer = s != NULL && s->m.value_count == 1;

    s = get(f, &p->ep, DHT_GET, &p->target);
    return peer && s != NULL && (s->m.has & DHT_HAS_VALUE) != 0;
}

/* Where the nth query of the attacker comes from. */
typedef struct endpoint attacker_fn(unsigned n);

static struct endpoint one_line(unsigned n)
{
    struct endpoint ep = test_ep("[2a0e:b107:1:5600::1]:6881");

    ep.addr[7] = (uint8_t)n;
    return ep;
}

static struct endpoint one_network(unsigned n)
{
    struct endpoint ep = test_ep("[2a0e:b107::1]:6881");

    ep.addr[5] = (uint8_t)n;
    return ep;
}

/* Hosts of a cloud, each in a network of its own. */
static struct endpoint many_hosts(unsigned n)
{
    return test_ep4(90, (uint8_t)(n % 100), 1, 1, 6881);
}

/* As many hashes and items as the stores hold, and half as many more. */
static void fill(struct fixture *f, attacker_fn *attacker, unsigned first)
{
    const unsigned most = f->h.config.max_hashes / 2 * 3;

    for (unsigned n = 0; n < most; n++) {
        struct endpoint ep = attacker(n);
        struct party p;

        make_party(&p, &ep, first + n);
        announces(f, &p);
        puts_item(f, &p);
        f->h.now += 100 * TIME_MS;
    }
}

/* Honest ones come before, amidst and after. */
static void test_dht_flood_of_the_stores(void **state)
{
    static const struct {
        const char *name;
        attacker_fn *attacker;
    } cases[] = {
        {"a /56", one_line}, {"a /32", one_network}, {"100 hosts", many_hosts}};

    (void)state;
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        unsigned stored = 0, kept = 0;
        struct party p[OTHERS];
        struct dht_status status;
        struct fixture f;

        start(&f);
        f.h.config.max_hashes = f.h.config.max_items = 2000;
        assert_int_equal(dht_reconfigure(f.h.d, &f.h.config), OK);
        for (unsigned i = 0; i < OTHERS; i++) {
            struct endpoint ep = other(i);

            make_party(&p[i], &ep, 1000000 + i);
            if (i == OTHERS / 3 || i == OTHERS / 3 * 2)
                fill(&f, cases[c].attacker, 10000 * i);
            stored += announces(&f, &p[i]) && puts_item(&f, &p[i]);
        }
        for (unsigned i = 0; i < OTHERS; i++)
            kept += is_kept(&f, &p[i]);
        dht_status(f.h.d, f.h.now, &status);
        print_message("%s: %u hashes, %u items; %u of %u others stored, "
                      "%u kept\n",
                      cases[c].name, status.hashes, status.items, stored,
                      OTHERS, kept);
        assert_int_equal(stored, OTHERS);
        assert_int_equal(kept, OTHERS);
        harness_end(&f.h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_flood_of_forged_questions),
        cmocka_unit_test(test_dht_flood_beyond_the_ceiling),
        cmocka_unit_test(test_dht_flood_while_busy),
        cmocka_unit_test(test_dht_flood_in_the_name_of_a_network),
        cmocka_unit_test(test_dht_flood_who_is_known),
        cmocka_unit_test(test_dht_flood_of_the_stores),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
