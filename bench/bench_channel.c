/* SPDX-License-Identifier: MIT
 *
 * What the end layer costs: a datagram sealed by one end of a channel and
 * opened by the other, beside one layer of the onion added and removed; and
 * the memory of a channel.
 */
#include "bench.h"

#include "tunnel/channel/channel.h"
#include "tunnel/circuit/onion.h"
#include "tunnel/link/cell.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define RUNS  15
#define CELLS 2000

static uint8_t payload[CHANNEL_PAYLOAD_MAX];

struct pair {
    struct channel *end[2];
    struct piece_budget budget;
    uint64_t came;
};

static struct pair pair;
static uint8_t legs[2]; /* their addresses stand for circuits */

static struct circuit *leg(unsigned side)
{
    void *p = &legs[side];

    return p;
}

/* The other end has it at once. */
static void send_cell(void *holder, struct circuit *c, uint8_t *datagram,
                      size_t len, uint64_t now)
{
    unsigned to = c == leg(0);

    (void)holder;
    channel_receive(pair.end[to], leg(to), datagram + CELL_BODY_OFFSET,
                    len - CELL_BODY_OFFSET, now);
}

static void live(void *holder, struct channel *ch, uint64_t now)
{
    (void)holder, (void)ch, (void)now;
}

static void data(void *holder, struct channel *ch, uint16_t port,
                 struct bytes b, uint64_t now)
{
    (void)holder, (void)ch, (void)port, (void)now;
    pair.came += b.len;
}

static void fill(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    randombytes_buf(buf, len);
}

static void connect_pair(void)
{
    struct channel_env env = {
        .random = {NULL, fill}, .send = send_cell, .live = live, .data = data};
    struct noise_keys keys = {.to_responder = {1}, .to_initiator = {2}};
    double before = bench_allocated();

    pair.budget.max = 1 << 20;
    for (unsigned i = 0; i < 2; i++) {
        if (channel_new(&env, NULL, i == 0, &pair.budget, &pair.end[i]) != OK)
            exit(1);
    }
    bench_value("a channel", (bench_allocated() - before) / 2, "bytes", "");
    for (unsigned i = 2; i-- > 0;) {
        struct channel_keys k;

        channel_keys_of(&keys, i == 0, &k);
        channel_attach(pair.end[i], leg(i), &k, TIME_NEVER, 1);
    }
}

static double channel_time(size_t len)
{
    double t = bench_cpu();

    for (unsigned i = 0; i < CELLS; i++)
        channel_send(pair.end[0], 53, bytes_of(payload, len), 1);
    return (bench_cpu() - t) / CELLS * 1e9;
}

static double layer_time(size_t body_len)
{
    static struct onion_sender out;
    static struct onion_receiver in;
    static uint8_t body[CELL_LARGE_BODY];
    static const uint8_t key[NOISE_KEY_BYTES];
    bool is_message;
    double t;

    onion_sender_init(&out, key);
    onion_receiver_init(&in, key);
    t = bench_cpu();
    for (unsigned i = 0; i < CELLS; i++) {
        onion_add(&out, body, body_len, 1);
        if (onion_remove(&in, body, body_len, 1, &is_message) != OK)
            exit(1);
    }
    return (bench_cpu() - t) / CELLS * 1e9;
}

/* The best of some runs of each, in turn. */
static void compare(const char *name, size_t len, unsigned cells,
                    size_t body_len)
{
    double ours = 1e9, layer = 1e9, t;

    for (unsigned i = 0; i < RUNS; i++) {
        t = channel_time(len) / cells;
        ours = t < ours ? t : ours;
        t = layer_time(body_len);
        layer = t < layer ? t : layer;
    }
    bench_ratio(name, ours, "ns a cell", layer, "< 125 %");
}

int main(void)
{
    if (sodium_init() < 0)
        return 1;
    bench_title("one layer");
    connect_pair();
    compare("sent and taken, 100 bytes, small cell", 100, 1, CELL_SMALL_BODY);
    compare("sent and taken, 1,232 bytes, large cell", 1232, 1,
            CELL_LARGE_BODY);
    compare("sent and taken, 9,600 bytes, 8 cells", CHANNEL_PAYLOAD_MAX, 8,
            CELL_LARGE_BODY);
    for (unsigned i = 0; i < 2; i++)
        channel_free(pair.end[i]);
    piece_budget_rest(&pair.budget);
    return pair.came > 0 ? 0 : 1;
}
