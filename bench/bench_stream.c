/* SPDX-License-Identifier: MIT
 *
 * What reliable streams cost: processor time of both ends, beside copying the
 * same packets through the same queues; goodput over a link that loses one
 * packet in a hundred, beside one that loses none; memory of what is idle.
 * Time is virtual.
 */
#include "bench.h"

#include "base/timestamp.h"
#include "stream/stream.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 65536 /* packets on their way, of each direction */

struct packet {
    uint64_t at;
    size_t len;
    bool to_acceptor;
    uint8_t bytes[STREAM_PACKET_MAX];
};

/* One direction: packets keep their order. */
struct line {
    struct packet *slots;
    size_t first, count;
    uint64_t busy_until;
};

static struct {
    struct streams *end[2];
    struct line line[2]; /* from the end of that number */
    uint64_t now, delay, rate, queue, batch, random, packets, came;
    unsigned loss; /* in 10,000 */
} net;

static uint8_t piece[65536];

static uint64_t next_random(void)
{
    net.random ^= net.random >> 12;
    net.random ^= net.random << 25;
    net.random ^= net.random >> 27;
    return net.random * UINT64_C(0x2545f4914f6cdd1d);
}

static void fill(void *ctx, void *buf, size_t len)
{
    uint8_t *p = buf;

    (void)ctx;
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(next_random() >> 56);
}

/* ---- The link ----------------------------------------------------------- */

static struct packet *line_put(struct line *l, struct bytes b)
{
    struct packet *p = &l->slots[(l->first + l->count) % SLOTS];

    if (l->count == SLOTS)
        return NULL;
    l->count++;
    p->len = b.len;
    memcpy(p->bytes, b.p, b.len);
    return p;
}

static void send(void *ctx, uint64_t path, bool to_acceptor, struct bytes b,
                 uint64_t now)
{
    struct line *l = ctx;
    struct packet *p;

    (void)path;
    net.packets++;
    if (l->busy_until < now)
        l->busy_until = now;
    if (l->busy_until - now > net.queue || next_random() % 10000 < net.loss)
        return;
    p = line_put(l, b);
    if (p == NULL)
        return;
    l->busy_until += b.len * TIME_S / net.rate;
    p->at = l->busy_until + net.delay;
    p->to_acceptor = to_acceptor;
}

static struct packet *line_first(struct line *l)
{
    return l->count == 0 ? NULL : &l->slots[l->first];
}

static void deliver(unsigned from)
{
    static const struct endpoint source = {.addr = {9, 9, 9, 9}};
    struct line *l = &net.line[from];
    struct packet *p = line_first(l);

    streams_receive(net.end[!from], 1, p->to_acceptor,
                    p->to_acceptor ? &source : NULL, p->bytes, p->len, net.now);
    l->first = (l->first + 1) % SLOTS;
    l->count--;
}

static uint64_t next_event(void)
{
    uint64_t at = TIME_NEVER;

    for (unsigned i = 0; i < 2; i++) {
        const struct packet *p = line_first(&net.line[i]);

        at = time_min(at, streams_next_deadline(net.end[i]));
        at = time_min(at, p == NULL ? TIME_NEVER : p->at);
    }
    return at;
}

static void step(void)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct packet *p;

        streams_hold(net.end[!i], net.now);
        while ((p = line_first(&net.line[i])) != NULL && p->at <= net.now)
            deliver(i);
        streams_release(net.end[!i]);
        if (streams_next_deadline(net.end[i]) <= net.now)
            streams_tick(net.end[i], net.now);
    }
}

/* Wakes once for what happens within `batch` ns, as a socket does. */
static void run_until(uint64_t end)
{
    uint64_t at;

    while ((at = next_event()) <= end) {
        if (at > net.now)
            net.now = at + net.batch;
        step();
    }
    net.now = end;
}

/* ---- The holders -------------------------------------------------------- */

static void pump(struct stream *st, uint64_t now)
{
    while (stream_write(st, bytes_of(piece, sizeof(piece)), now) ==
           sizeof(piece))
        ;
}

static void opened(void *holder, struct stream *st, uint64_t now)
{
    (void)holder, (void)st, (void)now;
}

static size_t data(void *arg, struct stream *st, struct bytes b, bool fin,
                   uint64_t now)
{
    (void)arg, (void)st, (void)fin, (void)now;
    net.came += b.len;
    return b.len;
}

static void writable(void *arg, struct stream *st, uint64_t now)
{
    (void)arg;
    pump(st, now);
}

static void reset(void *arg, struct stream *st, bool reading, uint32_t code,
                  uint64_t now)
{
    (void)arg, (void)st, (void)reading, (void)code, (void)now;
}

static void closed(void *arg, struct stream *st, uint64_t now)
{
    (void)arg, (void)st, (void)now;
}

static void moved(void *holder, struct stream_conn *c, uint64_t path,
                  uint64_t now)
{
    (void)holder, (void)c, (void)path, (void)now;
}

static void over(void *holder, struct stream_conn *c, enum stream_end why,
                 uint32_t code, uint64_t now)
{
    (void)holder, (void)c, (void)code, (void)now;
    printf("the connection is over: %s\n", stream_end_name(why));
    exit(1);
}

