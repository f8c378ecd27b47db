/* SPDX-License-Identifier: MIT
 *
 * How fast and how small the simulated network is: datagrams a second of
 * processor time, virtual node-hours a second, bytes a node.
 *
 *     bench_sim              1,000, 10,000 and 100,000 nodes (some minutes)
 *     bench_sim --large      1,000,000 too (half an hour, 16 GB)
 *     bench_sim N            N nodes only
 *     --threads T            with T threads: then by the clock on the wall
 */
#include "bench.h"
#include "sim/clockwork/pages.h"
#include "sim/dht_net.h"

#include <stdlib.h>
#include <string.h>

static uint32_t threads = 1;

/* What is left of two cores by others counts only with threads. */
static double seconds(void)
{
    return threads == 1 ? bench_cpu() : bench_clock(CLOCK_MONOTONIC);
}

static void check(enum error err)
{
    if (err != OK) {
        fprintf(stderr, "bench_sim: %s\n", error_text(err));
        exit(1);
    }
}

/* ---- The network alone: nodes that pass a datagram on ------------------ */

struct hot {
    struct sim *sim;
    uint32_t node;
    struct endpoint next;
};

static void hot_receive(void *engine, const struct endpoint *from,
                        struct bytes datagram, uint64_t now)
{
    struct hot *h = engine;

    (void)from;
    (void)now;
    sim_send(h->sim, h->node, &h->next, datagram);
}

static void hot_tick(void *engine, uint64_t now)
{
    (void)engine;
    (void)now;
}

static uint64_t hot_deadline(void *engine)
{
    (void)engine;
    return TIME_NEVER;
}

static const struct sim_engine hot_engine = {.receive = hot_receive,
                                             .tick = hot_tick,
                                             .next_deadline = hot_deadline,
                                             .free = free};

static double bare(uint32_t n)
{
    static const uint8_t load[300];
    const struct sim_place place = {.family = {true, false}};
    struct sim_config config;
    struct sim_stats before, after;
    struct sim *s;
    double start;

    sim_config_init(&config);
    config.threads = threads;
    check(sim_new(&config, &s));
    for (uint32_t i = 0; i < n; i++) {
        struct hot *h = malloc(sizeof(*h));

        if (h == NULL)
            exit(1);
        *h = (struct hot){.sim = s};
        check(sim_node_add(s, &place, &h->node));
        sim_attach(s, h->node, SIM_PLANE_DHT, &hot_engine, h);
    }
    for (uint32_t i = 0; i < n; i++) {
        struct hot *h = sim_engine_of(s, i, SIM_PLANE_DHT);

        sim_endpoint(s, (i * 7919 + 1) % n, FAMILY_IPV4, &h->next);
        sim_send(s, i, &h->next, bytes_of(load, sizeof(load)));
    }
    sim_run_for(s, TIME_S);
    sim_stats(s, &before);
    start = seconds();
    sim_run_for(s, (2000000 / n + 1) * 100 * TIME_MS);
    start = seconds() - start;
    sim_stats(s, &after);
    sim_free(s);
    return (double)(after.fate[SIM_DELIVERED] - before.fate[SIM_DELIVERED]) /
           start;
}

/* ---- A DHT network ----------------------------------------------------- */

struct run {
    struct sim *sim;
    struct sim_dht_net net;
    double cpu;
    struct sim_stats stats;
};

static void begin(struct run *r)
{
    sim_stats(r->sim, &r->stats);
    r->cpu = seconds();
}

/* Datagrams delivered since begin(), and the seconds that it took. */
static double end(struct run *r)
{
    struct sim_stats now;

    r->cpu = seconds() - r->cpu;
    sim_stats(r->sim, &now);
    return (double)(now.fate[SIM_DELIVERED] - r->stats.fate[SIM_DELIVERED]);
}

static void print_speed(const char *what, double messages, double cpu,
                        double alone)
{
    bench_ratio(what, messages / cpu, "msg/s", alone, "600000 msg/s");
}

static void lookups(struct run *r, double alone)
{
    struct sim_score score = {0};
    struct endpoint peer = {0};
    struct id target;
    double messages, start;

    begin(r);
    start = seconds();
    for (int i = 0; i < 200; i++) {
        sim_rng_fill(sim_rng(r->sim), target.b, ID_BYTES);
        sim_dht_net_lookups(&r->net, &target, &peer, 1, 16, &score);
    }
    messages = end(r);
    print_speed("  lookups", messages, r->cpu, alone);
    bench_value("  lookup: queries", (double)score.asked / score.tried, "", "");
    bench_value("  lookups a second", score.tried / (seconds() - start), "1/s",
                "");
}

static void dht(uint32_t n)
{
    /* Of a network at rest: what joining began has to end first. */
    const uint64_t idle = n < 5000     ? TIME_HOUR
                          : n < 500000 ? 10 * TIME_MIN
                                       : 3 * TIME_MIN;
    double resident = bench_resident(), allocated = bench_allocated(), messages;
    double alone = bare(n);
    struct sim_config config;
    struct run r;

    printf("%u nodes\n", n);
    bench_value("  the network without engines", alone, "msg/s", "");
    sim_config_init(&config);
    config.threads = threads;
    config.addressing = SIM_ADDRESS_GLOBAL;
    check(sim_new(&config, &r.sim));
    sim_dht_net_init(&r.net, r.sim);
    r.net.bootstraps = n / 500 < 30 ? n / 500 + 1 : 30;
    begin(&r);
    check(sim_dht_net_grow(&r.net, n, 60 * TIME_S / n));
    sim_run_for(r.sim, 2 * TIME_MIN);
    messages = end(&r);
    print_speed("  joining", messages, r.cpu, alone);
    bench_value("  joining: datagrams a node", messages / n, "", "");

    sim_run_for(r.sim, 10 * TIME_MIN);
    begin(&r);
    sim_run_for(r.sim, idle);
    messages = end(&r);
    print_speed("  idle", messages, r.cpu, alone);
    bench_value("  idle: virtual node-hours a second",
                n * (double)idle / TIME_HOUR / r.cpu, "", "1000");
    bench_value("  idle: sent by a node",
                messages / n / (double)(idle / TIME_S), "msg/s", "< 0.2");
    lookups(&r, alone);
    bench_value("  allocated, a node", (bench_allocated() - allocated) / n,
                "bytes", "< 16000");
    bench_value("  resident, a node", (bench_resident() - resident) / n,
                "bytes", "< 16000");
    sim_free(r.sim);
    sim_dht_net_deinit(&r.net);
}

int main(int argc, char **argv)
{
    static const uint32_t sizes[] = {1000, 10000, 100000, 1000000};
    unsigned long n = 0;
    size_t count = 3;

    sim_pages_for_heap();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--large") == 0)
            count = 4;
        else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            threads = (uint32_t)strtoul(argv[++i], NULL, 10);
        else
            n = strtoul(argv[i], NULL, 10);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    bench_title("no engines");
    if (n > 0 && n < SIM_NODES_MAX)
        dht((uint32_t)n);
    for (size_t i = 0; n == 0 && i < count; i++)
        dht(sizes[i]);
    return 0;
}
