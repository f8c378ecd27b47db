/* SPDX-License-Identifier: MIT
 *
 * One try is one nonce: its challenge, its digest, and whether that is worth
 * enough.
 */
#include "tunnel/record/work.h"

#include "base/bytes.h"
#include "tunnel/record/labelled_hash.h"

#include <sodium.h>
#include <string.h>

#define CHALLENGE_BYTES 32
#define PASSES          1
#define MEMORY          (1u << 20)

static void challenge(const struct work_task *task, uint64_t nonce,
                      uint8_t out[CHALLENGE_BYTES])
{
    uint8_t numbers[12];
    struct bytes parts[] = {bytes_of(task->seed, sizeof(task->seed)),
                            bytes_of(task->auth_id, sizeof(task->auth_id)),
                            bytes_of(task->e, sizeof(task->e)),
                            bytes_of(numbers, sizeof(numbers))};

    bytes_put_number(numbers, 8, nonce);
    bytes_put_number(numbers + 8, 4, task->effort);
    labelled_hash(out, CHALLENGE_BYTES, NULL, "warren work", parts, 4);
}

void work_hint(const uint8_t seed[WORK_SEED_BYTES], const uint8_t auth_id[16],
               uint8_t hint[WORK_HINT_BYTES])
{
    struct bytes parts[] = {bytes_of(seed, WORK_SEED_BYTES),
                            bytes_of(auth_id, 16)};
    uint8_t hash[16];

    labelled_hash(hash, sizeof(hash), NULL, "warren work hint", parts, 2);
    memcpy(hint, hash, WORK_HINT_BYTES);
}

static enum error digest_of(const struct work_task *task,
                            const uint8_t c[CHALLENGE_BYTES],
                            uint8_t out[WORK_DIGEST_BYTES])
{
    _Static_assert(WORK_SEED_BYTES == crypto_pwhash_SALTBYTES, "the salt");

    return crypto_pwhash(out, WORK_DIGEST_BYTES, (const char *)c,
                         CHALLENGE_BYTES, task->seed, PASSES, MEMORY,
                         crypto_pwhash_ALG_ARGON2ID13) == 0
               ? OK
               : ERR_NO_MEMORY;
}

/* Whether a digest is one in `effort`. */
static bool is_worth(const struct work_task *task,
                     const uint8_t c[CHALLENGE_BYTES],
                     const uint8_t digest[WORK_DIGEST_BYTES])
{
    uint8_t text[CHALLENGE_BYTES + WORK_DIGEST_BYTES], hash[16];

    memcpy(text, c, CHALLENGE_BYTES);
    memcpy(text + CHALLENGE_BYTES, digest, WORK_DIGEST_BYTES);
    crypto_generichash(hash, sizeof(hash), text, sizeof(text), NULL, 0);
    return task->effort > 0 &&
           bytes_get_number(hash, 4) * task->effort <= UINT32_MAX;
}

bool work_is_plausible(const struct work_task *task,
                       const struct work_proof *proof)
{
    uint8_t c[CHALLENGE_BYTES];

    challenge(task, proof->nonce, c);
    return is_worth(task, c, proof->digest);
}

enum error work_verify(const struct work_task *task,
                       const struct work_proof *proof)
{
    uint8_t c[CHALLENGE_BYTES], digest[WORK_DIGEST_BYTES];
    enum error e;

    challenge(task, proof->nonce, c);
    if (!is_worth(task, c, proof->digest))
        return ERR_TOKEN;
    e = digest_of(task, c, digest);
    if (e != OK)
        return e;
    return memcmp(digest, proof->digest, sizeof(digest)) == 0 ? OK
                                                              : ERR_SIGNATURE;
}

enum error work_solve(const struct work_task *task, uint64_t *nonce,
                      unsigned tries, struct work_proof *out)
{
    uint8_t c[CHALLENGE_BYTES];
    struct work_proof proof;
    enum error e;

    for (unsigned i = 0; i < tries; i++) {
        proof.nonce = (*nonce)++;
        challenge(task, proof.nonce, c);
        e = digest_of(task, c, proof.digest);
        if (e != OK)
            return e;
        if (is_worth(task, c, proof.digest)) {
            *out = proof;
            return OK;
        }
    }
    return ERR_NOT_FOUND;
}
