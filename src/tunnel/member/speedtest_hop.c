/* SPDX-License-Identifier: MIT
 *
 * The hop's side: answers TESTs as the rates of all, of one network and of one
 * circuit allow,
 * and counts for the client what came and what it refused to answer.
 */
#include "tunnel/member/speedtest.h"

#include <string.h>

static unsigned tenth(unsigned rate)
{
    return rate < 10 ? 1 : rate / 10;
}

void speedtest_gate_init(struct speedtest_gate *gate, unsigned rate,
                         unsigned circuit_rate,
                         const uint8_t key[SOURCE_KEY_BYTES])
{
    unsigned half = rate < 2 ? 1 : rate / 2;

    *gate = (struct speedtest_gate){
        .rate = token_rate_of(rate, tenth(rate)),
        .network_rate = token_rate_of(half, tenth(half)),
        .circuit_rate = token_rate_of(circuit_rate, tenth(circuit_rate))};
    memcpy(gate->key, key, sizeof(gate->key));
}

void speedtest_hop_init(struct speedtest_hop *hop,
                        const struct speedtest_gate *gate,
                        const struct endpoint *source)
{
    *hop = (struct speedtest_hop){
        .network = source_hash(source, SOURCE_NETWORK, gate->key) %
                   SPEEDTEST_NETWORKS};
}

static bool pass(struct speedtest_gate *gate, struct speedtest_hop *hop,
                 uint64_t now)
{
    struct token_bucket *network = &gate->networks[hop->network];

    return token_bucket_has(&gate->bucket, &gate->rate, now) &&
           token_bucket_has(network, &gate->network_rate, now) &&
           token_bucket_take(&hop->bucket, &gate->circuit_rate, now) &&
           token_bucket_take(network, &gate->network_rate, now) &&
           token_bucket_take(&gate->bucket, &gate->rate, now);
}

enum error speedtest_answer(struct speedtest_gate *gate,
                            struct speedtest_hop *hop, uint64_t nonce,
                            struct bytes pad, uint64_t now, uint8_t *out,
                            size_t *out_len)
{
    uint32_t id = (uint32_t)(nonce >> 32);
    size_t len;

    if (pad.len < SPEEDTEST_PAD_MIN)
        return ERR_WRONG_LENGTH;
    if (hop->id != id) {
        hop->id = id;
        hop->received = hop->refused = 0;
    }
    hop->received++;
    if (!pass(gate, hop, now)) {
        hop->refused++;
        return ERR_RATE_LIMITED;
    }
    len = bytes_get_number(pad.p, 2);
    if (len > pad.len)
        len = pad.len;
    if (len < SPEEDTEST_PAD_MIN)
        len = SPEEDTEST_PAD_MIN;
    memset(out, 0, len);
    bytes_put_number(out, 4, hop->received);
    bytes_put_number(out + 4, 4, hop->refused);
    *out_len = len;
    return OK;
}
