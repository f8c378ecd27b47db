/* SPDX-License-Identifier: MIT
 *
 * How often a circuit and its source may ask, and how much of what they ask for
 * may not answer.
 *
 * What is silent is charged when it is begun and given back when it answers, so
 * that it makes no difference whether somebody tries a thousand ports at once
 * or one after the other. Sources and addresses share buckets by keyed hashes,
 * of which there are so many that one is hardly met by chance, and nobody can
 * aim at.
 */
#ifndef WARREN_TUNNEL_OUTLET_OUTLET_LIMITS_H
#define WARREN_TUNNEL_OUTLET_OUTLET_LIMITS_H

#include "base/limiter.h"
#include "tunnel/outlet/outlet.h"

#include <stdbool.h>
#include <stdint.h>

#define OUTLET_SITES     256
#define OUTLET_ADDRESSES 2048
#define OUTLET_ROWS      2 /* an address has a bucket in each */

struct outlet_limits {
    struct limiter requests;
    struct token_rate circuit_rate, address_rate;
    struct token_rate silent_rate, little_rate, site_rate;
    struct token_bucket sites[OUTLET_SITES];
    struct token_bucket addresses[OUTLET_ROWS][OUTLET_ADDRESSES];
    uint8_t site_key[SOURCE_KEY_BYTES];
    uint8_t address_key[OUTLET_ROWS][SOURCE_KEY_BYTES];
};

/* Of one circuit. */
struct outlet_share {
    struct endpoint neighbour;
    uint64_t site;
    struct token_bucket requests, silent;
};

void outlet_limits_init(struct outlet_limits *l,
                        const struct outlet_config *config,
                        const struct random_source *random);
void outlet_limits_deinit(struct outlet_limits *l);

void outlet_share_init(struct outlet_share *s, const struct outlet_limits *l,
                       const struct endpoint *neighbour);

/* A request. */
bool outlet_limits_request(struct outlet_limits *l, struct outlet_share *s,
                           uint64_t now);
/* A connect to this address; false, and nothing was charged. */
bool outlet_limits_connect(struct outlet_limits *l, struct outlet_share *s,
                           const struct endpoint *to, uint64_t now);
/* What was charged has answered. */
void outlet_limits_answered(struct outlet_limits *l, struct outlet_share *s);

#endif