static const struct stream_handler handler = {opened, data, writable, reset,
                                              closed, NULL, moved,    over};

static const struct stream_handler *take(void *ctx, struct stream_conn *c,
                                         uint64_t path, void **holder)
{
    (void)ctx, (void)c, (void)path, (void)holder;
    return &handler;
}

/* ---- Runs --------------------------------------------------------------- */

static void begin(uint64_t rate, uint64_t rtt, uint64_t queue, unsigned loss)
{
    struct stream_config config;

    stream_config_init(&config);
    net.now = TIME_HOUR;
    net.random = 1;
    net.rate = rate;
    net.delay = rtt / 2;
    net.queue = queue;
    net.loss = loss;
    net.packets = net.came = 0;
    for (unsigned i = 0; i < 2; i++) {
        const struct stream_env env = {&net.line[i], {NULL, fill}, send, take};

        net.line[i].first = net.line[i].count = 0;
        net.line[i].busy_until = 0;
        if (streams_new(&config, &env, &net.end[i]) != OK)
            exit(1);
    }
}

static struct stream_conn *connect(void)
{
    struct stream_conn *c;

    if (stream_connect(net.end[0], 1, 2 * net.delay, &handler, NULL, net.now,
                       &c) != OK)
        exit(1);
    return c;
}

static struct stream *open_stream(struct stream_conn *c)
{
    struct stream *st;

    if (stream_open(c, NULL, net.now, &st) != OK)
        exit(1);
    return st;
}

static void end(void)
{
    for (unsigned i = 0; i < 2; i++)
        streams_free(net.end[i]);
}

/* Seconds of copying as many packets in and out of a queue. */
static double copy_time(uint64_t packets)
{
    static uint8_t out[STREAM_PACKET_MAX];
    struct line *l = &net.line[0];
    double t = bench_cpu();

    l->first = l->count = 0;
    for (uint64_t i = 0; i < packets; i++) {
        const struct packet *p =
            line_put(l, bytes_of(piece, STREAM_PACKET_MAX));

        memcpy(out, p->bytes, p->len);
        __asm__ volatile("" : : "r"(out) : "memory");
        l->first = (l->first + 1) % SLOTS;
        l->count--;
    }
    return bench_cpu() - t;
}

static void measure_cpu(const char *name, uint64_t batch)
{
    double t, copy, mb;

    begin(250000000, TIME_MS, 4 * TIME_MS, 0);
    net.batch = batch;
    t = bench_cpu();
    pump(open_stream(connect()), net.now);
    run_until(net.now + 2 * TIME_S);
    t = bench_cpu() - t;
    mb = (double)net.came / 1e6;
    copy = copy_time(net.packets);
    net.batch = 0;
    bench_ratio(name, mb / t, "MB/s", mb / copy, "");
    bench_value("    processor time", 1000 * t / mb, "s/GB", "");
    bench_value("    goodput at 250 MB/s, rtt 1 ms", mb / 2, "MB/s", "");
    end();
}

static double goodput(unsigned loss)
{
    double mb;

    begin(12500000, 50 * TIME_MS, 50 * TIME_MS, loss);
    pump(open_stream(connect()), net.now);
    run_until(net.now + 20 * TIME_S);
    mb = (double)net.came / 1e6 / 20;
    end();
    return mb;
}

static void measure_goodput(void)
{
    double without = goodput(0);

    bench_value("goodput at 12.5 MB/s, rtt 50 ms", without, "MB/s", "> 11");
    bench_ratio("the same, 1 % lost", goodput(100), "MB/s", without, "> 50%");
}

static size_t memory(unsigned i)
{
    return streams_stats(net.end[i])->memory;
}

static void measure_memory(void)
{
    struct stream_conn *c;
    size_t before[2];

    begin(12500000, 50 * TIME_MS, 50 * TIME_MS, 0);
    c = connect();
    stream_write(open_stream(c), bytes_of("x", 1), net.now);
    run_until(net.now + TIME_S);
    for (unsigned i = 0; i < 2; i++)
        before[i] = memory(i);
    bench_value("an idle connection, opener", (double)before[0], "bytes",
                "< 32768");
    bench_value("the same, acceptor", (double)before[1], "bytes", "< 32768");
    for (unsigned i = 0; i < 50; i++)
        stream_write(open_stream(c), bytes_of("x", 1), net.now);
    run_until(net.now + TIME_S);
    bench_value("an idle stream, opener", (double)(memory(0) - before[0]) / 50,
                "bytes", "< 4096");
    bench_value("the same, acceptor", (double)(memory(1) - before[1]) / 50,
                "bytes", "< 4096");
    end();
}

int main(void)
{
    for (unsigned i = 0; i < 2; i++) {
        net.line[i].slots = malloc(SLOTS * sizeof(struct packet));
        if (net.line[i].slots == NULL)
            return 1;
    }
    bench_title("copying");
    measure_cpu("both ends on one core, packets in batches", 100 * TIME_US);
    measure_cpu("both ends on one core, one by one", 0);
    measure_goodput();
    measure_memory();
    for (unsigned i = 0; i < 2; i++)
        free(net.line[i].slots);
    return 0;
}
