/* SPDX-License-Identifier: MIT
 *
 * Proof of work for introductions, when a service asks for it: a number of
 * tries of Argon2id (RFC 9106; 1 pass over 1 MiB), `effort` on average.
 *
 *   c      = BLAKE2b-256("warren work" 00 | seed 16 | auth id 16 | e 32 |
 *                        nonce 8 | effort u32)
 *   digest = Argon2id(c, salt: seed)[0..16]
 *   valid  = u32(BLAKE2b-128(c | digest)[0..4]) * effort < 2^32
 *
 * Numbers are big endian. The digest is sent along, so that the last line,
 * 0.2 us, comes before the one that costs half a millisecond: who sends a
 * false digest has to find one, too. It is bound to e, the initiator's key of
 * one handshake, so that who sees it cannot use it; and to the effort, so that
 * luck is no higher claim.
 *
 * An INTRODUCE names the seed by a hint that is another at each introduction
 * point, so that two of them do not see that they are of one service:
 *
 *   hint   = BLAKE2b-128("warren work hint" 00 | seed 16 | auth id 16)[0..4]
 *
 * How much effort is asked for is decided elsewhere.
 */
#ifndef WARREN_TUNNEL_RECORD_WORK_H
#define WARREN_TUNNEL_RECORD_WORK_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define WORK_SEED_BYTES   16
#define WORK_DIGEST_BYTES 16
#define WORK_HINT_BYTES   4

/* What work is for. */
struct work_task {
    uint8_t seed[WORK_SEED_BYTES];
    uint8_t auth_id[16];
    uint8_t e[32];
    uint32_t effort; /* at least 1 */
};

struct work_proof {
    uint64_t nonce;
    uint8_t digest[WORK_DIGEST_BYTES];
};

void work_hint(const uint8_t seed[WORK_SEED_BYTES], const uint8_t auth_id[16],
               uint8_t hint[WORK_HINT_BYTES]);

/* Whether the digest, if it is the right one, is worth the effort. False for
 * an effort of 0. */
bool work_is_plausible(const struct work_task *task,
                       const struct work_proof *proof);

/* That, and then whether the digest is the right one. ERR_TOKEN: not
 * plausible, nothing expensive was done; ERR_SIGNATURE: a false digest;
 * ERR_NO_MEMORY. */
enum error work_verify(const struct work_task *task,
                       const struct work_proof *proof);

/* Up to `tries` nonces from `*nonce` on, which is moved past them. The first
 * one is best random, so that two solvers do not do the same. Half a
 * millisecond a try: for a thread that looks between calls whether it is still
 * wanted. ERR_NOT_FOUND: none of these; ERR_NO_MEMORY. */
enum error work_solve(const struct work_task *task, uint64_t *nonce,
                      unsigned tries, struct work_proof *out);

#endif
