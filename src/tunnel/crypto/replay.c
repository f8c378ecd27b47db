/* SPDX-License-Identifier: MIT
 *
 * RFC 6479 keeps a ring of words, one bit a counter, and clears whole words as
 * the top moves on instead of shifting all. One word more than the window is
 * long, so that the one that is being filled is never asked about.
 */
#include "tunnel/crypto/replay.h"

#include <assert.h>
#include <string.h>

static uint64_t *word_of(struct replay *r, uint64_t counter)
{
    return &r->seen[counter / 64 % REPLAY_WORDS];
}

void replay_init(struct replay *r, uint64_t start)
{
    /* All that lies before the start counts as seen. */
    memset(r->seen, 0xff, sizeof(r->seen));
    r->top = start - 1;
    *word_of(r, r->top) = UINT64_MAX >> (63 - r->top % 64);
}

bool replay_is_fresh(const struct replay *r, uint64_t counter)
{
    if (counter > r->top)
        return true;
    if (r->top - counter >= REPLAY_WINDOW)
        return false;
    return !(r->seen[counter / 64 % REPLAY_WORDS] >> (counter % 64) & 1);
}

void replay_accept(struct replay *r, uint64_t counter)
{
    uint64_t steps;

    assert(replay_is_fresh(r, counter));
    if (counter > r->top) {
        steps = counter / 64 - r->top / 64;
        if (steps > REPLAY_WORDS)
            steps = REPLAY_WORDS;
        for (uint64_t i = 0; i < steps; i++)
            *word_of(r, counter - 64 * i) = 0;
        r->top = counter;
    }
    *word_of(r, counter) |= UINT64_C(1) << (counter % 64);
}
