/* SPDX-License-Identifier: MIT
 *
 * What circuits cost: the processor time of building one, all nodes summed;
 * and the memory of a relay for each circuit and each link.
 */
#include "bench_tunnel.h"

#include <sodium.h>

#define BUILDS   300
#define CIRCUITS 10000
#define LINKS    1000

/* ---- Building ----------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_builds(double *seconds, unsigned hops, const char *links)
{
    char name[80];

    qsort(seconds, BUILDS, sizeof(double), by_value);
    snprintf(name, sizeof(name), "build, %u hops, %s: median", hops, links);
    bench_value(name, 1e3 * seconds[BUILDS / 2], "ms",
                hops == 3 ? "< 5, with processes" : "");
    snprintf(name, sizeof(name), "build, %u hops, %s: 99th", hops, links);
    bench_value(name, 1e3 * seconds[BUILDS * 99 / 100], "ms", "");
}

static void builds(unsigned hops, bool cold)
{
    static double seconds[BUILDS];
    struct tunnel_world w;

    tunnel_world_init(&w, ONION_HOPS_MAX + 1, hops);
    member_build(&w, 0, 1, hops);
    for (int i = 0; i < BUILDS; i++) {
        if (cold) {
            tunnel_world_deinit(&w);
            tunnel_world_init(&w, ONION_HOPS_MAX + 1, (uint64_t)i);
        }
        seconds[i] = bench_cpu();
        member_build(&w, 0, 1, hops);
        seconds[i] = bench_cpu() - seconds[i];
    }
    print_builds(seconds, hops, cold ? "new links" : "links up");
    tunnel_world_deinit(&w);
}

/* ---- Memory ------------------------------------------------------------- */

struct memory {
    double handshakes, cells; /* bytes that came with them */
};

/* What the watched node allocates, by what made it do so. */
static void weigh(struct tunnel_world *w, struct tunnel_packet *p)
{
    struct memory *m = w->watch_ctx;
    bool is_cell = p->bytes[1] == CELL_KIND;
    double before, after;

    before = bench_allocated();
    router_receive(&w->watched->engine, &p->from, p->bytes, p->len, w->now);
    after = bench_allocated();
    if (is_cell)
        m->cells += after - before;
    else
        m->handshakes += after - before;
}

/* Packets that are under way are no memory of a node. */
static void stock(struct tunnel_world *w)
{
    for (int i = 0; i < 64; i++)
        tunnel_send(&w->node[0], &(struct endpoint){.port = 1},
                    bytes_of("", 1));
    tunnel_pump(w);
}

static void memory_of_circuits(void)
{
    struct tunnel_world w;
    struct memory m = {0};

    tunnel_world_init(&w, 3, 1);
    stock(&w);
    member_build(&w, 0, 1, 2);
    w.watched = &w.node[1];
    w.watch = weigh;
    w.watch_ctx = &m;
    for (int i = 0; i < CIRCUITS; i++)
        member_build(&w, 0, 1, 2);
    bench_value("a relayed circuit of 10,000", m.cells / CIRCUITS, "bytes",
                "<= 2048");
    bench_value("  of it, struct transit", sizeof(struct transit), "bytes", "");
    tunnel_world_deinit(&w);
}

static void memory_of_links(void)
{
    struct tunnel_world w;
    struct memory m = {0};

    tunnel_world_init(&w, 1 + LINKS, 1);
    stock(&w);
    w.watched = &w.node[LINKS];
    w.watch = weigh;
    w.watch_ctx = &m;
    for (unsigned i = 0; i < LINKS; i++)
        member_build(&w, i, LINKS, 1);
    bench_value("a link of 1,000", m.handshakes / LINKS, "bytes", "");
    bench_value("  of it, struct link and struct session",
                sizeof(struct link) + sizeof(struct session), "bytes", "");
    tunnel_world_deinit(&w);
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    bench_title("");
    for (unsigned hops = 1; hops <= ONION_HOPS_MAX; hops++)
        builds(hops, false);
    for (unsigned hops = 1; hops <= ONION_HOPS_MAX; hops++)
        builds(hops, true);
    memory_of_circuits();
    memory_of_links();
    return 0;
}
