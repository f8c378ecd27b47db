/* SPDX-License-Identifier: MIT
 *
 * How fast a circuit is: the client sends numbered TEST messages to a hop,
 * which answers each at once. In both the nonce is
 *
 *     number of the test, 32 bits | sequence from 0, 32 bits
 *
 * and the padding begins with 8 bytes, numbers big endian:
 *
 *     TEST    wanted length of the answer's padding, 2; zeros, 6
 *     TESTED  TESTs of this test that came, 4; those of them refused, 4
 *
 * The padding of an answer is never longer than that of its TEST, so nothing
 * is amplified. What the hop answers is capped by rates, over all and for a
 * circuit. Its counts tell the client which way a message got lost.
 *
 * The client keeps a window of TESTs under way that grows with answers and
 * halves with losses, as TCP does (RFC 5681): it finds what the circuit
 * carries and takes no more than its share.
 */
#ifndef WARREN_TUNNEL_MEMBER_SPEEDTEST_H
#define WARREN_TUNNEL_MEMBER_SPEEDTEST_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/limiter.h"
#include "base/source.h"
#include "base/timestamp.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPEEDTEST_PAD_MIN    8
#define SPEEDTEST_PAD_MAX    1216
#define SPEEDTEST_WINDOW_MAX 1024
#define SPEEDTEST_NETWORKS   64

/* ---- The hop ---- */

/* Of a node, shared by its circuits. */
struct speedtest_gate {
    struct token_rate rate, network_rate, circuit_rate;
    struct token_bucket bucket;
    struct token_bucket networks[SPEEDTEST_NETWORKS]; /* by hash */
    uint8_t key[SOURCE_KEY_BYTES];                    /* of it */
};

/* Of a circuit; starts as zeros. */
struct speedtest_hop {
    unsigned network; /* in which it comes from */
    struct token_bucket bucket;
    uint32_t id; /* of the test that is counted */
    uint32_t received, refused;
};

/* Answers a second, over all and for a circuit; at least 1. Those who come from
 * one network have half of all. Bursts last a tenth of a second. */
void speedtest_gate_init(struct speedtest_gate *gate, unsigned rate,
                         unsigned circuit_rate,
                         const uint8_t key[SOURCE_KEY_BYTES]);
void speedtest_hop_init(struct speedtest_hop *hop,
                        const struct speedtest_gate *gate,
                        const struct endpoint *source);

/* The padding of the answer to a TEST, into `out`, which has `pad.len` bytes
 * and may be the same memory; the nonce of the answer is that of the TEST.
 * ERR_WRONG_LENGTH, ERR_RATE_LIMITED: no answer. */
enum error speedtest_answer(struct speedtest_gate *gate,
                            struct speedtest_hop *hop, uint64_t nonce,
                            struct bytes pad, uint64_t now, uint8_t *out,
                            size_t *out_len);

/* ---- The client ---- */

struct speedtest_config {
    uint32_t id;       /* random: tells the answers of two tests apart */
    uint64_t duration; /* ns of sending */
    unsigned window;   /* at most under way, 1 to SPEEDTEST_WINDOW_MAX */
    size_t pad;        /* of TESTs, SPEEDTEST_PAD_MIN to SPEEDTEST_PAD_MAX */
    size_t answer_pad; /* wanted; SPEEDTEST_PAD_MIN to `pad` */
};

struct speedtest_report {
    uint64_t elapsed; /* first TEST to last answer */
    uint32_t sent, answered, under_way;
    uint32_t lost; /* all that is neither answered nor under way, of which */
    /* At the hop's word. What was sent after the last TEST that was answered
     * counts as lost backward. */
    uint32_t lost_forward, lost_backward, refused;
    uint64_t up, down; /* bytes of padding a second that arrived */
    uint64_t rtt_min, rtt_mean, rtt_max, jitter; /* ns; 0 before an answer */
};

struct speedtest;

enum error speedtest_new(const struct speedtest_config *config,
                         struct speedtest **out);
void speedtest_free(struct speedtest *s);

/* True when a TEST is to be sent now: its nonce and padding (config.pad bytes
 * into `pad`). Call until false, after each answer and each tick. */
bool speedtest_next(struct speedtest *s, uint64_t now, uint64_t *nonce,
                    uint8_t *pad);

/* An answer from the hop under test. ERR_UNEXPECTED for one that answers
 * nothing, or again; ERR_WRONG_LENGTH for one of another length than was
 * wanted. */
enum error speedtest_receive(struct speedtest *s, uint64_t nonce,
                             struct bytes pad, uint64_t now);

/* Gives up what is overdue. */
void speedtest_tick(struct speedtest *s, uint64_t now);
uint64_t speedtest_next_deadline(const struct speedtest *s);

/* All was sent, and answered or given up. */
bool speedtest_is_done(const struct speedtest *s, uint64_t now);

/* Bytes of padding a second that came back, over the whole time of the test
 * at least. All of it went through every hop of the circuit, whatever the hop
 * under test says, knows beforehand or leaves out. */
uint64_t speedtest_proven(const struct speedtest *s);

/* Any time, also while it runs. */
void speedtest_get_report(const struct speedtest *s,
                          struct speedtest_report *out);

#endif
