/* SPDX-License-Identifier: MIT */
#include "sim/clique.h"

#include "base/bytes.h"
#include "dht/types/node_id.h"

#include <string.h>

#define BOUND_BITS 21 /* of an id, by its address and its last three bits */

static void fill(void *ctx, void *buf, size_t len)
{
    sim_rng_fill(ctx, buf, len);
}

/* As sim_clique_best, at one address: of the ids that are bound to it by their
 * last three bits, the best. */
static int best_at(struct sim *s, const struct endpoint *ep,
                   const struct id *target, struct id *out)
{
    const uint8_t free_bits = 0xff >> BOUND_BITS % 8;
    struct random_source random = {sim_rng(s), fill};
    int best = -1;

    for (unsigned r = 0; r < 8; r++) {
        struct id id;
        int bits;

        node_id_generate(ep, (uint8_t)((target->b[ID_BYTES - 1] & ~7u) | r),
                         &random, &id);
        id.b[2] =
            (uint8_t)((id.b[2] & ~free_bits) | (target->b[2] & free_bits));
        memcpy(id.b + 3, target->b + 3, ID_BYTES - 4);
        bits = id_common_bits(&id, target);
        if (bits > best) {
            best = bits;
            *out = id;
        }
    }
    return best;
}

int sim_clique_best(struct sim *s, const struct sim_block *block,
                    const struct id *target, struct endpoint *ep, struct id *id)
{
    uint32_t addresses = UINT32_C(1) << 8 * block->len; /* 2 bytes at most */
    int best = -1;

    for (uint32_t i = 0; i < addresses; i++) {
        struct endpoint at = block->first;
        struct id near;
        int bits;

        if (block->len > 0)
            bytes_put_number(at.addr + block->at, block->len, i);
        bits = best_at(s, &at, target, &near);
        if (bits > best) {
            best = bits;
            *ep = at;
            *id = near;
        }
    }
    return best;
}

enum error sim_clique_add(struct sim *s, struct sim_hostile_config config,
                          const struct endpoint *eps, const struct id *ids,
                          uint32_t count, uint32_t *nodes)
{
    config.mode = SIM_HOSTILE_CLIQUE;
    config.clique = nodes;
    config.clique_ids = ids;
    config.clique_count = count;
    for (uint32_t i = 0; i < count; i++) {
        enum family f = (enum family)eps[i].family;
        struct sim_place place = {.family = {false}, .at = {NULL}};
        enum error e;

        place.family[f] = true;
        place.at[f] = &eps[i];
        config.id = ids[i];
        e = sim_hostile_add(s, &place, &config, &nodes[i]);
        if (e != OK)
            return e;
    }
    return OK;
}
