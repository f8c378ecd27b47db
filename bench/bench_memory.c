/* SPDX-License-Identifier: MIT
 *
 * What a routing table contact and a stored peer cost, by what malloc handed
 * out and by what is resident, over many copies so that pages do not blur it.
 */
#include "bench.h"
#include "dht/dht.h"
#include "dht/storage/peer_store.h"
#include "dht/table/table.h"
#include "sim/chance/rng.h"

#include <stdlib.h>
#include <string.h>

#define TABLES   50
#define CONTACTS 1000 /* 125 buckets full */
#define STORES   20
#define PEERS    10000
#define ENGINES  200

static struct sim_rng rng;

static void fill(void *ctx, void *buf, size_t len)
{
    sim_rng_fill(ctx, buf, len);
}

static void random_endpoint(enum family family, struct endpoint *out)
{
    *out = (struct endpoint){.family = (uint8_t)family, .port = 6881};
    sim_rng_fill(&rng, out->addr, family == FAMILY_IPV4 ? 4 : 16);
    /* Global ones are counted at all widths of their source. */
    out->addr[0] = family == FAMILY_IPV4 ? 80 : 0x2a;
}

static void print_pair(const char *what, double count, double allocated,
                       double resident, const char *aim)
{
    char name[80];

    snprintf(name, sizeof(name), "%s: allocated", what);
    bench_value(name, allocated / count, "bytes", aim);
    snprintf(name, sizeof(name), "%s: resident", what);
    bench_value(name, resident / count, "bytes", aim);
}

/* An id that shares exactly `bits` with `self`. */
static void id_at(const struct id *self, int bits, struct id *out)
{
    sim_rng_fill(&rng, out->b, ID_BYTES);
    for (int i = 0; i < bits; i++)
        id_set_bit(out, i, id_bit(self, i));
    id_set_bit(out, bits, !id_bit(self, bits));
}

static unsigned fill_table(struct table *t, enum family family)
{
    struct table_counts counts;
    struct id self, id;
    struct endpoint ep;

    sim_rng_fill(&rng, self.b, ID_BYTES);
    table_init(t, family, &self, NODE_ID_ANY, 15 * TIME_MIN, TIME_HOUR);
    for (int bits = 0; bits < CONTACTS / DHT_K; bits++)
        for (int i = 0; i < DHT_K; i++) {
            id_at(&self, bits, &id);
            random_endpoint(family, &ep);
            table_answered(t, &id, &ep, TIME_MS, TIME_HOUR);
        }
    table_counts(t, TIME_HOUR, &counts);
    return counts.live;
}

static void tables(enum family family, const char *what)
{
    static struct table t[TABLES];
    double allocated = bench_allocated(), resident = bench_resident();
    unsigned live = 0;

    for (int i = 0; i < TABLES; i++)
        live += fill_table(&t[i], family);
    allocated = bench_allocated() - allocated;
    resident = bench_resident() - resident;
    print_pair(what, live, allocated, resident, "<= 64");
    bench_value("  of 1,000", allocated / live * 1000, "bytes", "");
    for (int i = 0; i < TABLES; i++)
        table_deinit(&t[i]);
    malloc_trim(0);
}

static void stores(enum family family, unsigned per_hash, const char *what)
{
    static struct peer_store s[STORES];
    const struct peer_store_config config = {.max_hashes = PEERS,
                                             .max_peers = PEERS,
                                             .max_per_hash = 1000,
                                             .max_per_source = 1000,
                                             .lifetime = 30 * TIME_MIN};
    const struct random_source random = {&rng, fill};
    double allocated = bench_allocated(), resident = bench_resident();
    double stored = 0;

    for (int i = 0; i < STORES; i++) {
        struct id hash = {{0}};
        struct endpoint ep;

        peer_store_init(&s[i], &config, NULL, &random, TIME_HOUR);
        for (unsigned k = 0; k < PEERS; k++) {
            if (k % per_hash == 0)
                sim_rng_fill(&rng, hash.b, ID_BYTES);
            random_endpoint(family, &ep);
            peer_store_put(&s[i], &hash, &ep, false, TIME_HOUR);
        }
        stored += s[i].peers;
    }
    allocated = bench_allocated() - allocated;
    resident = bench_resident() - resident;
    print_pair(what, stored, allocated, resident, "<= 32");
    bench_value("  of 10,000", allocated / stored * 10000, "bytes", "");
    for (int i = 0; i < STORES; i++)
        peer_store_deinit(&s[i]);
    malloc_trim(0);
}

static void env_send(void *ctx, const struct endpoint *to, struct bytes b)
{
    (void)ctx;
    (void)to;
    (void)b;
}

static void env_event(void *ctx, const struct dht_event *event)
{
    (void)ctx;
    (void)event;
}

static void engines(void)
{
    const struct dht_env env = {&rng, env_send, fill, env_event};
    struct dht *d[ENGINES];
    struct dht_config config;
    double allocated = bench_allocated(), resident = bench_resident();

    dht_config_init(&config);
    for (int i = 0; i < ENGINES; i++)
        if (dht_new(&config, &env, TIME_HOUR, &d[i]) != OK)
            exit(1);
    print_pair("an engine that is new", ENGINES, bench_allocated() - allocated,
               bench_resident() - resident, "< 8192");
    for (int i = 0; i < ENGINES; i++)
        dht_free(d[i]);
    malloc_trim(0);
}

int main(void)
{
    sim_rng_init(&rng, 1, 0);
    bench_title("");
    engines();
    tables(FAMILY_IPV4, "a contact, IPv4");
    tables(FAMILY_IPV6, "a contact, IPv6");
    stores(FAMILY_IPV4, 100, "a stored peer, IPv4, 100 a hash");
    stores(FAMILY_IPV6, 100, "a stored peer, IPv6, 100 a hash");
    stores(FAMILY_IPV4, 10, "a stored peer, IPv4, 10 a hash");
    return 0;
}
