/* SPDX-License-Identifier: MIT
 *
 * What a relay keeps for services of others, by what malloc handed out: an
 * introduction point with the state of its circuit, an entry of a member
 * beside that, a circuit that waits at a rendezvous; and what is there before
 * anybody asks.
 */
#include "bench.h"

#include "base/timestamp.h"
#include "tunnel/circuit/onion.h"
#include "tunnel/link/cell.h"
#include "tunnel/meeting/meeting.h"
#include "tunnel/transit/transit.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define ROOMS  10
#define EACH   500 /* of the 512 places of a room */
#define TOPICS 10  /* so that each has 50 members */
#define NOW    TIME_HOUR
#define WALL   1800000000

static struct meeting *rooms[ROOMS];
static struct transit circuits[ROOMS][EACH];
static struct meeting_circuit *states[ROOMS][EACH];
static uint8_t transcript[MEETING_TRANSCRIPT_BYTES];

static void fill(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    randombytes_buf(buf, len);
}

static void answer(void *ctx, struct transit *relay, struct bytes text,
                   size_t cell, uint64_t now)
{
    (void)ctx, (void)relay, (void)text, (void)cell, (void)now;
}

static enum error join(void *ctx, struct transit *a, struct transit *b,
                       uint64_t now)
{
    (void)ctx, (void)a, (void)b, (void)now;
    return OK;
}

static void open_rooms(void)
{
    struct meeting_env env = {
        .random = {NULL, fill}, .answer = answer, .join = join};
    struct meeting_config config;

    meeting_config_init(&config);
    config.verify_rate = config.verify_burst = UINT16_MAX;
    for (unsigned r = 0; r < ROOMS; r++)
        if (meeting_new(&config, &env, &rooms[r]) != OK)
            exit(1);
}

static void close_rooms(void)
{
    for (unsigned r = 0; r < ROOMS; r++) {
        for (unsigned i = 0; i < EACH; i++)
            meeting_circuit_free(rooms[r], states[r][i], NOW);
        meeting_free(rooms[r]);
    }
    memset(states, 0, sizeof(states));
}

/* Each circuit is from another network. */
static void say(unsigned r, unsigned i, const struct meeting_message *m)
{
    uint8_t text[CELL_MAX] = {0};
    size_t cap =
        onion_message_len(meeting_message_cell(m->type) - CELL_BODY_OFFSET);
    struct transit *circuit = &circuits[r][i];
    size_t len;

    circuit->source = (struct endpoint){
        .addr = {(uint8_t)(20 + i / 200), (uint8_t)(i % 200), 1, 1}, .port = 9};
    if (meeting_message_write(m, text, cap, &len) != OK ||
        meeting_message(rooms[r], &states[r][i], circuit, false,
                        bytes_of(text, cap), transcript, WALL,
                        NOW) != REASON_UNKNOWN)
        exit(1);
}

static void establish(unsigned r, unsigned i, bool member)
{
    uint8_t topic[32] = {(uint8_t)(i % TOPICS)}, entry[MEETING_ENTRY_BYTES];
    uint8_t covered[MEETING_SIGNED_MAX], public[32], secret[64], signature[64];
    struct meeting_message m = {.type = MEETING_INTRO_ESTABLISH,
                                .auth_key = public,
                                .topic = member ? topic : NULL,
                                .entry = member ? entry : NULL,
                                .signature = signature};
    size_t len;

    randombytes_buf(entry, sizeof(entry));
    crypto_sign_keypair(public, secret);
    len = meeting_signed_bytes(&m, transcript, covered);
    crypto_sign_detached(signature, NULL, covered, len, secret);
    say(r, i, &m);
}

/* Bytes of each. */
static double points(bool members)
{
    struct meeting_stats stats;
    double before, each;

    open_rooms();
    before = bench_allocated();
    for (unsigned r = 0; r < ROOMS; r++)
        for (unsigned i = 0; i < EACH; i++)
            establish(r, i, members);
    each = (bench_allocated() - before) / (ROOMS * EACH);
    meeting_stats(rooms[0], &stats);
    if (stats.introductions != EACH || stats.entries != (members ? EACH : 0))
        exit(1);
    close_rooms();
    return each;
}

static double waiting(void)
{
    double before, each;

    open_rooms();
    before = bench_allocated();
    for (unsigned r = 0; r < ROOMS; r++) {
        for (unsigned i = 0; i < EACH; i++) {
            uint8_t cookie[MEETING_COOKIE_BYTES];

            randombytes_buf(cookie, sizeof(cookie));
            say(r, i,
                &(struct meeting_message){.type = MEETING_RENDEZVOUS,
                                          .cookie = cookie});
        }
    }
    each = (bench_allocated() - before) / (ROOMS * EACH);
    close_rooms();
    return each;
}

int main(void)
{
    double before, point;

    if (sodium_init() < 0)
        return 1;
    bench_title("");
    before = bench_allocated();
    open_rooms();
    bench_value("nobody has asked for anything",
                (bench_allocated() - before) / ROOMS, "bytes", "");
    close_rooms();
    point = points(false);
    bench_value("an introduction point", point, "bytes", "<= 512");
    bench_value("an entry of a member, beside it", points(true) - point,
                "bytes", "<= 256");
    bench_value("one that waits at a rendezvous", waiting(), "bytes", "");
    return 0;
}
