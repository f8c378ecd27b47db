/* SPDX-License-Identifier: MIT
 *
 * What joining and upkeep are paid from, one purse per node: a credit of
 * PURSE_JOIN_CREDIT queries when a family begins to join, and one query per
 * PURSE_INTERVAL, of which PURSE_BURST can be saved. In a quiet network each
 * query is answered by another such node, so that a node sends two messages
 * per interval.
 */
#ifndef WARREN_DHT_JOIN_PURSE_H
#define WARREN_DHT_JOIN_PURSE_H

#include "base/limiter.h"
#include "base/timestamp.h"

#include <stdbool.h>
#include <stdint.h>

#define PURSE_INTERVAL    (20 * TIME_S)
#define PURSE_BURST       8
#define PURSE_JOIN_CREDIT 160

struct purse {
    struct token_bucket saved;
    unsigned credit;
};

bool purse_has(const struct purse *p, uint64_t now);
/* A query was sent. */
void purse_charge(struct purse *p, uint64_t now);
/* When there will be something in it; 0: there is. */
uint64_t purse_ready_at(const struct purse *p);

#endif
