/* SPDX-License-Identifier: MIT
 *
 * A token bucket, and a credit that is used up before it.
 */
#include "dht/join/purse.h"

static const struct token_rate rate = {
    .interval = PURSE_INTERVAL,
    .depth = (PURSE_BURST - 1) * PURSE_INTERVAL,
};

bool purse_has(const struct purse *p, uint64_t now)
{
    return p->credit > 0 || token_bucket_has(&p->saved, &rate, now);
}

void purse_charge(struct purse *p, uint64_t now)
{
    if (p->credit > 0)
        p->credit--;
    else
        token_bucket_take(&p->saved, &rate, now);
}

uint64_t purse_ready_at(const struct purse *p)
{
    uint64_t full_at = p->saved.full_at;

    if (p->credit > 0 || full_at <= rate.depth)
        return 0;
    return full_at - rate.depth;
}
